"""How often Slack is called for one approval: its limits are the ceiling of how many approvals there can be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestration.hub import Hub, SkippableClock
from tests.support.hub_proxy import HubProxy
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


async def calls_of_an_approval(world: World, title: str) -> dict[str, int]:
    """How often each method is called, from the command to the last word about it."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
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


async def test_an_approval_takes_four_calls(world: World) -> None:
    """The card, its last edit, one message in its thread, and the message to who asked."""
    await calls_of_an_approval(world, "First")  # which also learns what never changes
    assert await calls_of_an_approval(world, "Second") == {"chat.postMessage": 3, "chat.update": 1}


@pytest.mark.parametrize(("silent", "intents"), [(False, 0), (True, 3)])
async def test_on_a_shared_hub_nothing_is_looked_for(tmp_path: Path, *, silent: bool, intents: int) -> None:
    """Our hub says whether it gave an activity out before. On a hub that does not, each post costs a call of it."""
    with (
        Hub(
            tmp_path / "elsewhere.db", listen="127.0.0.1:0", authenticate=False, clock=SkippableClock()
        ) as hub,
        HubProxy(hub.address, silent=silent) as proxy,
    ):
        settings = {"COUNTERSIGN_HUB": f"grpc://{proxy.address}"}
        async with World(tmp_path, policies("slack"), hub=hub, settings=settings) as world:
            await calls_of_an_approval(world, "First")
            proxy.calls.clear()
            assert await calls_of_an_approval(world, "Second") == {"chat.postMessage": 3, "chat.update": 1}
            started = proxy.calls.count("StartInstance")
    assert started == 1 + intents, "the request itself, and a record before each post"
