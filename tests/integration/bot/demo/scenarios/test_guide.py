"""The guide alone, in a workspace without an app: two pages at once, and unexpected errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.demo.access import BotApi, Programs
from bot.demo.scenarios.guide import ScenarioGuide
from bot.simulator import Simulator, Workspace
from tests.support import PATIENCE_S


@pytest.fixture
async def quiet() -> AsyncIterator[Simulator]:
    """A workspace whose app is never there."""
    workspace = Workspace.open(None)
    simulator = Simulator(workspace, bot_token="xoxb-1", app_token="xapp-1", signing_secret="s")
    await simulator.start()
    yield simulator
    await simulator.stop()
    workspace.close()


@asynccontextmanager
async def nonsense() -> AsyncIterator[BotApi]:
    """An API that answers what no API of the bot's does."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response([], status=500)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with BotApi(f"http://127.0.0.1:{runner.addresses[0][1]}", "csn_nobody") as api:
            yield api
    finally:
        await runner.cleanup()


async def play_when(guide: ScenarioGuide, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while not (play := guide.play()) or not true(play):
            await asyncio.sleep(0.01)
    return play


def tellers() -> int:
    return sum("ScenarioGuide._tell" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_two_pages_that_begin_at_once_leave_one_play(quiet: Simulator) -> None:
    """A second play, which no page shows, could not be ended."""
    async with nonsense() as api:
        guide = ScenarioGuide(lambda: quiet.url, Programs(api, api), api, lambda: None)
        await guide.begin("laptop", by_hand=True)
        await play_when(guide, lambda play: play["phase"] == "waiting")
        await asyncio.gather(guide.begin("deploy", by_hand=True), guide.begin("silence", by_hand=True))
        assert tellers() == 1
        await guide.close()
        assert tellers() == 0


async def test_what_nobody_thought_of_is_said_and_can_be_tried_again(quiet: Simulator) -> None:
    """An unexpected error ends the step: a step that never ends offers no button."""
    async with nonsense() as api:
        guide = ScenarioGuide(lambda: quiet.url, Programs(api, api), api, lambda: None)
        await guide.begin("agent", by_hand=False)
        play = await play_when(guide, lambda play: play["phase"] == "waiting")
        for _ in range(2):
            await guide.go_on(play["id"], 0)
            failed = await play_when(guide, lambda play: bool(play["failed"]) and play["phase"] == "waiting")
            assert failed["step"] == 0
        await guide.close()
