"""Before the ack, the result of an act is told, or the duty to tell it is on disk. Otherwise there is no ack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.verdicts import answer, answer_submission
from orchestration.domain.answers import OwedAnswer
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.names import OrchestrationName
from orchestration.domain.request import Status
from orchestration.runtime.precedence import CROWD
from orchestration.service.answers import OwedAnswers
from orchestration.service.tickets import Ticket
from tests.support import PATIENCE_S
from tests.support.messages import Message, says
from tests.support.simulated import fault, no_faults
from tests.support.slack import PURCHASES, ask, deliver, pressed
from tests.support.world import World

REFUSED = "You are not one of the approvers of this request, so nothing changed."
ENDED = "This request was already approved, so nothing changed."


def told(world: World, person: str) -> list[str]:
    """What the app has told them alone, now."""
    return [
        message.text
        for message in world.workspace.messages.in_channel(PURCHASES, person)
        if message.ephemeral_to == person
    ]


async def silenced(world: World) -> None:
    """Slack takes no message and no form. A press that is delivered without a response URL has no other way."""
    for methods in ("chat.*", "conversations.open", "views.*"):
        await fault(world.simulator, methods, "internal_error", count=-1)


async def approved(world: World) -> Message:
    """A card as it was before it was approved."""
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, says("✓ *Approved*"))
    return card


@pytest.mark.parametrize("action", ["approve", "reject"])
async def test_a_press_on_a_request_that_has_ended_is_answered_before_the_ack(
    world: World, action: str
) -> None:
    card = await approved(world)
    assert await deliver(world, **pressed("U0FAY", card, action)) == (200, "")
    assert told(world, "U0FAY") == [ENDED]


async def test_a_refused_press_is_answered_before_the_ack(world: World) -> None:
    card = await ask(world.person("U0RITA"))
    assert await deliver(world, **pressed("U0SAM", card)) == (200, "")
    assert told(world, "U0SAM") == [REFUSED]


@pytest.mark.parametrize(("presser", "ended", "words"), [("U0SAM", False, REFUSED), ("U0FAY", True, ENDED)])
async def test_an_answer_that_slack_did_not_take_before_the_ack_is_told_by_the_next_process(
    world: World, presser: str, ended: bool, words: str
) -> None:
    card = await (approved(world) if ended else ask(world.person("U0RITA")))
    await silenced(world)
    assert await deliver(world, **pressed(presser, card)) == (200, "")
    await world.stop()
    assert told(world, presser) == []
    await no_faults(world.simulator)
    await world.start()
    await world.skip(seconds=15)
    await world.eventually(lambda: told(world, presser) == [words])


async def test_a_press_whose_verdict_is_late_is_acknowledged_and_answered_by_the_next_process(
    world: World,
) -> None:
    card = await ask(world.person("U0RITA"))
    await world.rest()
    assert await deliver(world, **pressed("U0SAM", card)) == (200, "")
    await world.stop()
    await world.start()
    await world.skip(seconds=15)
    await world.eventually(lambda: REFUSED in told(world, "U0SAM"))


async def test_a_press_in_a_crowd_is_acknowledged_by_a_debt_and_answered_once(world: World) -> None:
    card = await ask(world.person("U0RITA"))
    client = world.connection.client()
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(world.app.connection.precedence.ahead())
        assert await deliver(world, **pressed("U0SAM", card)) == (200, "")
        debts = [
            one
            for one in await client.get_all_orchestration_states()
            if one.name == OrchestrationName.OWED_ANSWER
        ]
        assert len(debts) == 1
    await world.eventually(lambda: told(world, "U0SAM") == [REFUSED])
    settled = await client.wait_for_orchestration_completion(debts[0].instance_id, timeout=PATIENCE_S)
    assert settled is not None, "it is settled at once, and not only when its turn to tell comes"
    await client.close()
    await world.skip(seconds=15)
    assert told(world, "U0SAM") == [REFUSED]


async def test_what_can_be_neither_said_nor_owed_is_not_acknowledged(world: World) -> None:
    card = await ask(world.person("U0RITA"))
    await silenced(world)
    await world.lose_hub()
    status, _ = await deliver(world, **pressed("U0ADA", card))
    assert status == 503


async def test_a_form_that_cannot_be_opened_and_not_be_said_is_owed_in_words(world: World) -> None:
    card = await ask(world.person("U0RITA"))
    await silenced(world)
    assert await deliver(world, **pressed("U0ADA", card, "reject")) == (200, "")
    await no_faults(world.simulator)
    await world.skip(seconds=15)
    await world.eventually(lambda: any("Slack did not take" in words for words in told(world, "U0ADA")))


async def test_the_answer_to_a_form_is_owed_too(world: World) -> None:
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase")
    form = await rita.wait_for_view("ask")
    await fault(world.simulator, "chat.postEphemeral", "internal_error", count=-1)
    await fault(world.simulator, "conversations.open", "internal_error", count=-1)
    await rita.submit(form, {"title": "New laptops", "amount": "4200"})
    assert told(world, "U0RITA") == []
    await no_faults(world.simulator)
    await world.skip(seconds=15)
    await world.eventually(lambda: any("Request sent" in words for words in told(world, "U0RITA")))


# ---- who tells it in the end -----------------------------------------------------------------------------


@pytest.fixture
async def late(world: World) -> AsyncIterator[Interaction]:
    """A press that Slack will not wait for any longer."""
    client = world.connection.client()
    body: dict[str, Any] = {"type": "block_actions", "user": {"id": "U0SAM"}, "trigger_id": "1.2.3"}
    yield Interaction(
        body,
        AsyncAck(),
        AsyncWebClient(),
        AsyncRespond(response_url=None),
        OwedAnswers(client),
        began=time.monotonic() - 2.5,
    )
    await client.close()


@pytest.mark.parametrize("has_it", [True, False])
async def test_what_the_process_says_itself_after_the_ack_is_not_said_again(
    world: World, late: Interaction, has_it: bool
) -> None:
    acked = asyncio.Event()

    async def say() -> bool:
        await acked.wait()
        return has_it

    owed = OwedAnswer(person="U0SAM", place=PURCHASES, words="Nothing changed.")
    answering = asyncio.create_task(answer(late, say(), owed))
    await world.eventually(lambda: late.acked)
    assert late.ack.response is not None
    assert late.ack.response.status == 200
    acked.set()
    await answering
    await world.skip(seconds=15)
    if has_it:
        await asyncio.sleep(0.1)
    else:
        await world.eventually(lambda: bool(told(world, "U0SAM")))
    assert told(world, "U0SAM") == ([] if has_it else ["Nothing changed."])


async def test_what_is_wrong_with_a_form_is_told_apart_where_slack_waits_no_longer(
    world: World, late: Interaction
) -> None:
    late.refuse()
    client = AsyncWebClient(token="xoxb-test", base_url=world.simulator.api_url)
    body = {**late.body, "type": "view_submission", "channel": {"id": PURCHASES}}
    form = replace(late, body=body, client=client)
    refused = Verdict(command_id="late", reason=Reason.ALREADY_ENDED, ended_as=Status.APPROVED)
    ticket = Ticket("purchase-k7m2x9qd", "late", "0" * 32, known=refused)
    await answer_submission(form, world.app.service, ticket, "comment")
    assert told(world, "U0SAM") == [ENDED]
