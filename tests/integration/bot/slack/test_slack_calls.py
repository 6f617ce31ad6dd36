"""How often Slack is called for one approval: its limits are the ceiling of how many approvals there can be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.messages import text_of
from tests.support.simulated import calls
from tests.support.slack import PURCHASES, ask, decided, id_on
from tests.support.world import World, policies

METHODS = (
    "auth.test",
    "chat.getPermalink",
    "chat.postEphemeral",
    "chat.postMessage",
    "chat.update",
    "conversations.history",
    "conversations.open",
    "conversations.replies",
    "usergroups.users.list",
    "users.info",
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, policies("slack")) as found:
        yield found


async def test_an_approval_takes_four_calls_and_the_second_edits_its_card(world: World) -> None:
    """The card, its last edit, one message in its thread, and the message to who asked."""

    async def approval(title: str) -> dict[str, int]:
        before = {method: len(await calls(world.simulator, method)) for method in METHODS}
        card = await ask(rita, f"purchase 4200 {title}")
        await ada.click(PURCHASES, card["ts"], "approve")
        await ada.wait_for_message(PURCHASES, lambda one: one["ts"] == card["ts"] and decided(one))
        await rita.wait_for_message("D0RITA", lambda one: title in text_of(one))
        [posted] = world.cards_of(id_on(card))
        await world.eventually(lambda: bool(world.thread(posted)))
        assert world.thread(posted) == ["✓ <@U0ADA> approved\n✓ *Approved* by <@U0ADA>"]
        after = {method: len(await calls(world.simulator, method)) for method in METHODS}
        return {method: more for method in METHODS if (more := after[method] - before[method])}

    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    await approval("First")  # which also learns what never changes
    assert await approval("Second") == {"chat.postMessage": 3, "chat.update": 1}
