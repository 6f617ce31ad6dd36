"""Drives the approvals of a run while faults strike, waits until all is quiet, and gives the ledger."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from bot.demo.manifest import APP
from bot.records.audit import audit
from bot.records.log import FOLDER
from bot.records.reading import Logs
from bot.security.keys import SigningKeys
from bot.simulator import Simulator, SmsAccount, Workspace
from orchestration.hub.upkeep.check import check
from tests.faults import scene
from tests.faults.facts import Facts
from tests.faults.front_door import SHARE, FrontDoor
from tests.faults.gateway import Gateway
from tests.faults.ledger import ledger, owed
from tests.faults.life import FaultWorld, RequestAsked, RequestLife, letters
from tests.faults.plan import Plan, Result
from tests.faults.processes import Deployment
from tests.faults.trouble import ProcessTrouble
from tests.support.order_server import OrderServer
from tests.support.simulated import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET
from tests.support.world import TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_TOKEN

_DAYS: Final = 30  # at most so many days are skipped until requests that nobody decides have ended
_LOOK: Final = 0.1  # seconds
ACTS: Final = frozenset({"command", "block_actions", "view_submission"})
_PATIENCE: Final = 20  # times the quiet period
_A_TROUBLE: Final = 2.5  # seconds that one trouble takes, about, with the restart after it
Json = dict[str, Any]


@dataclass(frozen=True)
class FaultStage:
    """Everything that runs: the workspace, the proxies, the processes and the people."""

    workspace: Workspace
    simulator: Simulator
    gateway: Gateway
    callbacks: Gateway
    front_door: FrontDoor
    orders: OrderServer
    deployment: Deployment
    trouble: ProcessTrouble
    world: FaultWorld
    admin: str


class Drive:
    """One run, in a directory of its own."""

    def __init__(self, plan: Plan, place: Path) -> None:
        self._plan = plan
        self._place = place
        self._scene = scene.FaultScene.of(plan.approvals)
        self._calls = random.Random(f"{plan.seed} own calls")
        self._http: aiohttp.ClientSession
        self._urls: list[str] = []

    async def run(self) -> Result:
        """Runs it, and ends every process that it started. Raises TimeoutError where a process does not get ready."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            stage = await self._set(stack, began + self._plan.play)
            await self._play(stage)
            facts = await self._settle(stage)
            await stage.deployment.end()
            self._read_files(stage, facts)
            self._keep(facts)
            made = stage.deployment
            return Result(
                ledger(facts),
                stage.gateway.struck + stage.callbacks.struck,
                stage.front_door.counted,
                stage.trouble.counted,
                made.ready,
                [took for bot in made.bots for took in bot.stops],
                time.monotonic() - began,
                made.hub_file.stat().st_size,
                max(one.memory for one in made.all),
                sum(1 for one in facts.stands.values() if one["outcome"]),
                [one.took for one in facts.deliveries if one.acked and one.kind in ACTS],
                [f"{one.kind} {one.what} of {one.who}" for one in facts.deliveries if not one.acked],
            )

    async def _set(self, stack: AsyncExitStack, deadline: float) -> FaultStage:
        plan = self._plan
        workspace = Workspace.open(None, seed=self._scene.seed())
        stack.callback(workspace.close)
        made = Deployment(self._place, self._scene.policies(), plan.bots)
        self._urls = made.urls
        trouble = ProcessTrouble(plan, made)
        orders = OrderServer()
        stack.callback(orders.server_close)
        serving = asyncio.get_running_loop().run_in_executor(None, orders.serve_forever, 0.05)
        stack.push_async_callback(_finished, serving)
        stack.callback(orders.shutdown)
        door = FrontDoor(
            made.urls,
            random.Random(f"{plan.seed} deliveries"),
            trouble.acked,
            plan.delivery_faults,
            balanced=plan.balanced,
        )
        await stack.enter_async_context(door)
        simulator = Simulator(
            workspace,
            bot_token=BOT_TOKEN,
            app_token=APP_TOKEN,
            signing_secret=SIGNING_SECRET,
            request_url=f"{door.url}/slack/events",
            app=APP,
            sms=SmsAccount(
                TWILIO_ACCOUNT, TWILIO_TOKEN, numbers=(TWILIO_NUMBER,), inbound_url=f"{door.url}/twilio/sms"
            ),
        )
        await simulator.start()
        stack.push_async_callback(simulator.stop)
        gateway = Gateway(simulator.url, random.Random(f"{plan.seed} calls"), plan.call_faults)
        callbacks = Gateway(
            orders.url.removesuffix("/orders"), random.Random(f"{plan.seed} callbacks"), plan.call_faults
        )
        for one in (gateway, callbacks):
            await stack.enter_async_context(one)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        world = FaultWorld(
            workspace, simulator.url, self._call, deadline, thinking=plan.thinking, patience=plan.patience
        )
        stack.push_async_callback(world.leave)
        world.callback_url = f"{callbacks.url}/orders"
        world.tokens = {
            person: made.tokens.create(person.lower(), person, ["request", "read"], 1_000_000)
            for person in self._scene.requesters
        }
        admin = world.admin = made.tokens.create("ledger", "U0RITA", ["read", "admin"], 1_000_000)
        made.prepare(door.url, self._settings(gateway.url))
        stack.push_async_callback(made.end)
        await made.start()
        gateway.share = callbacks.share = plan.share
        door.share = SHARE if plan.share else 0.0
        return FaultStage(workspace, simulator, gateway, callbacks, door, orders, made, trouble, world, admin)

    def _settings(self, gateway_url: str) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "COUNTERSIGN_SLACK_API_URL": f"{gateway_url}/api/",
            "COUNTERSIGN_TWILIO_API_URL": gateway_url,
            "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "TWILIO_FROM": TWILIO_NUMBER,
            **({"COUNTERSIGN_STOP_DELAY": "1s"} if self._plan.balanced else {}),
        }

    # ---- the faults ------------------------------------------------------------------------------------------

    async def _play(self, stage: FaultStage) -> None:
        """Runs all requests and all troubles until the time is over; the ledger lists what is not done then."""
        lives = [
            asyncio.create_task(self._live(stage.world, number)) for number in range(self._plan.approvals)
        ]
        troubles = asyncio.create_task(stage.trouble.run())
        try:
            async with asyncio.timeout(max(stage.world.deadline - time.monotonic(), 1)):
                await asyncio.gather(troubles, *lives)
        except TimeoutError:
            if troubles.done() and not troubles.cancelled():
                troubles.result()  # raises where a process did not get ready
        finally:
            for task in (troubles, *lives):
                task.cancel()
            await asyncio.gather(troubles, *lives, return_exceptions=True)

    async def _live(self, world: FaultWorld, number: int) -> None:
        chance = random.Random(f"{self._plan.seed} request {number}")
        kind = self._plan.kinds[number % len(self._plan.kinds)]
        one = RequestAsked(
            f"Order {letters(number)}",
            kind,
            number // len(self._plan.kinds) % self._scene.places,
            chance.choice(self._scene.requesters),
            by_program=kind == "withdrawn" or chance.random() < 0.5,
        )
        await asyncio.sleep(
            chance.uniform(0, self._plan.kills * (sum(self._plan.pause) / 2 + _A_TROUBLE)) * 0.8
        )
        await RequestLife(world, one, chance).run()

    # ---- the end ---------------------------------------------------------------------------------------------

    async def _settle(self, stage: FaultStage) -> Facts:
        """Ends the faults, lets time pass for requests that nobody decides, and waits until nothing changes."""
        stage.gateway.share = stage.callbacks.share = stage.front_door.share = 0.0
        stage.trouble.set_clock(0.0)
        await stage.deployment.start()
        end = time.monotonic() + self._plan.settle
        # The orders whose events could not all be sent while the faults struck.
        stage.world.deadline = time.monotonic() + self._plan.settle / 2
        orders = [one for one in stage.world.asked if one.kind == "ordered" and one.decided]
        await asyncio.gather(
            *(
                RequestLife(stage.world, one, self._calls).go_on()
                for one in orders
                if one.steps != list(scene.STEPS)
            )
        )
        for day in range(_DAYS + 1):
            facts = await self._until_said(stage, end)
            # At least one day: everything that waits for a retry has had it by then.
            if (day > 0 and not owed(facts)) or time.monotonic() > end or day == _DAYS:
                break
            await stage.deployment.skip(timedelta(days=1, hours=1))
        return facts

    async def _until_said(self, stage: FaultStage, end: float) -> Facts:
        """Waits until all is quiet, and longer while ended requests are not announced yet: the machine may be slow."""
        patience = time.monotonic() + _PATIENCE * self._plan.quiet
        while True:
            await self._calm(stage, end)
            facts = await self._facts(stage)
            if not owed(facts) - {"not ended"} or time.monotonic() > min(patience, end):
                return facts

    async def _calm(self, stage: FaultStage, end: float) -> None:
        """Returns once no message and no callback was added or changed for the quiet period."""
        seen, since = "", time.monotonic()
        while time.monotonic() - since < self._plan.quiet and time.monotonic() < end:
            [row] = stage.workspace.store.all("SELECT count(*) AS n, total(length(body)) AS s FROM message")
            under_way = stage.gateway.under_way + stage.callbacks.under_way + stage.front_door.under_way
            now = f"{row['n']} {row['s']} {len(stage.orders.asked)}"
            if now != seen or under_way:
                seen, since = now, time.monotonic()
            await asyncio.sleep(_LOOK)

    async def _facts(self, stage: FaultStage) -> Facts:
        stands = await self._stands(stage)
        by_title = {found["title"]: found["id"] for found in stands.values()}
        for one in stage.world.asked:
            one.id = one.id or by_title.get(one.title)
        return Facts(
            stage.workspace,
            bots=self._plan.bots,
            asked=stage.world.asked,
            stands=stands,
            deliveries=list(stage.front_door.deliveries.values()),
            opened=stage.gateway.opened,
            holds=stage.trouble.holds,
            callbacks=[
                (
                    {name.lower(): value for name, value in given.items()}["webhook-id"],
                    body["data"]["outcome"],
                )
                for _, given, body in stage.orders.asked
            ],
            phones=self._scene.phones,
            codes=stage.world.codes,
            refused=stage.world.refused,
            blind=stage.trouble.blind,
        )

    async def _stands(self, stage: FaultStage) -> dict[str, Json]:
        stands: dict[str, Json] = {}
        after: str | None = None
        while True:
            query = {"limit": "200", **({"after": after} if after else {})}
            page: Json = {}

            async def look(query: Json = query, page: Json = page) -> bool:
                headers = {"Authorization": f"Bearer {stage.admin}"}
                answer = await self._call("GET", "/api/approvals", headers=headers, params=query)
                page.update(answer[1] if answer is not None and answer[0] == 200 else {})
                return bool(page)

            end = time.monotonic() + 60
            while not await look():
                if time.monotonic() > end:
                    raise TimeoutError("the list of approvals was not answered")
                await asyncio.sleep(_LOOK)
            stands |= {found["id"]: found for found in page["items"]}
            after = page["next"]
            if after is None:
                return stands

    def _keep(self, facts: Facts) -> None:
        """Writes all deliveries and messages to files, for whoever looks for a cause."""
        with (self._place / "deliveries.jsonl").open("w") as file:
            file.writelines(f"{json.dumps(asdict(one))}\n" for one in facts.deliveries)
        with (self._place / "messages.jsonl").open("w") as file:
            file.writelines(f"{json.dumps(asdict(one))}\n" for one in facts.messages())

    def _read_files(self, stage: FaultStage, facts: Facts) -> None:
        """Adds the facts that can be read only once every process has ended."""
        made = stage.deployment
        facts.logs = [one.log for one in made.all]
        facts.files = [made.hub_file, made.hub_file.with_name(f"{made.hub_file.name}-wal")]
        facts.files += [
            path for data in made.data for path in sorted((data / FOLDER).rglob("*")) if path.is_file()
        ]
        report = check(made.hub_file)
        facts.check = report.text() if report.count else ""
        facts.deaths = [f"{one.name}: status {code}" for one in made.all for code in one.died_by_itself]
        facts.records = _audited(made, facts, stage.front_door.url)

    # ---- the API ---------------------------------------------------------------------------------------------

    async def _call(self, method: str, path: str, **how: Any) -> tuple[int, Json] | None:
        """The status and the body that any bot answers with; None where none does."""
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with self._http.request(
                method, self._calls.choice(self._urls) + path, timeout=timeout, **how
            ) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


def _audited(made: Deployment, facts: Facts, issuer: str) -> list[str]:
    """The findings of an auditor who has all logs and knows how every request ended."""
    folders = [data / FOLDER for data in made.data]
    ended = [one for one in facts.stands.values() if one["outcome"]]
    receipts = [one["outcome"]["receipt"] for one in ended if one["outcome"]["receipt"]]
    together = made.clock.parent / "all records"
    together.mkdir(mode=0o700)
    for folder in folders:
        for log in folder.iterdir() if folder.exists() else []:
            if log.is_dir():
                shutil.copytree(log, together / log.name)
    if not receipts:
        return []
    published = {"issuer": issuer, **SigningKeys.load(None, made.data[0]).public()}
    report = audit(Logs(str(together)), published, known=receipts)
    found = [str(finding) for finding in report.faults]
    found += [f"{one['id']} has no receipt" for one in ended if not one["outcome"]["receipt"]]
    if report.outcomes != len(ended):
        found.append(f"{report.outcomes} outcomes on record, {len(ended)} requests have ended")
    return found


async def _finished(serving: asyncio.Future[None]) -> None:
    await serving
