"""A simulator on port 0, people to act in it, and a real Bolt app behind it, over HTTP or Socket Mode."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Person, Simulator
from tests.support.simulated import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, running_simulator


@asynccontextmanager
async def serving(handler: web.Application) -> AsyncIterator[str]:
    """An aiohttp application on port 0; gives its address."""
    runner = web.AppRunner(handler, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def attached(app: AsyncApp, simulator: Simulator, mode: str) -> AsyncIterator[None]:
    """The Bolt app, reachable for the simulator in one of Slack's two ways."""
    if mode == "http":
        async with serving(app.web_app("/slack/events")) as url:
            simulator.request_url = f"{url}/slack/events"
            yield
        return
    handler = AsyncSocketModeHandler(app, APP_TOKEN, ping_interval=1)
    await handler.connect_async()
    try:
        yield
    finally:
        await handler.close_async()


def bolt_app(simulator: Simulator) -> AsyncApp:
    """A Bolt app as anyone would write it, but for the base URL."""
    return AsyncApp(
        client=AsyncWebClient(token=BOT_TOKEN, base_url=simulator.api_url),
        signing_secret=SIGNING_SECRET,
    )


@pytest.fixture
def start() -> Callable[..., AbstractAsyncContextManager[Simulator]]:
    """For tests that need a simulator of their own: another clock, scopes, seed or patience."""
    return running_simulator


@pytest.fixture
def serve() -> Callable[[web.Application], AbstractAsyncContextManager[str]]:
    return serving


@pytest.fixture
def attach() -> Callable[[AsyncApp, Simulator, str], AbstractAsyncContextManager[None]]:
    return attached


@pytest.fixture
def bolt() -> Callable[[Simulator], AsyncApp]:
    return bolt_app


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator() as simulator:
        yield simulator


@pytest.fixture
async def rita(sim: Simulator) -> AsyncIterator[Person]:
    async with Person(sim.url, "U0RITA") as person:
        yield person


@pytest.fixture
async def ada(sim: Simulator) -> AsyncIterator[Person]:
    async with Person(sim.url, "U0ADA") as person:
        yield person


@pytest.fixture
def client(sim: Simulator) -> AsyncWebClient:
    return AsyncWebClient(token=BOT_TOKEN, base_url=sim.api_url)
