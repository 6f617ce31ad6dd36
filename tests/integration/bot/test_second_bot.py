"""A second bot on the same hub: what one of them keeps in its process, and how the other is right all the same."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import config
from bot.app import Countersign, running
from bot.security.keys import FILE as KEYS
from bot.security.secrets import FILE as SECRET
from bot.simulator import Person
from bot.slack.api.pace import Pace
from bot.slack.views.home import NOTHING_WAITS
from orchestration.hub import Hub, SkippableClock
from tests.support.messages import Message
from tests.support.simulated import calls
from tests.support.slack import PURCHASES, ask, decided, id_on
from tests.support.world import World, policies

LOOKS = ("conversations.history", "conversations.replies")


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[World]:
    """A bot on a hub that is not its own. What people do comes to this one."""
    clock = SkippableClock()
    with Hub(tmp_path / "there.db", listen="127.0.0.1:0", authenticate=False, clock=clock) as hub:
        async with World(tmp_path, policies("slack"), hub=hub) as world:
            yield world


@asynccontextmanager
async def second(world: World) -> AsyncIterator[Countersign]:
    """Another bot with the same keys and policies, and a data directory of its own."""
    data = world.data / "second"
    data.mkdir(mode=0o700)
    for name in (SECRET, KEYS):
        shutil.copy2(world.data / name, data / name)
    own = {"COUNTERSIGN_DATA_DIR": str(data), "COUNTERSIGN_LISTEN": "127.0.0.1:0"}
    async with running(config.read(world.settings() | own), pace=Pace(0.01), redraw_every=0.02) as app:
        await app.connecting
        yield app


async def counted(world: World, *methods: str) -> dict[str, int]:
    return {method: len(await calls(world.simulator, method)) for method in methods}


def _home_says(words: str) -> Callable[[Person], Awaitable[object]]:
    async def look(person: Person) -> object:
        view = await person.home()
        return view if view and words in str(view) else None

    return look


def _is_decided(ts: str) -> Callable[[Message], bool]:
    return lambda message: message["ts"] == ts and decided(message)


async def test_two_bots_post_nothing_twice_and_look_for_nothing(shared: World) -> None:
    rita, ada = shared.person("U0RITA"), shared.person("U0ADA")
    async with second(shared):
        for number in range(4):
            await rita.command(PURCHASES, f"/request-approval purchase 4200 Thing{number}")
        await shared.eventually(lambda: len(shared.cards()) == 4)
        for card in shared.cards():
            await ada.click(PURCHASES, card.ts, "approve")
        for card in shared.cards():
            await ada.wait_for_message(PURCHASES, _is_decided(card.ts))
        await shared.eventually(lambda: all(shared.thread(card) for card in shared.cards()))
        await shared.eventually(lambda: len(shared.direct_messages("U0RITA")) == 4)
        found = await counted(shared, *LOOKS)
    assert found == dict.fromkeys(LOOKS, 0)
    assert len(shared.cards()) == 4
    assert [len(shared.thread(card)) for card in shared.cards()] == [1] * 4


async def test_a_home_shows_what_the_other_bot_did(shared: World) -> None:
    """People open it at the first bot, whose worker does nothing from now on."""
    ada = shared.person("U0ADA")
    await ada.open_home()
    await ada.wait_for(lambda one: one.home())
    async with second(shared):
        await shared.rest()
        card = await ask(shared.person("U0RITA"))
        await ada.wait_for(_home_says("New laptops"))
        drawn = await counted(shared, "views.publish")
        await ada.click(PURCHASES, card["ts"], "approve")
        await ada.wait_for(_home_says(NOTHING_WAITS))
        assert (await shared.service.status(id_on(card))).outcome is not None
        again = await counted(shared, "views.publish")
        await asyncio.sleep(0.5)  # many looks, of which none finds a change
        assert await counted(shared, "views.publish") == again
        assert again["views.publish"] <= drawn["views.publish"] + 3
