"""What was opened or posted in Slack before a purge does not decide a new request with the same ID."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.simulator.control.person import ActionRefusedError
from orchestration.domain.request import ApprovalRequest, Status, Via
from orchestration.service.approvals import Actor
from orchestration.service.operations import Operations
from tests.support import PATIENCE_S
from tests.support.board import Board, BoardOutcomes
from tests.support.messages import Message, actions_of, menu_entry, private, says
from tests.support.slack import PURCHASES, deliver, has_card, pressed, undecided
from tests.support.world import World

OUTDATED = "This request has changed or was replaced since you saw it; open it again."


async def asked(world: World, title: str) -> Message:
    """Asks with one and the same key, and gives the card."""
    request = ApprovalRequest(
        policy="purchase", title=title, requester="U0RITA", idempotency_key="run-7", amount=Decimal(4200)
    )
    request_id = await world.service.start(request)
    await has_card(world, request_id)
    return await world.person("U0ADA").wait_for_message(
        PURCHASES, lambda message: undecided(message) and says(title)(message)
    )


async def purged(world: World, card: Message) -> None:
    request_id = card["metadata"]["event_payload"]["instance_id"]
    await world.service.cancel(request_id, Actor("U0RITA", Via.CHAT))
    operations = Operations(world.client, BoardOutcomes(Board()))
    async with asyncio.timeout(PATIENCE_S):
        while (await operations.instance(request_id)).runtime_status.name != "COMPLETED":
            await asyncio.sleep(0.01)
    assert await operations.purge(request_id, "U0OPS") >= 1


async def replaced(world: World, before: Message) -> Message:
    await purged(world, before)
    now = await asked(world, "Two yachts")
    old, new = (card["metadata"]["event_payload"] for card in (before, now))
    assert old["instance_id"] == new["instance_id"]
    assert old["nonce"] != new["nonce"]
    return now


async def nothing_came_of_it(world: World, card: Message) -> None:
    progress = await world.service.status(card["metadata"]["event_payload"]["instance_id"])
    assert (progress.status, progress.levels[0].decisions, progress.levels[0].delegates) == (
        Status.PENDING,
        [],
        {},
    )
    ada = world.person("U0ADA")
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))


@pytest.mark.parametrize(
    ("choice", "form_id", "typed"),
    [
        ("reject", "reject_reason", {"reason": "No."}),
        ("approve_with_comment", "approve_comment", {"comment": "Go."}),
        ("delegate", "delegate_to", {"person": "U0SAM"}),
    ],
)
async def test_a_form_that_was_open_before_decides_nothing_after(
    world: World, choice: str, form_id: str, typed: dict[str, str]
) -> None:
    ada = world.person("U0ADA")
    before = await asked(world, "New laptops")
    if choice == "reject":
        await ada.click(PURCHASES, before["ts"], choice)
    else:
        chosen = menu_entry(before, choice)
        await ada.click(PURCHASES, before["ts"], "more", selected_option=chosen)
    form = await ada.wait_for_view(form_id)
    now = await replaced(world, before)
    with pytest.raises(ActionRefusedError) as refused:
        await ada.submit(form, typed)
    assert list(refused.value.errors.values()) == [OUTDATED]
    await nothing_came_of_it(world, now)


@pytest.mark.parametrize("metadata", [True, False], ids=["metadata", "value of the button"])
@pytest.mark.parametrize("action", ["approve", "reject", "more"])
async def test_a_press_on_a_card_of_before_decides_and_opens_nothing_after(
    world: World, action: str, metadata: bool
) -> None:
    before = await asked(world, "New laptops")
    now = await replaced(world, before)
    ada = world.person("U0ADA")
    form = pressed("U0ADA", before, action)
    payload = json.loads(form["payload"])
    if not metadata:
        payload["message"] |= {"metadata": None, "blocks": before["blocks"]}
    if action == "more":
        payload["actions"][0]["selected_option"] = payload["actions"][0]["options"][0]
    assert await deliver(world, payload=json.dumps(payload)) == (200, "")
    await ada.wait_for_message(PURCHASES, private(OUTDATED))
    assert await ada.views() == []
    await nothing_came_of_it(world, now)


@pytest.mark.parametrize("change", [{"nonce": "x" * 22}, {"digest": "0" * 64}], ids=["nonce", "digest"])
async def test_a_press_that_says_it_was_shown_something_else_decides_nothing(
    world: World, change: dict[str, str]
) -> None:
    card = await asked(world, "New laptops")
    card["metadata"]["event_payload"] |= change
    assert await deliver(world, **pressed("U0ADA", card)) == (200, "")
    await world.person("U0ADA").wait_for_message(PURCHASES, private(OUTDATED))
    assert (await world.service.status(card["metadata"]["event_payload"]["instance_id"])).levels[
        0
    ].decisions == []


@pytest.mark.parametrize("missing", ["nonce", "digest"])
async def test_a_press_that_does_not_say_what_was_shown_decides_nothing(world: World, missing: str) -> None:
    card = await asked(world, "New laptops")
    form = pressed("U0ADA", card, metadata=None)
    payload: dict[str, Any] = json.loads(form["payload"])
    value = json.loads(payload["actions"][0]["value"])
    del value[missing]
    payload["actions"][0]["value"] = json.dumps(value)
    assert await deliver(world, payload=json.dumps(payload)) == (200, "")
    await world.person("U0ADA").wait_for_message(
        PURCHASES, private("This card no longer says which request it belongs to")
    )


async def test_a_card_that_lost_its_metadata_gets_it_again_with_the_next_edit(world: World) -> None:
    card = await asked(world, "New laptops")
    message = world.workspace.messages.in_channel(PURCHASES)[-1]
    world.workspace.messages.save(replace(message, metadata=None))
    ada = world.person("U0ADA")
    await ada.click(PURCHASES, card["ts"], "approve")
    ended = await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))
    assert ended["metadata"] == card["metadata"]
    assert actions_of(ended) == []


async def test_the_menu_of_a_card_that_lost_its_metadata_is_read_by_the_buttons_beside_it(
    world: World,
) -> None:
    card = await asked(world, "New laptops")
    message = world.workspace.messages.in_channel(PURCHASES)[-1]
    world.workspace.messages.save(replace(message, metadata=None))
    ada = world.person("U0ADA")
    chosen = menu_entry(card, "approve_with_comment")
    await ada.click(PURCHASES, card["ts"], "more", selected_option=chosen)
    form = await ada.wait_for_view("approve_comment")
    assert json.loads(form["private_metadata"])["target"] == card["metadata"]["event_payload"]
