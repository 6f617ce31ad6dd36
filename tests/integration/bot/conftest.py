from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import config
from bot.app import Countersign, running
from bot.simulator import AppConfig, Simulator, Workspace
from bot.simulator.control.person import Person
from bot.slack.api.pace import Pace
from orchestration.hub import Hub, SkippableClock
from tests.support import POLICIES

SECRET = secrets.token_hex(16)


class Office:
    """The simulated workspace, and the real bot in this process, reached only over HTTP or its WebSocket."""

    def __init__(
        self,
        simulator: Simulator,
        data: Path,
        *,
        socket_mode: bool = False,
        hub: Hub | None = None,
        policies: Path = POLICIES / "bot.toml",
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.simulator = simulator
        self.data = data
        self._more = more or {}
        self._socket_mode = socket_mode
        self._hub = hub
        self._policies = policies
        self._bot = AsyncExitStack()
        self.app: Countersign | None = None

    def person(self, user: str) -> Person:
        return Person(self.simulator.url, user)

    async def start(self) -> None:
        """Starts the bot, on the hub file that is there."""
        settings = config.read(
            {
                "SLACK_BOT_TOKEN": "xoxb-test",
                "COUNTERSIGN_SLACK_API_URL": self.simulator.api_url,
                "COUNTERSIGN_LISTEN": "127.0.0.1:0",
                "COUNTERSIGN_DATA_DIR": str(self.data),
                "COUNTERSIGN_HUB": scheduler(self._hub) if self._hub else "embedded",
                "COUNTERSIGN_HUB_CLOCK": "skippable",
                "COUNTERSIGN_POLICIES": str(self._policies),
                **(
                    {"SLACK_APP_TOKEN": "xapp-test"}
                    if self._socket_mode
                    else {"SLACK_SIGNING_SECRET": SECRET}
                ),
                **self._more,
            }
        )
        self.app = await self._bot.enter_async_context(running(settings, pace=Pace(0.01), sweep_every=0.2))
        await self.app.connecting
        self.simulator.request_url = None if self._socket_mode else self.url("/slack/events")

    async def stop(self) -> None:
        await self._bot.aclose()
        self.app = None

    def url(self, path: str) -> str:
        assert self.app is not None
        return f"http://127.0.0.1:{self.app.port}{path}"

    def skip(self, **time: float) -> None:
        """Skips durable time."""
        assert self.app is not None
        hub = self._hub or self.app.connection.hub
        assert hub is not None
        hub.advance(timedelta(**time))


def scheduler(hub: Hub) -> str:
    """How a Durable Task Scheduler at the hub's address would be named: its own client and worker are used."""
    return f"Endpoint=http://{hub.address};Authentication=None;TaskHub=tests"


@asynccontextmanager
async def opened(
    place: Path, *, socket_mode: bool = False, hub: Hub | None = None, policies: Path = POLICIES / "bot.toml"
) -> AsyncIterator[Office]:
    workspace = Workspace.open(None)
    simulator = Simulator(
        workspace,
        bot_token="xoxb-test",
        app_token="xapp-test",
        signing_secret=SECRET,
        request_url=None,
        app=AppConfig(should_escape=True),
    )
    await simulator.start()
    office = Office(simulator, place, socket_mode=socket_mode, hub=hub, policies=policies)
    try:
        await office.start()
        yield office
    finally:
        await office.stop()
        await simulator.stop()


@pytest.fixture(params=["http", "socket mode", "scheduler"])
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Office]:
    """Once as Slack calls us, once as we call Slack, and once through the scheduler's client and worker over TCP."""
    if request.param != "scheduler":
        async with opened(tmp_path, socket_mode=request.param == "socket mode") as found:
            yield found
        return
    with Hub(tmp_path / "elsewhere.db", listen="127.0.0.1:0", clock=SkippableClock()) as hub:
        async with opened(tmp_path, socket_mode=False, hub=hub) as found:
            yield found


@pytest.fixture
async def http_office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened(tmp_path, socket_mode=False) as found:
        yield found


def text_of(message: dict[str, Any]) -> str:
    """All that a person can read of a message."""
    found = [message["text"]]

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key == "text" and isinstance(value, str))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(message.get("blocks"))
    return "\n".join(found)


def actions_of(message: dict[str, Any]) -> set[str]:
    """The action IDs a person can press."""
    return {
        element["action_id"]
        for block in message.get("blocks") or []
        for element in block.get("elements", [])
        if "action_id" in element
    }
