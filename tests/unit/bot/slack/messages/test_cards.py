"""The card of each state of a request, word by word. Times are shown as `{9:40}`."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.simulator.slack_api.blocks_check import check_blocks
from bot.slack.input.draft import Policies
from bot.slack.messages.cards import COMMENTED, REST, Rendered, render
from bot.slack.messages.notices import asked, notice
from bot.slack.messages.thread import line as thread_line
from orchestration.challenge.models import Trouble
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.policy import Escalation
from orchestration.domain.request import ActionState, Choice, Factor, RemarkKind, Status, Via
from tests.support.story import PURCHASE, RequestStory, mrkdwn_of

MakeStory = Callable[..., RequestStory]
LEVEL = PURCHASE.levels[1]
MENU = {"text": "⋯"}
MENU_CHOICES = ["approve_with_comment", "talk", "delegate", "cancel", "details"]


def clock(text: str) -> str:
    """The text with each date token replaced by its UTC time."""

    def shown(found: re.Match[str]) -> str:
        moment = datetime.fromtimestamp(int(found[1]), UTC)
        return f"{{{moment:%-H:%M}}}" if moment.day == 1 else f"{{{moment:%-d %b %-H:%M}}}"

    return re.sub(r"<!date\^(\d+)\^[^|]*\|[^>]*>", shown, text)


def lines(rendered: Rendered) -> list[str]:
    """All that the card shows, from top to bottom."""
    found: list[str] = []
    for block in rendered.blocks:
        match block["type"]:
            case "actions":
                found.append(
                    " ".join(f"[{element.get('text', MENU)['text']}]" for element in block["elements"])
                )
            case "context":
                found += [f"({clock(element['text'])})" for element in block["elements"]]
            case _:
                found += clock(block["text"]["text"]).split("\n")
    return found


def test_a_card_says_where_nobody_checked_who_asks(story: MakeStory) -> None:
    """Approvers must not think that a colleague asked: an approver may have asked in that name."""
    card = story().card(1).model_copy(update={"asked_without_seal": True})
    unchecked = "<@U0RITA> (so another program says; nobody checked who asks)"
    assert lines(render(card))[1].startswith(f"{unchecked} asks for")
    ended = card.model_copy(update={"status": Status.APPROVED, "open": False})
    assert any(f"Asked by {unchecked}" in line for line in lines(render(ended)))


def test_a_new_card(story: MakeStory) -> None:
    fields = {"vendor": "Acme", "needed_by": "1 Dec"}
    card = story(fields=fields, description="Ours are from 2019.\nQuote: https://acme.example/q/7").card(1)
    rendered = render(card, ["S0MANAGERS", "U0ADA"])
    assert lines(rendered) == [
        "New laptops for the team",
        "<@U0RITA> asks for *4,200.00 USD* · Vendor: Acme · needed by: 1 Dec",
        "> Ours are from 2019.",
        "> Quote: <https://acme.example/q/7>",
        "○ *Manager* · waiting · until {3 Dec 9:30}",
        "Then *Finance*",
        "(Asked: <!subteam^S0MANAGERS> <@U0ADA>)",
        "[Approve] [Reject…] [⋯]",
        "(Purchase · purchase-k7m2x9qd)",
    ]
    assert rendered.text == "<@U0RITA> asks for 4,200.00 USD: “New laptops for the team”"
    assert rendered.metadata == {
        "event_type": "approval_requested",
        "event_payload": {
            "instance_id": "purchase-k7m2x9qd",
            "round": 1,
            "nonce": "n" * 22,
            "digest": card.digest,
        },
    }


def test_the_buttons_carry_what_the_metadata_says(story: MakeStory) -> None:
    rendered = render(story().card(1))
    row = next(block for block in rendered.blocks if block["type"] == "actions")
    *buttons, menu = row["elements"]
    payload = rendered.metadata["event_payload"]
    assert [json.loads(button["value"]) for button in buttons] == [payload] * 2
    assert [json.loads(option["value"]) for option in menu["options"]] == [
        {"choice": choice, "of": payload["digest"][:16]} for choice in MENU_CHOICES
    ]
    assert [button["accessibility_label"] for button in buttons] == [
        "Approve New laptops for the team",
        "Reject New laptops for the team",
    ]


def test_nothing_is_asked_of_an_amount_that_is_not_there(story: MakeStory, policies: Policies) -> None:
    rendered = render(story(policies["access"], title="CRM", fields={"system": "crm.example"}).card(1))
    assert lines(rendered)[1] == "<@U0RITA> asks for approval · System: crm.example"
    assert rendered.text == "<@U0RITA> asks for approval: “CRM”"


def test_a_long_field_gets_its_own_line_and_a_long_description_an_end(story: MakeStory) -> None:
    rendered = render(story(fields={"vendor": "x" * 300}, description="y" * 700).card(1))
    assert lines(rendered)[1:4] == [
        "<@U0RITA> asks for *4,200.00 USD*",
        "*Vendor*: " + "x" * 200 + "…",
        "> " + "y" * 600 + "…",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"vendor": "&" * 199}},  # shorter than the limit, but five times as long once escaped
        {"fields": {"vendor": "x" * 201}},
        {"fields": {"vendor": "<" * 40, "needed_by": "&" * 199}},
        {"fields": {"vendor": "… " + "x" * 300}},  # a typed ellipsis does not hide that we cut the text
        {"description": "x" * 601},
        {"description": "line\n" * 13},
        {"description": "…" + "&" * 599},
    ],
    ids=str,
)
def test_a_card_that_leaves_something_out_says_so_and_does_not_approve(
    story: MakeStory, changes: dict[str, Any]
) -> None:
    """Four fields of `&` once pushed the amount off the card without a hint."""
    shown = lines(render(story(**changes).card(1), []))
    assert REST in shown
    buttons = next(line for line in shown if line.startswith("["))
    assert "[Read and approve…]" in buttons
    assert "[Approve]" not in buttons
    [menu] = [
        element
        for block in render(story(**changes).card(1), []).blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "overflow"
    ]
    assert not [option for option in menu["options"] if COMMENTED in option["value"]]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "…"},
        {"description": "a\u200b…b"},
        {"fields": {"vendor": "x" * 200}},
        {"title": "a\u202eb"},
    ],
    ids=str,
)
def test_a_card_that_shows_all_approves_at_once(story: MakeStory, changes: dict[str, Any]) -> None:
    shown = lines(render(story(**changes).card(1), []))
    assert REST not in shown
    assert any("[Approve]" in line for line in shown)


@pytest.mark.parametrize(("factor", "words"), [(Factor.SMS, ", confirmed by SMS"), (None, "")])
def test_what_confirmed_a_decision_is_shown_on_the_card_and_in_its_thread(
    story: MakeStory, factor: Factor | None, words: str
) -> None:
    for choice, status, label, verb in (
        (Choice.APPROVE, Status.APPROVED, "✓ *Approved*", "✓ <@U0ADA> approved"),
        (Choice.REJECT, Status.REJECTED, "✗ *Rejected*", "✗ <@U0ADA> rejected"),
    ):
        told = story()
        told.vote("U0ADA", choice, 10)
        card = told.card(1)
        [vote] = card.levels[0].decisions
        level = card.levels[0].model_copy(update={"decisions": [vote.model_copy(update={"factor": factor})]})
        ended = {"status": status, "ended_by": "U0ADA", "ended_at": vote.at, "open": False, "levels": [level]}
        shown = lines(render(card.model_copy(update=ended)))
        assert f"{label} by <@U0ADA>{words} · {{9:40}}" in shown
        step = told.step(StepKind.VOTED, actor="U0ADA", choice=choice, factor=factor)
        assert thread_line(step) == f"{verb}{words}"


@pytest.mark.parametrize("kind", [StepKind.CODE_FAILED, StepKind.CODE_UNDELIVERED])
@pytest.mark.parametrize("trouble", list(Trouble))
def test_the_thread_speaks_of_somebody_and_to_nobody(
    story: MakeStory, kind: StepKind, trouble: Trouble
) -> None:
    """Everybody reads the thread; "please press again" goes only to the person whose code it was."""
    shown = thread_line(story().step(kind, actor="U0ADA", text=trouble))
    assert "<@U0ADA>" in shown
    assert not re.search(r"\b(you|your|please)\b", shown, re.IGNORECASE)


def test_votes_are_shown_as_they_arrive(story: MakeStory) -> None:
    told = story()
    told.vote("U0ADA", Choice.APPROVE, 10)
    told.next_level(10)
    told.vote("U0FIN", Choice.APPROVE, 20, "within <budget>", Via.SMS)
    levels = [
        "✓ *Manager* · <@U0ADA>, {9:40}",
        (
            "○ *Finance* · 1 of 2 · ✓ <@U0FIN>, {9:50}, confirmed by SMS: “within &lt;budget&gt;”"
            " · waiting for <!subteam^S0FINANCE> · until {2 Dec 9:40}"
        ),
    ]
    assert lines(render(told.card(2)))[2:4] == levels
    assert lines(render(told.card(1))) == [
        "*“New laptops for the team”*",
        "<@U0RITA> asks for *4,200.00 USD*",
        *levels,
        "(Purchase · purchase-k7m2x9qd)",
    ]


def test_who_decides_for_whom_and_whether_they_are_away(story: MakeStory) -> None:
    told = story(away={"U0ADA": "U0BOB"})
    line = "○ *Manager* · waiting for <@U0BOB> (for <@U0ADA>, who is away) or <!subteam^S0MANAGERS>"
    assert lines(render(told.card(1)))[2].startswith(line)
    fresh = "○ *Manager* · waiting for <@U0BOB> (for <@U0ADA>, who is away) or others · until {3 Dec 9:30}"
    assert lines(render(told.card(1), []))[2] == fresh
    handed = story()
    handed.delegate("U0ADA", "U0BOB")
    line = "○ *Manager* · waiting for <@U0BOB> (for <@U0ADA>) or <!subteam^S0MANAGERS> · until"
    assert lines(render(handed.card(1)))[2].startswith(line)
    handed.vote("U0BOB", Choice.APPROVE, 5)
    assert "✓ <@U0BOB> for <@U0ADA>, {9:35}" in lines(render(handed.card(1)))[2]


def test_the_card_of_an_escalation_says_that_a_delegate_is_not_the_only_one(story: MakeStory) -> None:
    """A mention in a new message notifies, so other people are only counted; the first edit names them."""
    level = PURCHASE.levels[0].model_copy(update={"approvers": ["U0ADA", "U0FIN", "U0FAY"]})
    told = story(PURCHASE.model_copy(update={"levels": [level]}), away={"U0ADA": "U0DIRK"})
    told.record.escalate(told.at(60))
    told.record.voting.absent("U0BOSS", "U0BOB")
    for notify, others in (([], "or 2 more"), (None, "<@U0FIN> or <@U0FAY>")):
        line, escalation = lines(render(told.card(2), notify))[2:4]
        assert line.startswith("○ *Manager* · waiting for <@U0DIRK> (for <@U0ADA>, who is away)")
        assert f"{others} · no decision by {{10:30}}" in line
        assert escalation.startswith("○ *Escalation* · waiting · <@U0BOB> for <@U0BOSS>, who is away · until")


def test_the_cards_say_how_many_of_an_escalation_have_approved(story: MakeStory) -> None:
    escalation = Escalation(channel="C0E", approvers=["U0MAX", "U0DIRK"], timeout=timedelta(days=1), quorum=2)
    told = story(PURCHASE.model_copy(update={"escalation": escalation}))
    told.record.escalate(told.at(60))
    told.vote("U0MAX", Choice.APPROVE, 70)
    assert lines(render(told.card(2)))[3].startswith("○ *Escalation* · waiting · 1 of 2 · until")
    assert "can still be decided here · 1 of 2 · until" in lines(render(told.card(1)))[3]


def test_where_it_takes_everybody_the_names_are_joined_by_and(story: MakeStory) -> None:
    level = LEVEL.model_copy(update={"quorum": "all", "approvers": ["U0ADA", "U0FIN", "U0FAY"]})
    told = story(PURCHASE.model_copy(update={"levels": [level], "escalation": None}))
    told.record.voting.ask(["U0ADA", "U0FIN", "U0FAY"])
    told.vote("U0ADA", Choice.APPROVE, 5)
    assert (
        "1 of 3 · ✓ <@U0ADA>, {9:35} · waiting for <@U0FIN> and <@U0FAY> · until"
        in lines(render(told.card(1)))[2]
    )


def test_the_last_question_and_its_answer(story: MakeStory) -> None:
    told = story()
    told.say("U0ADA", RemarkKind.QUESTION, "Why?", 1)
    told.say("U0RITA", RemarkKind.ANSWER, "Because.", 2)
    told.say("U0FAY", RemarkKind.COMMENT, "Fine.", 3)
    told.say("U0FIN", RemarkKind.QUESTION, "Which <colour>?", 4)
    assert "<@U0FIN> asks: “Which &lt;colour&gt;?”, {9:34}" in lines(render(told.card(1)))
    told.say("U0RITA", RemarkKind.ANSWER, "Blue.", 5)
    shown = lines(render(told.card(1)))
    assert "<@U0RITA> answers: “Blue.”, {9:35}" in shown
    assert not any("Because" in line or "Fine." in line for line in shown)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (ActionState(label="https://erp.example/orders?token=s3cret"), "○ Notifying erp.example"),
        (
            ActionState(label="https://erp.example/orders", status="done", answer="Order PO-7 <placed>"),
            "✓ “Order PO-7 &lt;placed&gt;” · erp.example",
        ),
        (ActionState(label="C0GENERAL", status="done"), "✓ Notified <#C0GENERAL>"),
        (
            ActionState(
                label="https://erp.example/orders", status="failed", answer="erp.example answered 503."
            ),
            "✗ Failed: erp.example answered 503. · erp.example",
        ),
        (ActionState(label="ledger", status="done", answer="Booked"), "✓ “Booked” · ledger"),
    ],
)
def test_what_the_outcome_did(story: MakeStory, state: ActionState, shown: str) -> None:
    told = story()
    told.record.end(Status.APPROVED, told.at(5), by="U0ADA")
    told.record.state.actions = [state]
    assert lines(render(told.card(1)))[2] == shown


def test_what_nobody_had_to_decide(story: MakeStory) -> None:
    told = story(opened=False)
    told.record.state.round = 1
    told.record.end(Status.AUTO_APPROVED, told.at(0), reason="Nobody needs to be asked, as it is small.")
    assert lines(render(told.card(1)))[:3] == [
        "*“New laptops for the team”* · 4,200.00 USD",
        "✓ *Approved by rule* · {9:30}",
        "Nobody needs to be asked, as it is small.",
    ]


def test_a_partial_result_is_kept_at_the_time_out(story: MakeStory) -> None:
    told = story()
    told.next_level(10)
    told.vote("U0FIN", Choice.APPROVE, 20)
    told.record.end(Status.TIMED_OUT, told.at(60), reason="Nobody answered in time.")
    assert "✗ *Finance* · 1 of 2 · ✓ <@U0FIN>, {9:50} · timed out" in lines(render(told.card(2)))[3]


def test_escalated(story: MakeStory) -> None:
    told = story()
    told.record.escalate(told.at(2880))
    original, escalated = render(told.card(1)), render(told.card(2), ["S0DIRECTORS"])
    assert lines(original)[2:] == [
        "○ *Manager* · waiting for <@U0ADA> or <!subteam^S0MANAGERS> · no decision by {3 Dec 9:30}",
        "→ *Escalated* to <#C0ESCALATIONS> · can still be decided here · until {4 Dec 9:30}",
        "Then *Finance*",
        "[Approve] [Reject…] [⋯]",
        "(Purchase · purchase-k7m2x9qd)",
    ]
    assert lines(escalated)[2:7] == [
        "○ *Manager* · no decision by {3 Dec 9:30}",
        "○ *Escalation* · waiting · until {4 Dec 9:30}",
        "Then *Finance*",
        "(Asked: <!subteam^S0DIRECTORS>)",
        "[Approve] [Reject…] [⋯]",
    ]
    assert original.text == "<@U0RITA> asks for 4,200.00 USD: “New laptops for the team”"
    assert escalated.text == "Escalated: <@U0RITA> asks for 4,200.00 USD: “New laptops for the team”"
    assert escalated.metadata["event_payload"]["round"] == 2


def test_approved(story: MakeStory) -> None:
    told = story()
    told.vote("U0ADA", Choice.APPROVE, 72)
    told.record.end(Status.APPROVED, told.at(72), by="U0ADA")
    rendered = render(told.card(1))
    assert lines(rendered) == [
        "*“New laptops for the team”* · 4,200.00 USD",
        "✓ *Approved* by <@U0ADA> · {10:42}",
        "(Asked by <@U0RITA>, {9:30} · Purchase · purchase-k7m2x9qd)",
    ]
    assert rendered.text == "Approved: “New laptops for the team”, 4,200.00 USD"


def test_a_decided_card_keeps_what_was_decided_and_leads_to_details(story: MakeStory) -> None:
    """A decided card still shows what was approved; a cut description says where the rest is."""
    long = "Ours are from 2019.\n" + 40 * "They break down. "
    told = story(fields={"vendor": "Acme", "needed_by": "1 Dec"}, description=long)
    told.record.end(Status.APPROVED, told.at(72), by="U0ADA")
    card = told.card(1)
    rendered = render(card)
    assert lines(rendered)[:4] == [
        "*“New laptops for the team”* · 4,200.00 USD",
        "✓ *Approved* by <@U0ADA> · {10:42}",
        "Vendor: Acme · needed by: 1 Dec",
        "> Ours are from 2019.",
    ]
    assert REST in lines(rendered)
    [entry] = rendered.blocks[0]["accessory"]["options"]
    assert json.loads(entry["value"]) == {"choice": "details", "of": card.digest[:16]}
    assert check_blocks(rendered.blocks) == []


def test_the_end_of_an_escalated_request_says_where_it_went(story: MakeStory) -> None:
    told = story()
    told.record.escalate(told.at(60))
    told.record.end(Status.TIMED_OUT, told.at(120), reason="Nobody answered in time.")
    for round_ in (1, 2):
        assert lines(render(told.card(round_)))[3] == (
            "(✗ *Manager* · timed out\n→ *Escalated* to <#C0ESCALATIONS>, {10:30})"
        )


def test_rejected_says_why_and_marks_the_words_as_theirs(story: MakeStory) -> None:
    told = story()
    told.vote("U0ADA", Choice.REJECT, 72, "Too dear.\n✓ Approved")
    told.record.end(Status.REJECTED, told.at(72), by="U0ADA", comments="Too dear.\n✓ Approved")
    assert lines(render(told.card(1)))[1:4] == [
        "✗ *Rejected* by <@U0ADA> · {10:42}",
        "> Too dear.",
        "> [v] Approved",
    ]


def test_the_end_keeps_the_path_where_there_was_one(story: MakeStory) -> None:
    told = story()
    told.vote("U0ADA", Choice.APPROVE, 10)
    told.next_level(10)
    told.vote("U0FIN", Choice.APPROVE, 20)
    told.vote("U0FAY", Choice.REJECT, 30, "No.")
    told.record.end(Status.REJECTED, told.at(30), by="U0FAY", comments="No.")
    assert lines(render(told.card(1)))[3:] == [
        "(✓ *Manager* · <@U0ADA>, {9:40}\n✗ *Finance* · ✓ <@U0FIN>, {9:50} · ✗ <@U0FAY>, {10:00}: “No.”)",
        "(Asked by <@U0RITA>, {9:30} · Purchase · purchase-k7m2x9qd)",
    ]


@pytest.mark.parametrize(
    ("status", "by", "comments", "reason", "shown"),
    [
        (
            Status.TIMED_OUT,
            None,
            "",
            "Nobody answered in time.",
            ["✗ *Timed out* · {10:30}", "Nobody answered in time."],
        ),
        (
            Status.CANCELLED,
            "U0RITA",
            "Not needed.",
            "",
            ["– *Withdrawn* by <@U0RITA> · {10:30}", "> Not needed."],
        ),
        (Status.REJECTED, None, "", "Silence is a no.", ["✗ *Rejected* · {10:30}", "Silence is a no."]),
        (Status.FAILED, None, "", "No such channel.", ["✗ *Failed* · {10:30}", "No such channel."]),
        (Status.TERMINATED, None, "", "", ["– *Stopped by an operator* · {10:30}"]),
    ],
)
def test_the_other_ends(
    story: MakeStory, status: Status, by: str | None, comments: str, reason: str, shown: list[str]
) -> None:
    told = story()
    told.record.end(status, told.at(60), by=by, comments=comments, reason=reason)
    assert lines(render(told.card(1)))[1:-1] == shown


@pytest.mark.parametrize("status", [status for status in Status if status.ended])
def test_an_ended_card_has_no_buttons_and_every_state_has_its_words(story: MakeStory, status: Status) -> None:
    told = story()
    told.record.end(status, told.at(60))
    card = told.card(1)
    assert all(block["type"] != "actions" for block in render(card).blocks)
    assert "*“New laptops for the team”* (4,200.00 USD)" in notice(told.tell(), {}).text


def test_typed_text_cannot_forge_or_mention_anywhere(story: MakeStory) -> None:
    """The same attack is typed in every place where typed text is shown."""
    attack = "<!channel> <@U0BOSS>\n✓ *Manager* · <@U0ADA>"
    told = story(title=attack, description=attack, fields={"vendor": attack, "needed_by": attack})
    told.vote("U0ADA", Choice.REJECT, 5, attack)
    pending = told.card(1)
    told.record.end(Status.REJECTED, told.at(6), by="U0ADA", comments=attack)
    for card in (pending, told.card(1)):
        rendered = render(card)
        for text in (*mrkdwn_of(rendered), rendered.text, notice(told.tell(), {}).text):
            assert "<!channel>" not in text
            assert "<@U0BOSS>" not in text
        assert not any(line.startswith("✓ *Manager*") for line in lines(rendered) if line != attack)


@pytest.mark.parametrize(
    ("status", "by", "comments", "said"),
    [
        (
            Status.APPROVED,
            "U0ADA",
            "",
            "✓ <@U0ADA> approved *“New laptops for the team”* (4,200.00 USD). {link}",
        ),
        (
            Status.REJECTED,
            "U0ADA",
            "Too dear.",
            "✗ <@U0ADA> rejected *“New laptops for the team”* (4,200.00 USD). {link}\n> Too dear.",
        ),
        (
            Status.TIMED_OUT,
            None,
            "",
            "✗ *“New laptops for the team”* (4,200.00 USD) ended without a decision. {link}",
        ),
    ],
)
def test_what_the_requester_is_told(
    story: MakeStory, status: Status, by: str | None, comments: str, said: str
) -> None:
    told = story()
    told.record.end(status, told.at(60), by=by, comments=comments)
    link = "<https://acme.example/archives/C0/p1|See the card>"
    links = {told.record.request_id: "https://acme.example/archives/C0/p1"}
    assert notice(told.tell(), links).text == said.format(link=link)
    assert notice(told.tell(), {}).text == said.format(link="").replace(" \n", "\n").rstrip()


def test_the_requester_is_told_of_an_escalation(story: MakeStory) -> None:
    told = story()
    told.record.escalate(told.at(60))
    assert notice(told.tell(), {}).text == (
        "*“New laptops for the team”* (4,200.00 USD) was escalated to <#C0ESCALATIONS>. Nobody decided it in time."
    )


def test_what_is_told_after_the_end_is_neither_false_nor_the_end_twice(story: MakeStory) -> None:
    """A message may be late while Slack is slow. Another message tells the requester the outcome."""
    told = story()
    told.record.escalate(told.at(60))
    step = told.record.step(StepKind.ESCALATED, told.at(60), place="C0ESCALATIONS")
    told.record.end(Status.APPROVED, told.at(90), by="U0DIRK", comments="")
    escalated = notice(told.tell().model_copy(update={"step": step}), {}).text
    assert escalated.endswith("was escalated to <#C0ESCALATIONS>. Nobody decided it in time.")
    for waiting in (Notice.REMINDER, Notice.ASKED):
        assert notice(told.tell(waiting, "U0ADA"), {}).text.startswith("✓ <@U0DIRK> approved")


def test_what_is_said_after_asking(story: MakeStory) -> None:
    record = story().record
    assert asked(record.request, record.request_id, record.policy) == (
        "Request sent to <#C0PURCHASES> as `purchase-k7m2x9qd`: *“New laptops for the team”* (4,200.00 USD)."
    )


def test_a_reminder_without_a_card_says_where_to_decide(story: MakeStory) -> None:
    """If the card was deleted, only the reminder says where to decide."""
    told = story()
    tell = told.tell(Notice.REMINDER, "U0ADA")
    where = "You can decide it from my Home tab, or with `/request-approval status purchase-k7m2x9qd`."
    assert notice(tell, {}).text.endswith(where)
    assert "Home tab" not in notice(tell, {told.record.request_id: "https://acme.example/p1"}).text


@pytest.mark.parametrize(
    ("sms", "confirm", "asks"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_approve_asks_again_where_the_policy_says_so_or_a_code_is_needed(
    story: MakeStory, sms: bool, confirm: bool | None, asks: bool
) -> None:
    levels = [PURCHASE.levels[0].model_copy(update={"sms": sms}), *PURCHASE.levels[1:]]
    policy = PURCHASE.model_copy(update={"levels": levels, "confirm": confirm})

    def dialogs(title: str, **more: Any) -> list[Any]:
        rendered = render(story(policy, title=title, **more).card(1))
        assert check_blocks(rendered.blocks) == []
        buttons = next(block for block in rendered.blocks if block["type"] == "actions")["elements"]
        return [button.get("confirm") for button in buttons]

    asked, *others = dialogs("*Bold* & <b>")
    assert others == [None, None], "Approve alone asks"
    shown = "“*Bold* & <b>” · 4,200.00 USD"
    assert (asked["text"]["text"] if asked else None) == (shown if asks else None)
    assert dialogs("*Bold*", description="x" * 4000)[0] is None, "Details ask, once all of it was read"
