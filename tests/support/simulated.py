"""A simulated workspace without a bot; and for any simulator, faults and the calls that it got."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bot.simulator import AppConfig, Simulator, Workspace

BOT_TOKEN = "xoxb-test"
APP_TOKEN = "xapp-test"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@asynccontextmanager
async def running_simulator(workspace: Workspace | None = None, **options: Any) -> AsyncIterator[Simulator]:
    """A started simulator, in memory unless a workspace is given. `options` are the simulator's own."""
    owned = workspace or Workspace.open(None)
    simulator = Simulator(
        owned, bot_token=BOT_TOKEN, app_token=APP_TOKEN, signing_secret=SIGNING_SECRET, **options
    )
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()
        owned.close()


def granted(scopes: frozenset[str]) -> AppConfig:
    """The app with these scopes and no others."""
    return AppConfig(scopes=scopes, commands=frozenset({"/request-approval"}), should_escape=True)


async def fault(simulator: Simulator, method: str, error: str, **options: Any) -> None:
    """Makes the next call of `method` fail with `error`; `options` such as `count` are the simulator's own."""
    body = {"method": method, "error": error, **options}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{simulator.url}/sim/faults", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def no_faults(simulator: Simulator) -> None:
    """Removes every fault."""
    async with aiohttp.ClientSession() as http, http.delete(f"{simulator.url}/sim/faults") as answer:
        assert answer.status == 200, await answer.text()


async def calls(simulator: Simulator, method: str | None = None) -> list[dict[str, Any]]:
    """The calls of `method`, or of all methods, newest last."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{simulator.url}/sim/calls", params={"method": method} if method else {}) as answer,
    ):
        found: list[dict[str, Any]] = (await answer.json())["calls"]
        return found
