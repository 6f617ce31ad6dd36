"""The Slack half of the bot at work: simulated workspace, embedded hub, real worker, real HTTP and Socket Mode."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import yaml
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.http.pages.links import RecordLinks
from bot.outbound.actions import OutcomeActions
from bot.security.keys import Secrets
from bot.simulator import AppConfig, Person, Simulator, Workspace
from bot.slack.api.directory import SlackDirectory
from bot.slack.api.groups import Groups
from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.notifier import SlackNotifier, web_client
from bot.slack.api.pace import Pace
from bot.slack.api.prechecks import Prechecks
from bot.slack.ids import SlackIds
from bot.slack.input.draft import Policies
from bot.slack.listeners import register
from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.outcome_activities import OutcomeActivities
from orchestration.domain.policy import Escalation, FieldSpec, Level, OnTimeout, Policy, PolicyBook
from orchestration.runtime.connect import Connection, connect
from orchestration.runtime.worker import register as register_worker
from orchestration.service.approvals import ApprovalService
from orchestration.service.worklists import Worklists
from tests.support import ROOT
from tests.support.board import Board, BoardOutcomes

BOT_TOKEN = "xoxb-test"
APP_TOKEN = "xapp-test"
PUBLIC_URL = "https://approvals.example"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"

DAY = timedelta(days=1)
POLICIES = {
    "purchase": Policy(
        key="purchase",
        title="Purchase",
        channel="C0PURCHASES",
        currency="USD",
        fields=[FieldSpec(name="vendor")],
        levels=[
            Level(
                name="Manager",
                approvers=["S0MANAGERS"],
                notify=["S0MANAGERS"],
                timeout=DAY,
                on_timeout=OnTimeout.ESCALATE,
            )
        ],
        groups=["S0MANAGERS", "S0DIRECTORS"],
        escalation=Escalation(channel="C0ESCALATIONS", approvers=["S0DIRECTORS"], timeout=DAY),
    ),
    "access": Policy(
        key="access",
        title="Access",
        channel="C0ACCESS",
        fields=[FieldSpec(name="system", required=True)],
        levels=[Level(name="Owner", approvers=["U0FIN"], timeout=DAY)],
    ),
}

PURCHASES = "C0PURCHASES"
ESCALATIONS = "C0ESCALATIONS"


@dataclass
class House:
    """Everything that runs, and the people in it."""

    simulator: Simulator
    connection: Connection
    service: ApprovalService
    notifier: SlackNotifier
    directory: SlackDirectory
    stack: AsyncExitStack

    def work(self) -> None:
        """Starts a worker."""
        worker = self.connection.worker()
        alone_since = self.connection.now()
        activities = ApprovalActivities(
            self.notifier, self.directory, OutcomeActions({}), alone_since=alone_since
        )
        worklist = BoardOutcomes(Board())
        register_worker(
            worker, activities, OutcomeActivities(worklist, worklist, self.service.book, SlackIds())
        )
        worker.start()
        # Waited for, though its queues look up only once a second: what it is about to send needs someone to take it.
        self.stack.push_async_callback(asyncio.to_thread, worker.stop)

    async def person(self, user: str) -> Person:
        return await self.stack.enter_async_context(Person(self.simulator.url, user))

    def skip(self, **delta: float) -> None:
        """Lets time pass, without waiting for it."""
        assert self.connection.hub is not None
        self.connection.hub.advance(timedelta(**delta))

    async def ask(self, person: Person, text: str = "purchase 4200 New laptops") -> dict[str, Any]:
        """The card that came of a command."""
        await person.command(PURCHASES, f"/request-approval {text}")
        return await person.wait_for_message(PURCHASES, has_button("approve"))


async def fault(simulator: Simulator, method: str, error: str, **options: Any) -> None:
    """The next call of `method` fails with `error`."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{simulator.url}/sim/faults", json={"method": method, "error": error, **options}
        ) as answer,
    ):
        assert (await answer.json())["ok"]


async def calls(simulator: Simulator, method: str) -> list[dict[str, Any]]:
    """What was asked of `method`, newest last."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{simulator.url}/sim/calls", params={"method": method}) as answer,
    ):
        found: list[dict[str, Any]] = (await answer.json())["calls"]
        return found


async def deliver(house: House, **form: str) -> tuple[int, str]:
    """Signs and sends what Slack would send, for what the page no longer offers: an old button, a second delivery."""
    url = house.simulator.request_url
    assert url is not None
    body = urlencode(form)
    stamp = str(int(time.time()))
    signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=stamp, body=body)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature or "",
    }
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


def pressed(person: str, card: dict[str, Any], action_id: str = "approve", **message: Any) -> dict[str, str]:
    """The form of a press on `card` as it was when it was read; `message` replaces parts of it."""
    [button] = [
        e
        for b in card["blocks"]
        if b["type"] == "actions"
        for e in b["elements"]
        if e["action_id"] == action_id
    ]
    where = {"channel_id": card["channel"], "message_ts": card["ts"], "type": "message"}
    payload = {
        "type": "block_actions",
        "user": {"id": person, "team_id": "T0ACME"},
        "team": {"id": "T0ACME"},
        "api_app_id": "A0APP",
        "container": where,
        "channel": {"id": card["channel"], "name": "purchases"},
        "trigger_id": "1.2.3",
        "message": {"type": "message", "ts": card["ts"], "metadata": card["metadata"], **message},
        "actions": [{**button, "block_id": "decision", "action_ts": "1.000001"}],
    }
    return {"payload": json.dumps(payload)}


async def has_card(house: House, request_id: str) -> None:
    """Returns once the request knows of its card, which people may see a moment before."""
    async with asyncio.timeout(15):
        while not (await house.service.status(request_id)).cards:
            await asyncio.sleep(0.01)


def has_button(action_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: action_id in action_ids(message)


def action_ids(message: dict[str, Any]) -> list[str]:
    return [e["action_id"] for b in message["blocks"] or [] if b["type"] == "actions" for e in b["elements"]]


def whole_text(message: dict[str, Any]) -> str:
    """All that a card says, block by block."""
    texts = []
    for block in message["blocks"] or [{"text": {"text": message["text"]}}]:
        parts = block.get("elements") if block.get("type") == "context" else [block.get("text") or {}]
        texts += [part.get("text", "") for part in parts]
    return "\n".join(texts)


def private(said: str) -> Callable[[dict[str, Any]], bool]:
    """Something that only the person who looks sees."""
    return lambda message: message["ephemeral"] and said in message["text"]


@asynccontextmanager
async def attached(app: AsyncApp, simulator: Simulator, mode: str) -> AsyncIterator[None]:
    """The app, reachable in one of Slack's two ways."""
    if mode == "socket":
        handler = AsyncSocketModeHandler(app, APP_TOKEN, ping_interval=1)
        await handler.connect_async()
        try:
            yield
        finally:
            await handler.close_async()
        return
    runner = web.AppRunner(app.web_app("/slack/events"), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        simulator.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def workspace_with(scopes: frozenset[str]) -> AsyncIterator[Simulator]:
    """A workspace in which the app has been granted `scopes`."""
    workspace = Workspace.open(None)
    simulator = Simulator(
        workspace,
        bot_token=BOT_TOKEN,
        app_token=APP_TOKEN,
        signing_secret=SIGNING_SECRET,
        app=AppConfig(scopes=scopes, commands=frozenset({"/request-approval"}), should_escape=True),
    )
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()
        workspace.close()
        await asyncio.sleep(
            0.01
        )  # connections that were closed let go of their sockets in the loop's next turns


@asynccontextmanager
async def built(
    data_dir: Path,
    policies: Policies,
    scopes: frozenset[str],
    *,
    mode: str = "http",
    work: bool = True,
) -> AsyncIterator[House]:
    """The house, open; without `work` nothing handles what is committed to the hub."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(workspace_with(scopes))
        connection = connect("embedded", data_dir, skippable_clock=True)
        stack.callback(connection.close)
        simulator.workspace.now = lambda: connection.now().timestamp()
        sync_client = web_client(BOT_TOKEN, simulator.api_url)
        client = connection.client()
        stack.push_async_callback(client.close)
        service = ApprovalService(client, lambda: PolicyBook(policies=policies), SlackIds())
        slack = AsyncWebClient(token=BOT_TOKEN, base_url=simulator.api_url)
        groups, links = Groups(slack), RecordLinks(PUBLIC_URL, Secrets(b"s" * 32))
        home_publisher = HomePublisher(
            slack, Worklists(client), groups, service.book, connection.now, pause=0.02
        )
        drawing = asyncio.create_task(home_publisher.keep())
        stack.callback(drawing.cancel)
        notifier = SlackNotifier(sync_client, Pace(0.01), home_publisher.shown)
        directory = SlackDirectory(sync_client)
        app = AsyncApp(client=slack, signing_secret=SIGNING_SECRET)
        register(app, service, prechecks=Prechecks(groups, links.make), home_publisher=home_publisher)
        await stack.enter_async_context(attached(app, simulator, mode))
        house = House(simulator, connection, service, notifier, directory, stack)
        if work:
            house.work()
        yield house


@pytest.fixture(scope="session")
def scopes() -> frozenset[str]:
    """What the manifest asks for: what needs more fails here as it would in Slack."""
    manifest = yaml.safe_load((ROOT / "manifest.yml").read_text())
    return frozenset(manifest["oauth_config"]["scopes"]["bot"])


@pytest.fixture
def policies() -> Policies:
    """Of one level each: what happens between levels is the orchestration's to test."""
    return POLICIES


@pytest.fixture
def build(
    tmp_path: Path, policies: Policies, scopes: frozenset[str]
) -> Callable[..., AbstractAsyncContextManager[House]]:
    """For a test that needs a house of its own kind."""
    return lambda **kind: built(tmp_path, kind.pop("policies", policies), scopes, **kind)


@pytest.fixture
async def idle_house(build: Callable[..., AbstractAsyncContextManager[House]]) -> AsyncIterator[House]:
    """Nothing is worked off: for what is over before any work begins."""
    async with build(work=False) as open_house:
        yield open_house


@pytest.fixture
async def house(build: Callable[..., AbstractAsyncContextManager[House]]) -> AsyncIterator[House]:
    async with build() as open_house:
        yield open_house
