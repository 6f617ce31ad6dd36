"""What must come right all the same: reminders, digests, failing systems, bursts, throttling, deleted cards."""

from __future__ import annotations

import asyncio
import os
from functools import partial

import pytest
from durabletask.client import OrchestrationStatus

from bot.simulator.control.person import ActionRefusedError, Person
from bot.slack.input.target import Target
from bot.slack.messages import cards
from bot.slack.text import unescape
from orchestration.domain.request import ApprovalRequest, RemarkKind, Via
from orchestration.service.approvals import Actor
from orchestration.service.sweep import ReconcileSweep, reconcile_id
from tests.integration.bot.life.conftest import (
    ACCESS,
    DEPLOYS,
    GENERAL,
    PURCHASES,
    Cast,
    Erp,
    approve,
    ask,
    card_of,
    choose,
    press,
    request_id,
    sees,
    until,
)
from tests.support.messages import Message, actions_of, text_of
from tests.support.simulated import fault
from tests.support.world import World

BURST = 500 if os.environ.get("COUNTERSIGN_PROOF") else 150
DUELS = 200 if os.environ.get("COUNTERSIGN_PROOF") else 20


async def due(world: World, *, seconds: float) -> None:
    """Returns once a timer is due within that time."""
    await world.eventually(lambda: world.is_due_within(seconds=seconds))


async def direct(person: Person, *words: str) -> list[str]:
    """What the app told this person that has all of `words`."""
    told = [text_of(message) for message in await person.messages(f"D{person.user_id[1:]}")]
    return [text for text in told if all(word in text for word in words)]


async def test_only_who_has_not_decided_is_reminded(world: World, people: Cast) -> None:
    card = await ask(people.rita, "pair Hotfix", DEPLOYS)
    await approve(people.ada, card)
    await sees(people.rita, DEPLOYS, "1 of 2")
    await world.skip(hours=4)
    await sees(people.fin, "D0FIN", "*“Hotfix”* waits for your decision until <!date", "|See the card>")
    await sees(people.rita, DEPLOYS, "Reminded <@U0FIN>", thread=card["ts"])
    assert await direct(people.ada, "waits for your decision") == []
    await world.skip(hours=4)
    await sees(people.fin, "D0FIN", "*“Hotfix”*: see the newer message below.")
    assert await direct(people.ada, "waits for your decision") == []
    first, second = (await people.fin.messages("D0FIN"))[-2:]
    assert actions_of(second) == ["approve", "reject", "digest_details"]
    with pytest.raises(ActionRefusedError):  # it has no button any more
        await press(people.fin, first, "approve")
    await press(people.fin, second, "digest_details")
    assert [view["title"]["text"] for view in await until(people.fin.views)] == ["Details"]
    await press(people.fin, second, "approve")
    await sees(people.rita, DEPLOYS, "✓ *Approved* by <@U0FIN>")
    done = await sees(people.fin, "D0FIN", "✓ <@U0FIN> approved *“Hotfix”*", "|See the card>")
    assert (done["ts"], actions_of(done)) == (second["ts"], [])


async def test_who_has_many_waiting_gets_one_digest_with_links(world: World, people: Cast) -> None:
    for number in range(7):
        await ask(people.rita, f"named System{number}", ACCESS)
    await world.skip(hours=4)
    digest = await sees(people.fay, "D0FAY", "7 requests wait for your decision:")
    for number in range(7):
        assert f"|“System{number}”>, until <!date" in text_of(digest)
    await world.skip(hours=4)
    await due(world, seconds=4 * 3600)
    assert len(await direct(people.fay, "requests wait for your decision")) == 1
    assert await direct(people.fay, "waits for your decision") == []


async def test_an_order_that_keeps_failing_is_told_to_the_owner_who_has_it_tried_again(
    world: World, people: Cast, erp: Erp
) -> None:
    erp.down = True
    await ask(people.rita, "purchase 500 Pens")

    async def given_up() -> bool:
        if world.is_due_within(seconds=300):
            await world.skip(minutes=5)
        return bool(await direct(people.dirk, "could not be told"))

    await until(given_up)
    told = await sees(
        people.dirk, "D0DIRK", "✗ *“Pens”* (500.00 USD) has ended, but 127.0.0.1 could not be told"
    )
    assert "127.0.0.1 answered 503" in text_of(told)
    await sees(people.rita, PURCHASES, "✓ *Approved by rule*", "✗ Failed: 127.0.0.1 answered 503")
    assert len({key for key, _ in erp.asked}) == 1 < len(erp.asked)

    erp.down = False
    await press(people.dirk, told, "retry")
    await sees(people.dirk, "D0DIRK", "It is being tried again")
    await sees(people.rita, PURCHASES, "✓ “Order PO-1 placed” · 127.0.0.1")
    assert len(erp.orders) == 1
    await press(people.dirk, told, "retry")
    await sees(people.dirk, "D0DIRK", "There is nothing that failed and could be tried again.")


async def test_a_request_that_an_operator_stops_has_its_cards_say_so(world: World, people: Cast) -> None:
    card = await ask(people.rita, "plain Sofas")
    shown = Target.model_validate(card["metadata"]["event_payload"])
    ada = Actor("U0ADA", Via.CHAT)
    await world.service.delegate(request_id(card), ada, "U0SAM", shown=shown.identity, round=1)
    asked = await sees(people.sam, "D0SAM", "<@U0ADA> handed their vote on *“Sofas”*", "|See the card>")
    assert actions_of(asked) == ["approve", "reject", "digest_details"]

    async def on_record() -> bool:
        return bool((await world.service.view(request_id(card))).progress.messages)

    await until(on_record)
    client = world.client
    await client.terminate_orchestration(request_id(card))
    stopped = await sees(people.ada, PURCHASES, "*“Sofas”*", "– *Stopped by an operator*")
    assert (stopped["ts"], actions_of(stopped)) == (card["ts"], [])
    await sees(people.rita, "D0RITA", "*“Sofas”* was stopped by an operator.")
    over = await sees(people.sam, "D0SAM", "*“Sofas”* was stopped by an operator.")
    assert (over["ts"], actions_of(over)) == (asked["ts"], [])

    async def settled() -> bool:
        # The request was stopped before its card was on record, so copies of the card are looked for.
        if world.is_due_within(seconds=20):
            await world.skip(seconds=20)
        nonce = card["metadata"]["event_payload"]["nonce"]
        state = await client.get_orchestration_state(reconcile_id(request_id(card), nonce))
        return state is not None and state.runtime_status is OrchestrationStatus.COMPLETED

    await until(settled)
    again = ReconcileSweep(client)  # as after a start of the bot: it looks at everything once more
    assert [await again.sweep() for _ in range(2)] == [0, 0]
    assert len(await direct(people.rita, "was stopped by an operator")) == 1
    await client.close()


async def test_a_deleted_card_is_no_error_and_leaves_nothing_behind(world: World, people: Cast) -> None:
    card = await ask(people.rita, "purchase 3000 Clocks")
    await people.rita.delete(PURCHASES, card["ts"])
    service = world.service
    ticket = await service.comment(
        request_id(card), Actor("U0RITA", Via.CHAT), RemarkKind.COMMENT, "Are they loud?"
    )
    assert (await service.verdict(ticket)).accepted
    await world.skip(days=2)
    second = await card_of(people.dirk, "C0ESCALATIONS", "Clocks", 2)
    await choose(people.dirk, second, "approve_with_comment")
    await people.dirk.submit(await people.dirk.wait_for_view(), {"comment": "Fine."})
    third = await card_of(people.fin, PURCHASES, "Clocks", 3)
    await approve(people.fin, third)
    await approve(people.fay, third)
    await sees(people.rita, PURCHASES, "✓ *Approved* by <@U0FAY>")
    await sees(people.rita, GENERAL, "<@U0FAY> approved *“Clocks”*")
    assert [text_of(m) for m in await people.rita.messages(PURCHASES) if "Are they loud" in text_of(m)] == []


async def test_edits_that_fail_for_a_while_are_made_later(world: World, people: Cast) -> None:
    card = await ask(people.rita, "plain Mugs")
    await fault(world.simulator, "chat.update", "internal_error", count=3)
    await approve(people.ada, card)

    async def shown() -> bool:
        if world.is_due_within(seconds=10):
            await world.skip(seconds=10)
        return actions_of(await card_of(people.rita, PURCHASES, "Mugs")) == []

    await until(shown)


async def test_slack_asking_to_wait_delays_that_channel_and_no_other(world: World, people: Cast) -> None:
    await fault(world.simulator, "chat.postMessage", "ratelimited", retry_after=1, channel=PURCHASES)
    await people.rita.command(GENERAL, "/request-approval plain Late")
    await people.rita.command(GENERAL, "/request-approval named Prompt")
    await due(world, seconds=1.1)  # durable: the other requests have hours
    await card_of(people.rita, ACCESS, "Prompt")
    assert [m for m in await people.rita.messages(PURCHASES) if "Late" in text_of(m)] == []
    await card_of(people.rita, PURCHASES, "Late")


async def test_a_burst_into_one_channel_is_posted_once_each_and_holds_up_no_other(
    world: World, people: Cast
) -> None:
    service = world.service
    given = [
        ApprovalRequest(policy="plain", title=f"Item {number:03}", requester="U0RITA", asked_with="ci")
        for number in range(BURST)
    ]
    for some in range(0, BURST, 50):
        await asyncio.gather(*(service.start(request) for request in given[some : some + 50]))
    await ask(people.ada, "named Meanwhile", ACCESS)
    done = await _cards(people.rita)
    assert len(done) < BURST  # the other channel's card did not wait for all of these

    async def all_there() -> bool:
        return len(await _cards(people.rita)) >= BURST

    await until(all_there, patience=60, every=0.4)  # to look is to read them all
    titles = [message["blocks"][0]["text"]["text"] for message in await _cards(people.rita)]
    assert sorted(titles) == [request.title for request in given]


async def _cards(person: Person) -> list[Message]:
    return [message for message in await person.messages(PURCHASES) if "approve" in actions_of(message)]


async def test_two_opposite_buttons_at_once_give_one_outcome_and_both_the_truth(people: Cast) -> None:
    late = 0
    for number in range(DUELS):
        title = f"Duel{number}"
        card = await ask(people.rita, f"plain {title}")
        await people.fay.click(PURCHASES, card["ts"], "reject")
        form = await people.fay.wait_for_view("reject_reason")
        _, refused = await asyncio.gather(approve(people.ada, card), _submitted(people.fay, form))
        ended = await until(partial(_ended, people.rita, card["ts"]))
        if "*Approved* by <@U0ADA>" in text_of(ended):
            assert refused == {"reason": "This request was already approved, so nothing changed."}
            await people.fay.close_view(form)
        else:
            assert "*Rejected* by <@U0FAY>" in text_of(ended)
            assert refused == {}
            late += 1
            await until(partial(_told_late, people.ada, late))


async def _submitted(person: Person, form: Message) -> dict[str, str]:
    try:
        await person.submit(form, {"reason": "No."})
    except ActionRefusedError as refused:
        return refused.errors
    return {}


async def _ended(person: Person, ts: str) -> Message | None:
    messages = await person.messages(PURCHASES)
    return next((m for m in messages if m["ts"] == ts and not actions_of(m)), None)


async def _told_late(person: Person, count: int) -> bool:
    told = [text_of(message) for message in await person.messages(PURCHASES) if message["ephemeral"]]
    return len([text for text in told if "This request was already rejected" in text]) == count


async def test_hostile_text_mentions_nobody_and_long_text_can_be_read_whole(people: Cast) -> None:
    attack = "<!channel> <@U0DIRK> & *bold*"
    await people.rita.command(PURCHASES, "/request-approval plain")
    form = await people.rita.wait_for_view("ask")
    long = "Line & <!here> of text. " * 120
    await people.rita.submit(form, {"title": attack, "description": long})
    card = await sees(people.ada, PURCHASES, cards.REST.strip("_"))
    mrkdwn = [
        block["text"]["text"] for block in card["blocks"] if block.get("text", {}).get("type") == "mrkdwn"
    ]
    assert not any("<!" in text.replace("<!date", "") or "<@U0DIRK>" in text for text in mrkdwn)
    await people.ada.click(card["channel"], card["ts"], cards.READ)
    view = await people.ada.wait_for_view("details")
    texts = [block["text"]["text"] for block in view["blocks"] if block["type"] == "section"]
    title, *words = [text.removeprefix("> ") for text in texts if text.startswith("> ")]
    assert unescape(title) == "<!channel> <＠U0DIRK> & ∗bold∗"
    assert unescape("".join(words)) == long.strip()
    await people.ada.click_in_view(view, cards.APPROVE)
    await sees(people.ada, PURCHASES, "Approved")
    assert "as SHA-256: `" in text_of({"text": "", "blocks": view["blocks"]})
    await people.ada.close_view(view)
    await people.rita.command(GENERAL, f"/request-approval status {request_id(card)}")
    await people.rita.wait_for_view("details")


async def test_the_first_click_after_a_restart_counts_though_slack_cannot_say_who_we_are(
    world: World, people: Cast
) -> None:
    """Bolt asks Slack who we are at its first request, and acknowledges the click if it gets no answer."""
    card = await ask(people.rita, "plain Stools")
    await world.stop()
    await world.start()
    await fault(world.simulator, "auth.test", "http_500", count=-1)
    await approve(people.ada, card)
    await sees(people.rita, PURCHASES, "Stools", "Approved")
