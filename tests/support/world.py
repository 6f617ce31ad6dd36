"""The product in this process, in a simulated workspace. No other place in the tests starts the bot so."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from bot import config
from bot.app import Countersign, running
from bot.demo.manifest import APP
from bot.simulator import Person, Simulator, SmsAccount, Workspace
from bot.simulator.workspace.messages import Message
from bot.slack.api.pace import Pace
from bot.stopping import Stopping
from orchestration.domain.commands import Progress
from orchestration.hub import Hub
from orchestration.runtime.connect import Connection
from orchestration.service.approvals import ApprovalService
from tests.support import POLICIES, hub_forms, looking, replicas
from tests.support.hub_forms import HubForm, scheduler
from tests.support.messages import text_of
from tests.support.replicas import PACE, PROMPT, Replicas
from tests.support.simulated import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

TWILIO_ACCOUNT = "AC" + "0" * 32
TWILIO_TOKEN = "twilio-auth-token"
TWILIO_NUMBER = "+12025550100"


def policies(name: str) -> str:
    """The policy file `tests/support/policies/<name>.toml`."""
    return (POLICIES / f"{name}.toml").read_text()


class World:
    """A simulated workspace and its people, and the bot as `bot.app.running` builds it, with a clock that skips.

    Use it as an async context manager. `stop` and `start` end and begin the bot alone: the workspace goes on, and
    what is on disk stays.
    """

    def __init__(
        self,
        data: Path,
        policies: str,
        *,
        socket_mode: bool = False,
        sms: bool = False,
        hub: Hub | None = None,
        orchestrators: tuple[Callable[..., Any], ...] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`data` is the bot's data directory; `policies` the text of its policy file, which `write` replaces.

        `hub` is a hub outside the bot, reached as a Durable Task Scheduler. Without it the world has its own hub in the
        current form; outside the bot it goes on while the bot is stopped. `orchestrators` of another program run beside
        the bot's own. `settings` replace the world's own settings of the bot.
        """
        self.several = replicas.wanted()
        if self.several > 1 and socket_mode:
            pytest.skip("of one bot: in Socket Mode each is connected by itself, and there is no front door")
        if self.several > 1 and not replicas.can_run(orchestrators):
            pytest.skip("of one bot: its orchestrations are made while the test runs")
        self.data = data
        self.policies = data / "policies.toml"
        self.write(policies)
        # Bound for as long as the world lasts, so that the port is free whenever the bot starts again.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._reserved.getsockname()[1]}"
        self.workspace = Workspace.open(None)
        self._cards: list[Message] = []
        self._cards_at = -1  # the workspace's change count when `_cards` was made: a scan is slow
        inbound = SmsAccount(
            TWILIO_ACCOUNT, TWILIO_TOKEN, numbers=(TWILIO_NUMBER,), inbound_url=f"{self.url}/twilio/sms"
        )
        self.simulator = Simulator(
            self.workspace,
            bot_token=BOT_TOKEN,
            app_token=APP_TOKEN,
            signing_secret=SIGNING_SECRET,
            request_url=None if socket_mode else f"{self.url}/slack/events",
            app=APP,
            sms=inbound if sms else None,
        )
        self._socket_mode = socket_mode
        self._sms = sms
        self._hub = hub
        self._outside: Hub | None = None
        self._orchestrators = orchestrators
        self.stopping: Stopping | None = None  # how the next started bot ends; None: as a process does
        self._more = dict(settings or {})
        self._people: list[Person] = []
        self._bot = AsyncExitStack()
        self._app: Countersign | None = None
        self._service: ApprovalService | None = None

    async def __aenter__(self) -> Self:
        await self.simulator.start()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for person in self._people:
            await person.close()
        await self.stop()
        if self._outside:
            await asyncio.to_thread(self._outside.stop)
        await self.simulator.stop()
        self.workspace.close()
        self._reserved.close()
        await asyncio.sleep(0.01)  # closed connections release their sockets in the loop's next turns

    # ---- the bot ---------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, str]:
        """The bot's environment."""
        given = {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "COUNTERSIGN_SLACK_API_URL": self.simulator.api_url,
            "COUNTERSIGN_LISTEN": self.url.removeprefix("http://"),
            "COUNTERSIGN_DATA_DIR": str(self.data),
            **self._hub_settings(),
            "COUNTERSIGN_HUB_CLOCK": "skippable",
            "COUNTERSIGN_POLICIES": str(self.policies),
            "COUNTERSIGN_CALLBACK_NETWORKS": "127.0.0.1/32",
        }
        if self._socket_mode:
            given["SLACK_APP_TOKEN"] = APP_TOKEN
        else:
            given["SLACK_SIGNING_SECRET"] = SIGNING_SECRET
        if self._sms:
            given |= {
                "COUNTERSIGN_PUBLIC_URL": self.url,
                "COUNTERSIGN_TWILIO_API_URL": self.simulator.sms_api_url,
                "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
                "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
                "TWILIO_FROM": TWILIO_NUMBER,
            }
        return given | self._more

    def _hub_settings(self) -> dict[str, str]:
        if self._outside:
            return hub_forms.settings(self._outside)
        return {"COUNTERSIGN_HUB": scheduler(self._hub) if self._hub else "embedded"}

    async def start(self) -> None:
        """Starts the bot, on the hub file that is there, and waits until Slack is connected."""
        if self._hub is None and self._outside is None and hub_forms.current() is not HubForm.EMBEDDED:
            self._outside = await asyncio.to_thread(hub_forms.outside, self.data)
        await (self._start_several() if self.several > 1 else self._start_one())
        self.workspace.now = lambda: self.now().timestamp()

    async def _start_one(self) -> None:
        self._app = await self._bot.enter_async_context(
            running(
                config.read(self.settings()),
                pace=Pace(PACE),
                **PROMPT,
                orchestrators=self._orchestrators,
                stopping=self.stopping,
            )
        )
        if self._outside:
            self._see_outside(self._app.connection, self._outside)
        self.client = self._app.connection.client()
        self._bot.push_async_callback(self.client.close)
        self.connection, self._service = self._app.connection, self._app.service
        self.grants, self.gatherings = self._app.grants, self._app.api.gatherings
        await self._app.connecting

    async def _start_several(self) -> None:
        """Starts several bots on one data directory, as on one machine."""
        settings = self.settings()
        self.connection, services = await self._bot.enter_async_context(
            replicas.looked_at(settings, self.data / "looked-at")
        )
        self._see_outside(self.connection, self.hub)
        self.grants, self.gatherings = services.grants, services.gatherings
        self.client, self._service = services.client, services.approvals
        bots = Replicas(self.several, self.url, self.data / "bots", settings, self._orchestrators)
        await self._bot.enter_async_context(bots)

    @staticmethod
    def _see_outside(connection: Connection, hub: Hub) -> None:
        connection.machine_time = hub.clock.now
        hub_forms.is_outside(connection, hub)

    async def lose_hub(self) -> None:
        """Takes the hub from the bot, which goes on."""
        if self._outside:
            await asyncio.to_thread(self._outside.stop)
        else:
            self.app.connection.close()

    async def stop(self) -> None:
        """Ends the bot."""
        await self._bot.aclose()

    async def rest(self) -> None:
        """Stops the worker alone: work committed to the hub from now on waits for the next `start`."""
        await asyncio.to_thread(self.app.worker.stop)

    @property
    def app(self) -> Countersign:
        if self.several > 1:
            pytest.skip("of one bot: it looks into the bot's process")
        assert self._app is not None, "the world has been started"
        return self._app

    @property
    def service(self) -> ApprovalService:
        assert self._service is not None, "the world has been started"
        return self._service

    def set(self, **settings: str) -> None:
        """Sets settings of the bot from its next start on."""
        self._more |= settings

    def write(self, policies: str) -> None:
        """Replaces the policy file, as an editor does."""
        new = self.policies.with_suffix(".new")
        new.write_text(policies)
        new.replace(self.policies)

    # ---- time ------------------------------------------------------------------------------------------------

    @property
    def hub(self) -> Hub:
        found = self._hub or self._outside or (self._app.connection.hub if self._app else None)
        assert found is not None
        return found

    def now(self) -> datetime:
        """The hub's time."""
        return self.hub.clock.now()

    async def skip(self, **time: float) -> None:
        """Moves durable time on, without waiting."""
        await asyncio.to_thread(self.hub.advance, timedelta(**time))

    def is_due_within(self, **time: float) -> bool:
        """Whether a timer is due within that time, so that a skip will reach it."""
        due = self.hub.next_timer()
        return due is not None and due <= self.now() + timedelta(**time)

    async def eventually(self, true: Callable[..., bool]) -> None:
        """Returns once `true()` holds."""
        await looking.eventually(true)

    async def until(self, request_id: str, true: Callable[[Progress], bool]) -> Progress:
        """The progress of the request, once the condition holds for it."""
        return await looking.seen(lambda: self.service.status(request_id), true)

    # ---- the workspace ---------------------------------------------------------------------------------------

    def person(self, user: str) -> Person:
        """A person who acts in the workspace until the world ends."""
        self._people.append(Person(self.simulator.url, user))
        return self._people[-1]

    def cards(self) -> list[Message]:
        """Every card of the workspace, channel by channel."""
        changes = self.workspace.store.changes
        if changes != self._cards_at:
            posted = [
                message
                for channel in self.workspace.channels.all()
                for message in self.workspace.messages.in_channel(channel.id)
            ]
            self._cards = [
                message
                for message in posted
                if message.metadata and message.metadata["event_type"] == "approval_requested"
            ]
            self._cards_at = changes
        return [*self._cards]

    def cards_of(self, request_id: str) -> list[Message]:
        """The cards of one request."""
        return [card for card in self.cards() if request_of(card) == request_id]

    def permalink(self, message: Message) -> str:
        """The link to the message, as Slack makes it."""
        return f"{self.simulator.url}/archives/{message.channel}/p{message.ts.replace('.', '')}"

    def shown(self, request_id: str) -> str:
        """All that the one card of a request says."""
        [card] = self.cards_of(request_id)
        return read(card)

    def thread(self, card: Message) -> list[str]:
        """What is said under a card."""
        return [read(reply) for reply in self.workspace.messages.in_thread(card.channel, card.ts)[1:]]

    def direct_messages(self, user: str) -> list[str]:
        """What the app has told this person alone."""
        return [read(message) for message in self.workspace.messages.in_channel(f"D{user[1:]}")]


def request_of(card: Message) -> str:
    """The request that a card belongs to."""
    assert card.metadata is not None
    found: str = card.metadata["event_payload"]["instance_id"]
    return found


def read(message: Message) -> str:
    """All that a person can read of the message."""
    return text_of({"text": message.text, "blocks": message.blocks})
