"""A hub, a worker, a notice board and the API on a port of its own: everything but Slack."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from bot.http.api import Api
from bot.outbound.callbacks import HttpCaller, networks
from bot.security.keys import Secrets
from bot.security.receipts import Keys
from bot.security.tokens import TokenFile
from bot.slack.ids import SlackIds
from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.outcome_activities import OutcomeActivities
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.codes import Codes
from orchestration.domain.commands import Progress
from orchestration.runtime.connect import Connection, connect
from orchestration.runtime.worker import register
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService
from orchestration.service.operations import Operations
from tests.support.board import Board, BoardActions, BoardPhones
from tests.support.book import API as BOOK

ALL = ("request", "read", "admin", "decide:deploy", "decide:purchase")


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def fields(self) -> set[str]:
        """The fields that a problem names."""
        return {error["field"] for error in self.body["errors"]}


class Office:
    """The running whole. `start` and `stop` leave what is on disk."""

    def __init__(self, data: Path, port: int = 0, *orchestrators: Any) -> None:
        self.data = data
        self.board = Board()
        self.tokens = TokenFile(data / "tokens.toml")
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.port = port
        self.callback_networks = "127.0.0.1/32"
        self._orchestrators = orchestrators
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        self.connection: Connection = connect("embedded", self.data, skippable_clock=True)
        self.client = self.connection.client()
        self.service = ApprovalService(self.client, lambda: BOOK, SlackIds())
        secrets, keys = Secrets.load(None, self.data), Keys.load(None, self.data)
        codes = Codes(secrets.values)
        self.api = Api(
            self.service,
            Operations(self.client),
            self.tokens,
            secrets,
            keys,
            public_url=None,
            challenges=ChallengeService(self.client, codes),
        )
        self.worker = self.connection.worker()
        activities = ApprovalActivities(
            self.board, self.board, BoardActions(self.board), alone_since=self.connection.now()
        )
        caller = HttpCaller(secrets, networks(self.callback_networks))
        carrier = BoardPhones()
        register(
            self.worker,
            activities,
            OutcomeActivities(self.api.outcome_events(keys), caller, lambda: BOOK, SlackIds()),
            ChallengeActivities(codes, carrier, carrier, carrier),
        )
        for orchestrator in self._orchestrators:
            self.worker.add_orchestrator(orchestrator)
        self.worker.start()
        application = web.Application()
        self.api.attach(application)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self.client.close()
        await asyncio.to_thread(self.worker.stop)
        self.connection.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, name: str, owner: str = "U0RITA", *scopes: str, rate: int = 100_000) -> str:
        """A new token, called `name` and a number that nobody has had."""
        return self.tokens.create(f"{name}-{next(self._numbers)}", owner, scopes or ALL, rate)

    async def call(self, method: str, path: str, token: str | None = None, **how: Any) -> Answer:
        headers = {**how.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        url = path if path.startswith("http") else self.url + path
        async with self.http.request(method, url, headers=headers, allow_redirects=False, **how) as answer:
            is_json = answer.content_type.endswith("json")
            body = await answer.json(content_type=None) if is_json else await answer.text()
            return Answer(answer.status, answer.headers, body)

    async def ask(self, token: str, **changes: Any) -> str:
        """Asks, and returns once the card is on the board."""
        given = {"policy": "deploy", "title": "Deploy 4f2c1a to production?"} | changes
        answer = await self.call("POST", "/api/approvals", token, json=given)
        assert answer.status == 202, answer.body
        request_id: str = answer.body["id"]
        await self.until(request_id, lambda progress: len(progress.cards) == 1)
        return request_id

    async def decide(self, token: str, request_id: str, choice: str = "approve", **more: Any) -> Answer:
        body = {"choice": choice, **more}
        return await self.call("POST", f"/api/approvals/{request_id}/decision", token, json=body)

    async def until(self, request_id: str, true: Callable[[Progress], bool]) -> Progress:
        async def look() -> Progress:
            while not true(progress := await self.service.status(request_id)):
                await asyncio.sleep(0.01)
            return progress

        return await asyncio.wait_for(look(), 10)

    async def eventually(self, true: Callable[[], bool]) -> None:
        async def look() -> None:
            while not true():
                await asyncio.sleep(0.01)

        await asyncio.wait_for(look(), 10)

    async def skip(self, **time: float) -> None:
        """Skips durable time, without waiting for it."""
        assert self.connection.hub is not None
        await asyncio.to_thread(self.connection.hub.advance, timedelta(**time))


@asynccontextmanager
async def opened(data: Path, *orchestrators: Any) -> AsyncIterator[Office]:
    found = Office(data, 0, *orchestrators)
    await found.start()
    yield found
    await found.stop()
    await found.http.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """One for all tests that neither count what is in it nor skip its time; stopping one takes a second."""
    async with opened(tmp_path_factory.mktemp("office")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def own_office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened(tmp_path) as found:
        yield found
