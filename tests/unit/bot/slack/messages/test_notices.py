"""The lines of the thread and the direct messages, kind by kind."""

from collections.abc import Callable

import pytest

from bot.slack.input.target import Target
from bot.slack.messages import cards
from bot.slack.messages.notices import notice
from bot.slack.messages.thread import line
from orchestration.domain.cards import AskState, Notice, Step, StepKind, Waiting
from orchestration.domain.request import CardRef, Choice, EditedValue, Factor, RequestEdit, Status, Via
from tests.support.story import ASKED, PURCHASE, RequestStory

MakeStory = Callable[..., RequestStory]
WHAT = "*“New laptops for the team”* (4,200.00 USD)"
URL = "https://acme.example/archives/C0/p1"
SEEN = f"<{URL}|See the card>"


def step(kind: StepKind, **what: object) -> Step:
    return Step.model_validate({"number": 1, "kind": kind, "at": ASKED, **what})


EDIT = RequestEdit(
    number=1,
    actor="U0ADA",
    at=ASKED,
    level="Finance",
    round=2,
    via=Via.CHAT,
    changes=[EditedValue(path="amount", before="4200", after="3000")],
    digest_before="a" * 64,
    digest="b" * 64,
    voided=["U0FAY"],
)

LINES = [
    (step(StepKind.VOTED, actor="U0ADA", choice=Choice.APPROVE), "✓ <@U0ADA> approved"),
    (
        step(StepKind.VOTED, actor="U0ADA", choice=Choice.REJECT, text="No <b>."),
        "✗ <@U0ADA> rejected:\n> No &lt;b&gt;.",
    ),
    (step(StepKind.DELEGATED, actor="U0ADA", to="U0BOB"), "→ <@U0ADA> handed their vote to <@U0BOB>"),
    (
        step(StepKind.AWAY, actor="U0ADA", to="U0BOB"),
        "→ <@U0BOB> decides for <@U0ADA>, who is away",
    ),
    (step(StepKind.COMMENT, actor="U0ADA", text="Fine."), "<@U0ADA> comments:\n> Fine."),
    (step(StepKind.QUESTION, actor="U0ADA", text="Why?"), "<@U0ADA> asks:\n> Why?"),
    (step(StepKind.ANSWER, actor="U0RITA", text="So."), "<@U0RITA> answers:\n> So."),
    (step(StepKind.REMINDED, people=["U0ADA", "U0FIN"]), "Reminded <@U0ADA> <@U0FIN>"),
    (
        step(StepKind.ESCALATED, place="C0ESCALATIONS"),
        "→ Nobody decided in time: escalated to <#C0ESCALATIONS>",
    ),
    (step(StepKind.LEVEL_PASSED, text="Manager"), "✓ *Manager* level approved"),
    (
        step(StepKind.ACTION_DONE, to="https://erp.example/o", text="Order 7"),
        "✓ “Order 7” · erp.example",
    ),
    (step(StepKind.ACTION_DONE, to="C0GENERAL"), "✓ Notified <#C0GENERAL>"),
    (
        step(StepKind.ACTION_FAILED, to="https://erp.example/o", text="erp.example answered 503."),
        "✗ Failed: erp.example answered 503. · erp.example",
    ),
    (
        step(StepKind.CARD_STALE, place="C0DEPLOYS", text="<script> failed <!channel>"),
        "✗ A card could not be brought up to date: <#C0DEPLOYS>: &lt;script&gt; failed &lt;!channel&gt;",
    ),
    (
        step(StepKind.PREVIEW_FAILED, text="invite it (no_permission)."),
        "✗ The document cannot be shown here: invite it (no_permission).",
    ),
    (
        step(StepKind.UNSIGNED, text="Another outcome is on <record>."),
        "✗ This outcome was not signed, so nothing was set going: Another outcome is on &lt;record&gt;.",
    ),
    (
        step(StepKind.CARD_NOT_POSTED, place="C0DEPLOYS", text="There is no such channel."),
        "✗ A card could not be posted in <#C0DEPLOYS>: There is no such channel.",
    ),
    (
        step(StepKind.APPROVERS_GONE, people=["U0ADA", "U0BOB"]),
        "✗ No active member of this workspace: <@U0ADA> <@U0BOB>. Nobody can reach them",
    ),
    (
        step(StepKind.CARD_NOT_POSTED, place="C0DEPLOYS", text="It is archived.", people=["U0ADA", "U0FAY"]),
        (
            "✗ A card could not be posted in <#C0DEPLOYS>: It is archived. "
            "Asked by direct message: <@U0ADA> <@U0FAY>"
        ),
    ),
    (
        step(StepKind.CARD_LATE, place="C0DEPLOYS", text="Slack answered internal_error."),
        "✗ A card could not be posted in <#C0DEPLOYS> yet: Slack answered internal_error.",
    ),
    (step(StepKind.CODE_SENT, actor="U0ADA"), "○ A code was sent to <@U0ADA>'s phone"),
    (
        step(StepKind.CODE_UNDELIVERED, actor="U0ADA", text="expired"),
        "✗ The code for <@U0ADA> has not arrived: no code came back in time",
    ),
    (
        step(StepKind.CODE_FAILED, actor="U0ADA", text="expired"),
        "✗ <@U0ADA> did not confirm: no code came back in time",
    ),
    (
        step(StepKind.REFUSED, actor="U0ADA", text="not_an_approver"),
        "✗ <@U0ADA> confirmed by code, but it does not count; I told them why",
    ),
    (
        step(StepKind.STATE_ENTERED, state="Paid", event="PaymentReceived"),
        "→ *Paid*: PaymentReceived came in",
    ),
    (step(StepKind.STATE_ENTERED, state="Created", event="approved"), "→ *Created*: it was approved"),
    (step(StepKind.STATE_ENTERED, state="Off", event="timeout"), "→ *Off*: the time was up"),
    (
        step(StepKind.STATE_ENTERED, state="Off", event="cancelled", actor="U0FIN"),
        "→ *Off*: <@U0FIN> called it off",
    ),
    (
        step(StepKind.EVENT_REFUSED, state="Created", event="Paid", text="it needs amount to be <1>"),
        "✗ Paid moved nothing in *Created*: it needs amount to be &lt;1&gt;",
    ),
    (
        step(StepKind.STATE_OVERDUE, state="Paid", people=["U0FIN"]),
        "*Paid* takes longer than it may. Reminded <@U0FIN>",
    ),
    (
        step(StepKind.STATE_ESCALATED, state="Paid", people=["C0ESCALATIONS", "U0DIRK"]),
        "→ *Paid* still takes too long. Notified <#C0ESCALATIONS> <@U0DIRK>",
    ),
    (
        step(StepKind.STEP_UNRECORDED, state="Paid", text="Another step 2 of this request is on record."),
        (
            "✗ *Paid* could not be put on record, so nothing was set going: "
            "Another step 2 of this request is on record."
        ),
    ),
    (
        step(StepKind.FULFILMENT_STOPPED, state="Paid", status=Status.TERMINATED),
        "– Stopped by an operator in *Paid*. No event moves it any more",
    ),
    (
        step(StepKind.EDITED, actor="U0ADA", text="Finance", factor=Factor.SMS, edit=EDIT),
        (
            "→ <@U0ADA> changed what is asked at *Finance*, so all levels decide it anew, confirmed by SMS:\n"
            f"> amount:\n> -4200\n> +3000\nSHA-256 before `{'a' * 64}` · after `{'b' * 64}`"
        ),
    ),
    (
        step(StepKind.ENDED, actor="U0ADA", status=Status.REJECTED, text="No."),
        "✗ *Rejected* by <@U0ADA>:\n> No.",
    ),
    (
        step(StepKind.ENDED, status=Status.TIMED_OUT, text="Nobody answered in time."),
        "✗ *Timed out*\nNobody answered in time.",
    ),
    (
        step(StepKind.SOURCE_ANSWERED, actor="U0ADA", to="Legal", text="Ready? yes"),
        "✓ *Legal*: the answer of <@U0ADA> was given:\n> Ready? yes",
    ),
    (
        step(StepKind.SOURCE_CORRECTED, to="Scanner", text="Findings: 2"),
        "→ *Scanner*: the answer was corrected:\n> Findings: 2",
    ),
    (
        step(StepKind.SOURCE_NOT_ASKED, actor="U0ADA", to="Legal", text="They have left <us>."),
        "✗ *Legal*, <@U0ADA>, could not be asked: They have left &lt;us&gt;.",
    ),
    (
        step(StepKind.SOURCE_ANSWERED, actor="U0BOB", people=["U0ADA"], to="Legal", text="Ready? yes"),
        "✓ *Legal*: the answer of <@U0BOB> for <@U0ADA> was given:\n> Ready? yes",
    ),
    (
        step(StepKind.ASKED_INSTEAD, actor="U0ADA", to="U0BOB"),
        "→ <@U0BOB> is asked in the place of <@U0ADA>, who is away",
    ),
    (
        step(StepKind.GRANT_USED, event="2 of 20", to="agents-1", text="a calls Edit: *✓ Revoked* <!here>"),
        "✓ Use 2 of 20: “a calls Edit: ∗[v] Revoked∗ &lt;!here&gt;” `agents-1`",
    ),
    (
        step(StepKind.GRANT_ENDED, event="revoked", actor="U0ADA"),
        "✗ *Revoked* by <@U0ADA>",
    ),
    (
        step(StepKind.GRANT_ENDED, event="lapsed", text="The policy has changed."),
        "✗ *Ended*\nThe policy has changed.",
    ),
    (
        step(StepKind.CALL_JOINED, text="a calls Bash: <!here> *x*", people=["S0ONCALL"]),
        "○ One more call waits: “a calls Bash: &lt;!here&gt; ∗x∗” <!subteam^S0ONCALL>",
    ),
    (step(StepKind.GATHERED), "✓ All have answered"),
    (
        step(StepKind.GATHERED, text="The time was over.", people=["legal", "scanner"]),
        "✗ The time was over. No answer from: legal, scanner",
    ),
    (step(StepKind.GATHERED, actor="U0RITA", text="Too late."), "– Withdrawn by <@U0RITA>:\n> Too late."),
]


@pytest.mark.parametrize(
    ("said", "shown"), LINES, ids=lambda value: value.kind if isinstance(value, Step) else ""
)
def test_a_line_of_the_thread(said: Step, shown: str) -> None:
    assert line(said) == shown


def test_every_kind_of_step_has_its_line() -> None:
    assert {said.kind for said, _ in LINES} == set(StepKind)


def test_what_each_message_says(story: MakeStory) -> None:
    told = story(away={"U0ADA": "U0BOB"})
    links = {told.record.request_id: URL}

    def says(kind: Notice, user: str = "U0RITA", **more: object) -> str:
        return notice(told.tell(kind, user, **more), links).text

    until = "until <!date^1796290200^\u200b{date_short_pretty} {time}|2026-12-03 09:30 UTC>"
    asked = step(StepKind.QUESTION, actor="U0FAY", text="Why <all>?")
    assert says(Notice.QUESTION, step=asked) == f"<@U0FAY> asks about {WHAT}. {SEEN}\n> Why &lt;all&gt;?"
    answered = step(StepKind.ANSWER, actor="U0RITA", text="So.")
    assert says(Notice.ANSWER, step=answered) == f"<@U0RITA> answers about {WHAT}. {SEEN}\n> So."
    assert says(Notice.ASKED, "U0BOB") == (
        f"<@U0ADA> is away, so you decide {WHAT} instead. It waits {until}. {SEEN}"
    )
    handed = step(StepKind.DELEGATED, actor="U0FAY", to="U0SAM")
    assert says(Notice.ASKED, "U0SAM", step=handed) == (
        f"<@U0FAY> handed their vote on {WHAT} to you. It waits {until}. {SEEN}"
    )
    assert says(Notice.REMINDER, "U0FAY") == f"{WHAT} waits for your decision {until}. {SEEN}"
    passed = step(StepKind.LEVEL_PASSED, actor="U0BOB", text="Manager")
    told.next_level(5)
    assert says(Notice.PROGRESS, step=passed) == (
        f"✓ <@U0BOB> approved {WHAT} (*Manager*). Next: *Finance*. {SEEN}"
    )
    told.record.end(Status.APPROVED, told.at(6), by="U0FIN")
    assert says(Notice.OUTCOME, "C0GENERAL") == (
        f"✓ <@U0FIN> approved {WHAT}. Asked for by <@U0RITA>. {SEEN}"
    )
    failed = step(
        StepKind.ACTION_FAILED, to="https://erp.example/o?key=s3cret", text="erp.example answered 503."
    )
    assert says(Notice.ACTION_FAILED, step=failed) == (
        f"✗ {WHAT} has ended, but erp.example could not be told: erp.example answered 503. {SEEN}"
    )
    unsigned = step(StepKind.UNSIGNED, text="Another outcome is on record.")
    assert says(Notice.UNSIGNED, step=unsigned) == (
        f"✗ {WHAT} has ended, but its outcome was not signed, so nothing was set going: Another outcome is on record. "
        f"{SEEN}"
    )
    refused = step(StepKind.ACTION_FAILED, to="orchestration release-42", text="It takes no such event.")
    assert says(Notice.NOTIFICATION_REFUSED, step=refused) == (
        f"✗ {WHAT} has ended, but orchestration release-42 could not be told: It takes no such event. {SEEN}"
    )
    assert notice(told.tell(Notice.NOTIFICATION_REFUSED, step=refused), links).blocks is None
    stale = step(StepKind.CARD_STALE, place="C0DEPLOYS", text="it kept failing")
    assert says(Notice.CARD_STALE, step=stale) == (
        f"✗ A card of {WHAT} still shows what is no longer true. <#C0DEPLOYS>: it kept failing {SEEN}"
    )
    missing = step(StepKind.CARD_NOT_POSTED, place="C0DEPLOYS", text="There is no such channel.")
    assert says(Notice.CARD_NOT_POSTED, step=missing) == (
        f"✗ The card of {WHAT} could not be posted in <#C0DEPLOYS>, so nobody sees it there. "
        f"There is no such channel. {SEEN}"
    )
    missing = step(StepKind.CARD_NOT_POSTED, place="C0DEPLOYS", round=2, text="There is no such channel.")
    assert f"The card of {WHAT} for *Finance* could not" in says(Notice.CARD_NOT_POSTED, step=missing)
    assert says(Notice.VOTE_WITHDRAWN, "U0BOB", step=handed) == (
        f"<@U0FAY> handed their vote on {WHAT} to <@U0SAM>, so what you decided for them does not count any more. "
        f"{SEEN}"
    )


def test_who_can_decide_in_a_message_decides_what_it_shows(story: MakeStory) -> None:
    told = story(PURCHASE.model_copy(update={"confirm": True}), description="Five of them.")
    tell = told.tell(Notice.REMINDER, "U0FAY", asking=AskState.OPEN)
    drawn = notice(tell, {told.record.request_id: URL})
    assert drawn.text.startswith(f"Reminder: {WHAT} waits for your decision until <!date")
    lead, *shown, buttons, _ = drawn.blocks or []
    assert lead["text"]["text"].startswith("Reminder: this waits for your decision until <!date")
    assert shown == cards.what_is_asked(tell.card)
    target = Target.of(tell.card.request_id, 1, tell.card.identity).value()
    assert [(one["action_id"], one["value"]) for one in buttons["elements"]] == [
        (action, target) for action in ("approve", "reject", "digest_details")
    ]
    asks = buttons["elements"][0]["confirm"]
    assert asks["text"]["text"] == "“New laptops for the team” · 4,200.00 USD"
    for became, words in (
        (AskState.REPEATED, f"{WHAT}: see the newer message below."),
        (AskState.OVER, "does not wait for you any more."),
    ):
        over = notice(tell.model_copy(update={"asking": became}), {})
        assert over.blocks is None
        assert words in over.text


def test_every_message_fits_into_a_section_whatever_was_written(story: MakeStory) -> None:
    told = story(title="&" * 150)
    links = {told.record.request_id: URL}
    asked = step(StepKind.QUESTION, actor="U0ADA", text="&" * 600)
    lost = step(StepKind.ACTION_FAILED, to="U0ADA", text="&" * 600)
    drawn = [
        notice(told.tell(Notice.QUESTION, step=asked), links),
        notice(told.tell(Notice.ACTION_FAILED, step=lost), links),
    ]
    told.record.end(Status.CANCELLED, told.at(6), by="U0RITA", comments="&\n" * 5 + "&" * 600)
    drawn.append(notice(told.tell(Notice.REMINDER, "U0FAY", asking=AskState.OVER), links))
    assert [len(one.text) > 2000 for one in drawn] == [True] * 3, "they are long"
    assert max(len(one.text) for one in drawn) <= 3000


def test_a_late_card_is_told_with_its_level_and_as_it_stands_when_that_is_sent(story: MakeStory) -> None:
    """Cards of two levels can be late in one channel, and the notice itself can be late as well."""
    told = story()
    late = step(StepKind.CARD_LATE, place="C0DEPLOYS", round=1, text="Slack answered internal_error.")

    def says(where: CardRef | None = None) -> str:
        return notice(told.tell(Notice.CARD_LATE, step=late, where=where), {}).text

    begins = f"✗ The card of {WHAT} for *Manager* could not be posted in <#C0DEPLOYS>"
    assert says() == (
        f"{begins} yet. Slack answered internal_error. It is still being tried. "
        "Whoever may decide can do it from my Home tab meanwhile."
    )
    there = CardRef(channel="C0DEPLOYS", ts="1.1", round=1)
    assert says(where=there) == f"{begins} at first. Slack answered internal_error. It is there now."
    told.next_level(5)
    late = step(StepKind.CARD_LATE, place="C0DEPLOYS", round=2, text="Slack answered internal_error.")
    assert f"The card of {WHAT} for *Finance* could not" in says()
    told.record.escalate(told.at(6))
    late = step(StepKind.CARD_LATE, place="C0DEPLOYS", round=3, text="Slack answered internal_error.")
    assert f"The escalation card of {WHAT} for *Finance* could not" in says()
    told.record.end(Status.CANCELLED, told.at(6), by="U0RITA")
    assert says().endswith("yet. Slack answered internal_error.")


@pytest.mark.parametrize(("kind", "action"), [(Notice.QUESTION, "answer"), (Notice.ACTION_FAILED, "retry")])
def test_what_can_be_pressed_in_a_message(story: MakeStory, kind: Notice, action: str) -> None:
    message = notice(story().tell(kind), {})
    assert message.blocks is not None
    assert [element["action_id"] for element in message.blocks[1]["elements"]] == [action]


def test_a_digest_lists_links_titles_and_deadlines(story: MakeStory) -> None:
    waiting = [
        Waiting(request_id="p-1", title="A | <b> & `c`", deadline=ASKED),
        Waiting(request_id="p-2", title="Without a link"),
        *(Waiting(request_id=f"p-{n}", title="More") for n in range(3, 25)),
    ]
    text = notice(story().tell(Notice.DIGEST, waiting=waiting), {"p-1": URL}).text.splitlines()
    assert text[0] == "24 requests wait for your decision:"
    assert text[1].startswith(f"• <{URL}|“A ¦ &lt;b&gt; &amp; 'c'”>, until <!date^")
    assert text[2] == "• “Without a link”"
    assert (len(text), text[-1]) == (22, "… and 4 more")
