"""Levels, quorum, comments, questions, delegation and absence, as they are seen on the card and in its thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.simulator.control.person import ActionRefusedError
from tests.integration.bot.life.conftest import (
    ACCESS,
    DEPLOYS,
    ESCALATIONS,
    GENERAL,
    PURCHASES,
    Cast,
    Erp,
    approve,
    ask,
    card_of,
    choose,
    request_id,
    sees,
    until,
)
from tests.support.messages import actions_of, text_of
from tests.support.world import World


def nonce_of(card: dict[str, Any]) -> str:
    """Which start of the request the card was posted for."""
    found: str = card["metadata"]["event_payload"]["nonce"]
    return found


async def test_two_levels_a_quorum_and_an_order_with_the_thread_as_the_record(people: Cast, erp: Erp) -> None:
    card = await ask(people.rita, "purchase 4200 Laptops")
    assert "○ *Manager* · waiting · until" in text_of(card)
    assert "Then *Finance*" in text_of(card)
    await choose(people.ada, card, "approve_with_comment")
    await people.ada.submit(await people.ada.wait_for_view("approve_comment"), {"comment": "Long overdue."})

    second = await card_of(people.fin, PURCHASES, "Laptops", 2)
    assert "○ *Finance* · 0 of 2" in text_of(second)
    assert "✓ *Manager* · <@U0ADA>" in text_of(second)

    async def closed() -> dict[str, Any] | None:
        """The first card, once its buttons are gone; its edit waits for no other message."""
        first = await card_of(people.rita, PURCHASES, "Laptops")
        return None if actions_of(first) else first

    assert "Long overdue." in text_of(await until(closed))
    await approve(people.fin, second)
    counted = await sees(people.rita, PURCHASES, "○ *Finance* · 1 of 2 · ✓ <@U0FIN>", "<@U0FAY> or <@U0DIRK>")
    assert "approve" in actions_of(await card_of(people.rita, PURCHASES, "Laptops", 2)), counted
    await approve(people.fin, second)  # a second vote of the same person is the same vote
    await sees(people.fin, PURCHASES, "That was already recorded; nothing changed.")
    await approve(people.dirk, second)

    for round_ in (1, 2):
        await sees(people.rita, PURCHASES, "✓ *Approved* by <@U0DIRK>", "✓ “Order PO-1 placed” · 127.0.0.1")
        ended = await card_of(people.rita, PURCHASES, "Laptops", round_)
        assert actions_of(ended) == []
    [(key, event)] = erp.asked
    assert key == f"{request_id(card)}:{nonce_of(card)}:approved:0"
    assert event["type"] == "approval.approved"
    assert event["data"]["request"]["title"] == "Laptops"
    assert event["data"]["outcome"]["digest"]
    await sees(
        people.sam, GENERAL, "✓ <@U0DIRK> approved *“Laptops”* (4,200.00 USD).", "Asked for by <@U0RITA>"
    )
    await sees(people.rita, PURCHASES, "✓ Notified <#C0GENERAL>")

    said = "\n".join(text_of(line) for line in await people.rita.thread(PURCHASES, card["ts"]))
    for line in (
        "✓ <@U0ADA> approved:\n> Long overdue.",
        "✓ *Manager* level approved",
        "✓ <@U0FIN> approved",
        "✓ *Approved* by <@U0DIRK>",
    ):
        assert said.count(line) >= 1, said
    await sees(people.rita, PURCHASES, "✓ “Order PO-1 placed” · 127.0.0.1", thread=card["ts"])
    await sees(
        people.rita, "D0RITA", "✓ <@U0ADA> approved *“Laptops”* (4,200.00 USD) (*Manager*).", "*Finance*"
    )
    await sees(people.rita, "D0RITA", "✓ <@U0DIRK> approved *“Laptops”*")


async def test_a_small_purchase_needs_nobody_and_the_channel_sees_by_which_rule(
    people: Cast, erp: Erp
) -> None:
    card = await ask(people.rita, "purchase 999.99 Pens")
    assert actions_of(card) == []
    await sees(
        people.ada, PURCHASES, "✓ *Approved by rule*", "the amount is below 1,000.00 USD", "Order PO-1"
    )
    await sees(people.rita, "D0RITA", "*“Pens”* (999.99 USD) is approved by rule.")
    assert list(erp.orders) == [f"{request_id(card)}:{nonce_of(card)}:auto_approved:0"]


async def test_who_asks_cannot_decide_and_who_decided_is_not_asked_again(people: Cast) -> None:
    own = await ask(people.ada, "purchase 2000 Desks")
    await approve(people.ada, own)
    await sees(people.ada, PURCHASES, "You cannot decide your own request")
    await approve(people.fay, own)
    second = await card_of(people.fay, PURCHASES, "Desks", 2)
    await approve(people.fay, second)  # a manager, and named for Finance too
    await sees(people.fay, PURCHASES, "You have decided an earlier level")


async def test_a_question_goes_to_the_requester_and_its_answer_to_the_card(people: Cast) -> None:
    card = await ask(people.rita, "plain Chairs")
    await choose(people.ada, card, "talk")
    form = await people.ada.wait_for_view("talk")
    await people.ada.submit(form, {"text": "Which <!channel> colour?"})
    await sees(people.fay, PURCHASES, "<@U0ADA> asks: “Which &lt;!channel&gt; colour?”")
    asked = await sees(people.rita, "D0RITA", "<@U0ADA> asks about *“Chairs”*.", "|See the card>")
    await people.rita.click("D0RITA", asked["ts"], "answer")
    await people.rita.submit(await people.rita.wait_for_view("answer_question"), {"text": "Blue."})
    answered = await sees(people.fay, PURCHASES, "<@U0ADA> asks", "<@U0RITA> answers: “Blue.”")
    assert "approve" in actions_of(answered)
    await sees(people.ada, "D0ADA", "<@U0RITA> answers about *“Chairs”*.", "> Blue.")
    await people.rita.wait_for_message("D0RITA", lambda one: one["ts"] == asked["ts"] and not actions_of(one))

    await sees(people.fay, PURCHASES, "<@U0ADA> asks:\n> Which &lt;!channel&gt; colour?", thread=card["ts"])

    await choose(people.rita, card, "talk")  # the requester answers or comments, and asks nothing
    form = await people.rita.wait_for_view("talk")
    assert [option["value"] for option in form["blocks"][1]["element"]["options"]] == ["answer", "comment"]
    await people.rita.submit(form, {"kind": "comment", "text": "They come in May."})
    await sees(people.fay, PURCHASES, "<@U0RITA> comments:\n> They come in May.", thread=card["ts"])

    await choose(people.sam, card, "talk")
    with pytest.raises(ActionRefusedError) as refused:
        await people.sam.submit(await people.sam.wait_for_view("talk"), {"text": "And for me?"})
    assert "not one of the approvers" in refused.value.errors["text"]

    await choose(people.ada, card, "talk")
    await people.ada.submit(await people.ada.wait_for_view("talk"), {"text": "For which room?"})
    second = await sees(people.rita, "D0RITA", "> For which room?")
    assert actions_of(second) == ["answer"]
    await approve(people.ada, card)
    kept = await people.rita.wait_for_message(
        "D0RITA", lambda one: one["ts"] == second["ts"] and not actions_of(one)
    )
    assert "> For which room?" in text_of(kept)


async def test_a_vote_is_handed_over_once_and_not_to_whom_it_may_not_go(people: Cast) -> None:
    card = await ask(people.rita, "plain Lamps")
    await choose(people.ada, card, "delegate")
    form = await people.ada.wait_for_view("delegate_to")
    with pytest.raises(ActionRefusedError) as refused:
        await people.ada.submit(form, {"person": "U0RITA"})
    assert "That person cannot decide this for you" in refused.value.errors["person"]
    await people.ada.submit(form, {"person": "U0SAM"})
    await sees(people.fay, PURCHASES, "<@U0SAM> (for <@U0ADA>)")
    told = await sees(
        people.sam, "D0SAM", "<@U0ADA> handed their vote on *“Lamps”* to you.", "|See the card>"
    )
    assert "until <!date" in text_of(told)
    await sees(people.fay, PURCHASES, "→ <@U0ADA> handed their vote to <@U0SAM>", thread=card["ts"])
    await approve(people.ada, card)
    await sees(people.ada, PURCHASES, "Your vote on this level is delegated")
    await choose(people.sam, card, "delegate")
    with pytest.raises(ActionRefusedError) as refused:
        await people.sam.submit(await people.sam.wait_for_view("delegate_to"), {"person": "U0FIN"})
    assert "a delegate cannot delegate again" in refused.value.errors["person"]
    await approve(people.sam, card)
    await sees(people.rita, PURCHASES, "✓ *Approved* by <@U0SAM>")


async def test_away_people_are_stood_in_for_until_they_are_back(people: Cast) -> None:
    day = datetime.now(UTC).date()
    for wrong, said in (
        ("away until soon delegate @sam", "is no date"),
        (f"away until {day - timedelta(days=1)} delegate @sam", "is over"),
        (f"away until {day} delegate @fay", "You cannot be your own delegate"),
        (f"away until {day} delegate @nobody", "I cannot tell who “＠nobody” is"),
        (f"away until {day}", "who decides for you"),
        (f"away until {day} from {day + timedelta(days=2)} delegate @sam", "is before"),
    ):
        await people.fay.command(GENERAL, f"/request-approval {wrong}")
        await sees(people.fay, GENERAL, said)
    await people.fay.command(GENERAL, f"/request-approval away until {day + timedelta(days=9)} delegate @sam")
    await sees(people.fay, GENERAL, f"From {day} to {day + timedelta(days=9)} (UTC), <@U0SAM> is asked")

    card = await ask(people.rita, "named Wiki", ACCESS)
    assert "waiting for <@U0SAM> (for <@U0FAY>, who is away)" in text_of(card)
    await sees(people.sam, "D0SAM", "<@U0FAY> is away, so you decide *“Wiki”* instead.", "|See the card>")
    await sees(people.rita, ACCESS, "→ <@U0SAM> decides for <@U0FAY>, who is away", thread=card["ts"])
    await approve(people.fay, card)
    await sees(people.fay, ACCESS, "Your vote on this level is delegated")
    await approve(people.sam, card)
    await sees(people.rita, ACCESS, "✓ *Approved* by <@U0SAM>")

    await people.fay.command(GENERAL, "/request-approval back")
    await sees(people.fay, GENERAL, "Welcome back")
    await people.rita.command(GENERAL, "/request-approval back")
    await sees(people.rita, GENERAL, "You are not away.")
    again = await ask(people.rita, "named CRM", ACCESS)
    await approve(people.fay, again)
    await sees(people.rita, ACCESS, "✓ *Approved* by <@U0FAY>")


async def test_only_the_requester_withdraws_from_the_card_or_by_command(people: Cast) -> None:
    card = await ask(people.rita, "plain Rugs")
    await choose(people.ada, card, "cancel")
    await sees(people.ada, PURCHASES, "Only the person who asked can do that.")
    await people.ada.command(GENERAL, f"/request-approval cancel {request_id(card)}")
    await sees(people.ada, GENERAL, "Only the person who asked can do that.")
    await choose(people.rita, card, "cancel")
    await people.rita.submit(await people.rita.wait_for_view("cancel_reason"), {"reason": "Too loud."})
    await sees(people.ada, PURCHASES, "– *Withdrawn* by <@U0RITA>", "> Too loud.")

    other = await ask(people.rita, "plain Vases")
    await people.rita.command(GENERAL, f"/request-approval cancel {request_id(other)} We have some.")
    await sees(people.rita, GENERAL, "Withdrawn: `plain-")
    await sees(people.ada, PURCHASES, "*“Vases”*", "– *Withdrawn* by <@U0RITA>", "> We have some.")
    await people.rita.command(GENERAL, f"/request-approval cancel {request_id(other)}")
    await sees(people.rita, GENERAL, "already cancelled")
    await people.rita.command(GENERAL, "/request-approval cancel plain-00000000")
    await sees(people.rita, GENERAL, "I don't know this request.")


async def test_silence_escalates_with_what_was_said_so_far_and_either_card_decides(
    world: World, people: Cast
) -> None:
    card = await ask(people.rita, "pair Release", DEPLOYS)
    await approve(people.ada, card)
    await sees(people.rita, DEPLOYS, "○ *Pair* · 1 of 2 · ✓ <@U0ADA>", "waiting for <@U0FIN>")
    await world.skip(days=1)
    escalated = await card_of(people.dirk, ESCALATIONS, "Release", 2)
    assert "✓ <@U0ADA>" in text_of(escalated)
    assert "no decision by" in text_of(escalated)
    original = await sees(
        people.fin, DEPLOYS, "→ *Escalated* to <#C0ESCALATIONS> · can still be decided here"
    )
    assert "approve" in actions_of(original)
    await sees(people.rita, "D0RITA", "was escalated to <#C0ESCALATIONS>. Nobody decided it in time.")
    await sees(
        people.rita, DEPLOYS, "Nobody decided in time: escalated to <#C0ESCALATIONS>", thread=card["ts"]
    )
    await approve(people.fin, original)
    for person, channel in ((people.rita, DEPLOYS), (people.dirk, ESCALATIONS)):
        ended = await sees(person, channel, "✓ *Approved* by <@U0FIN>", "✓ <@U0ADA>", "*Escalated* to")
        assert actions_of(ended) == []


async def test_at_a_time_out_the_partial_result_is_kept(world: World, people: Cast) -> None:
    card = await ask(people.rita, "purchase 5000 Ovens")
    await approve(people.fay, card)
    second = await card_of(people.rita, PURCHASES, "Ovens", 2)
    await approve(people.fin, second)
    await sees(people.rita, PURCHASES, "1 of 2 · ✓ <@U0FIN>")
    await world.skip(days=1)
    for round_ in (1, 2):
        await sees(people.rita, PURCHASES, "✗ *Timed out*", "✗ *Finance* · 1 of 2 · ✓ <@U0FIN>", "timed out")
        assert "✓ *Manager* · <@U0FAY>" in text_of(await card_of(people.rita, PURCHASES, "Ovens", round_))
