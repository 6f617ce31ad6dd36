"""The page on a port of its own, before a hub with real requests; Slack's names from a simulated workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from bot.http.pages.links import RecordLinks
from bot.http.pages.routes import RecordRoutes
from bot.security.keys import Secrets
from bot.simulator import Simulator, Workspace
from bot.slack.api.groups import Groups
from bot.slack.api.names import Names
from orchestration.service.operations import Operations
from tests.integration.bot.http.api.conftest import Office, opened

PUBLIC_URL = "https://approvals.example"
OLD, NEW = b"o" * 32, b"n" * 32


@dataclass
class Clock:
    """The links' time."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def skip(self, **delta: float) -> None:
        self.at += timedelta(**delta)


@dataclass(frozen=True)
class Seen:
    """What the browser got."""

    status: int
    headers: Any
    text: str


@dataclass
class Worklist:
    """The page's server, over an office that knows the requests."""

    office: Office
    links: RecordLinks
    clock: Clock
    url: str

    async def get(self, address: str) -> Seen:
        """Follows an address that `links` made."""
        async with self.office.http.get(address.replace(PUBLIC_URL, self.url)) as answer:
            return Seen(answer.status, answer.headers, await answer.text())

    async def read(self, request_id: str, person: str = "U0RITA") -> str:
        """The record, as its person reads it."""
        address = self.links.make(request_id, person)
        assert address is not None
        seen = await self.get(address)
        assert seen.status == 200, seen.text
        return seen.text


Serve = Callable[..., Awaitable[Worklist]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with opened(tmp_path_factory.mktemp("pages")) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def slack() -> AsyncIterator[Simulator]:
    """A workspace whose people have names."""
    workspace = Workspace.open(None)
    simulator = Simulator(workspace, bot_token="xoxb-test", app_token="xapp-test", signing_secret="s")
    await simulator.start()
    yield simulator
    await simulator.stop()
    workspace.close()


@pytest_asyncio.fixture(loop_scope="session")
async def serve(office: Office) -> AsyncIterator[Serve]:
    """Serves the page over a Slack that is reached at an address."""
    runners: list[web.AppRunner] = []

    async def served(slack_url: str, patience: float = 10.0) -> Worklist:
        clock = Clock()
        links = RecordLinks(PUBLIC_URL, Secrets(NEW, OLD), clock)
        client = AsyncWebClient("xoxb-test", base_url=slack_url, timeout=1)
        application = web.Application()
        names = Names(client, Groups(client), patience=patience)
        RecordRoutes(office.service, Operations(office.client), links, names).attach(application)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return Worklist(office, links, clock, f"http://127.0.0.1:{runner.addresses[0][1]}")

    yield served
    for runner in runners:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def worklist(serve: Serve, slack: Simulator) -> Worklist:
    return await serve(slack.api_url)
