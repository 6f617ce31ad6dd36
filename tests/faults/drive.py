"""Drives the approvals of a run while faults strike, waits until all is quiet, and gives the ledger."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from bot.demo.manifest import APP
from bot.simulator import Person, Simulator, SimulatorError, SmsAccount, Workspace
from bot.simulator.workspace.messages import Message
from bot.slack.input.target import CARD_EVENT
from tests.faults import ledger, scene
from tests.faults.gateway import Gateway
from tests.faults.ledger import Facts, RequestAsked
from tests.faults.processes import Deployment
from tests.support.messages import actions_of
from tests.support.order_server import OrderServer
from tests.support.simulated import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET
from tests.support.world import TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_TOKEN

_CODE: Final = re.compile(r"reply (\d{6})")
_LOOK: Final = 0.2  # seconds between two looks at the workspace
_SOON: Final = 0.05  # seconds after an ack within which a process is killed
QUIET: Final = 3.0  # seconds without a change after which nothing more is expected
Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One run, which `seed` makes the same again as far as the machine allows. `limit`: seconds, for all of it."""

    seed: int
    approvals: int
    kills: int
    bots: int = 1
    share: float = 0.3
    limit: float = 900.0

    @property
    def again(self) -> str:
        """The command that runs it once more."""
        return f"make faults SEED={self.seed} KILLS={self.kills} APPROVALS={self.approvals} BOTS={self.bots}"


@dataclass
class Result:
    """What came of a run. `lines` is the ledger; `struck` and `kills` say what the run went through."""

    lines: dict[str, list[str]]
    struck: Counter[str]
    killed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    file_bytes: int = 0
    ended: int = 0

    @property
    def shortfall(self) -> dict[str, list[str]]:
        """The lines that do not hold."""
        return {name: found for name, found in self.lines.items() if found}


class Drive:
    """One run in a directory of its own."""

    def __init__(self, plan: Plan, place: Path) -> None:
        self._plan = plan
        self._place = place
        self._scene = scene.FaultScene.of(plan.approvals)
        self._chance = random.Random(plan.seed)
        self._fates = random.Random(f"{plan.seed} kills")
        self._asked: list[RequestAsked] = []
        self._people: dict[str, Person] = {}
        self._codes: set[str] = set()
        self._acks = asyncio.Event()
        self._phones = {person: asyncio.Lock() for person in self._scene.phones}
        self._killed: Counter[str] = Counter()
        self._refused: list[str] = []
        self._deadline = time.monotonic() + plan.limit

    async def run(self) -> Result:
        """Runs it, and ends every process that it started. Raises TimeoutError where a process does not get ready."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            self._workspace = Workspace.open(None, seed=self._scene.seed())
            stack.callback(self._workspace.close)
            self._made = Deployment(self._place, self._scene.policies(), self._plan.bots)
            self._orders = OrderServer()
            stack.callback(self._orders.server_close)
            serving = asyncio.get_running_loop().run_in_executor(None, self._orders.serve_forever, 0.05)
            stack.push_async_callback(_finished, serving)
            stack.callback(self._orders.shutdown)
            account = SmsAccount(
                TWILIO_ACCOUNT,
                TWILIO_TOKEN,
                numbers=(TWILIO_NUMBER,),
                inbound_url=f"{self._made.urls[0]}/twilio/sms",
            )
            self._simulator = Simulator(
                self._workspace,
                bot_token=BOT_TOKEN,
                app_token=APP_TOKEN,
                signing_secret=SIGNING_SECRET,
                request_url=f"{self._made.urls[0]}/slack/events",
                app=APP,
                sms=account,
            )
            await self._simulator.start()
            stack.push_async_callback(self._simulator.stop)
            self._gateway = await stack.enter_async_context(
                Gateway(self._simulator.url, 0.0, random.Random(f"{self._plan.seed} calls"))
            )
            self._http = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
            )
            stack.push_async_callback(self._leave)
            self._tokens = {
                person: self._made.tokens.create(person.lower(), person, ["request", "read"], 1_000_000)
                for person in self._scene.requesters
            }
            self._admin = self._made.tokens.create("ledger", "U0RITA", ["read", "admin"], 1_000_000)
            self._made.prepare(
                {
                    "SLACK_BOT_TOKEN": BOT_TOKEN,
                    "SLACK_SIGNING_SECRET": SIGNING_SECRET,
                    "COUNTERSIGN_SLACK_API_URL": f"{self._gateway.url}/api/",
                    "COUNTERSIGN_TWILIO_API_URL": self._gateway.url,
                    "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
                    "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
                    "TWILIO_FROM": TWILIO_NUMBER,
                }
            )
            stack.push_async_callback(self._made.end)
            await self._made.start()
            self._gateway.share = self._plan.share
            await self._play()
            facts = await self._settle()
            await self._made.end()
            facts.check = await asyncio.to_thread(self._made.check)
            facts.deaths = [
                f"{one.name}: status {code}" for one in self._made.all for code in one.died_by_itself
            ]
            return Result(
                ledger.ledger(facts),
                self._gateway.struck,
                self._killed,
                time.monotonic() - began,
                self._made.hub_file.stat().st_size,
                len(facts.stands),
            )

    async def _leave(self) -> None:
        for person in self._people.values():
            await person.close()

    # ---- the faults ------------------------------------------------------------------------------------------

    async def _play(self) -> None:
        lives = [asyncio.create_task(self._live(number)) for number in range(self._plan.approvals)]
        chaos = asyncio.create_task(self._chaos())
        try:
            async with asyncio.timeout(max(self._deadline - time.monotonic(), 1)):
                await asyncio.gather(chaos, *lives)
        except TimeoutError:
            pass  # what has not ended is on the ledger
        finally:
            for task in (chaos, *lives):
                task.cancel()
            await asyncio.gather(chaos, *lives, return_exceptions=True)

    async def _chaos(self) -> None:
        """Kills as often as planned, at random or right after an ack; holds processes; moves the clock."""
        for _ in range(self._plan.kills):
            await asyncio.sleep(self._fates.uniform(0.3, 3.0))
            victim = self._fates.choice(self._made.all)
            fate = self._fates.choice(
                ["kill", "kill after an ack", "kill after an ack", "term", "hold", "clock"]
            )
            self._killed[f"{victim.name.split('-')[0]}: {fate}"] += 1
            if fate == "kill after an ack":
                self._acks.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._acks.wait(), 3)
                await asyncio.sleep(self._fates.uniform(0, _SOON))
            if fate == "hold":
                victim.send(signal.SIGSTOP)
                await asyncio.sleep(self._fates.uniform(0.5, 5))
                victim.send(signal.SIGCONT)
            elif fate == "clock":
                with suppress(Exception):  # the hub may be down; then the clock stays where it is
                    await self._made.skip(timedelta(seconds=self._fates.uniform(1, 90)))
            else:
                await victim.end(signal.SIGTERM if fate == "term" else signal.SIGKILL)
            await self._made.start()

    # ---- the requests ----------------------------------------------------------------------------------------

    async def _live(self, number: int) -> None:
        chance = random.Random(f"{self._plan.seed} request {number}")
        kind = scene.KINDS[number % len(scene.KINDS)]
        place = number // len(scene.KINDS) % self._scene.places
        requester = chance.choice(self._scene.requesters)
        await asyncio.sleep(chance.uniform(0, self._plan.kills * 1.5))
        one = RequestAsked(
            f"Order {_letters(number)}", kind, requester, self._scene.approvers(kind, place), place
        )
        one.by_program = kind == "withdrawn" or chance.random() < 0.5
        self._asked.append(one)
        amount = {"coded": 500, "auto": 5}.get(kind)
        if one.by_program:
            await self._ask_by_program(one, scene.policy(kind, place), amount)
        else:
            await self._ask_by_command(one, scene.policy(kind, place), scene.channel(kind, place), amount)
        if kind == "withdrawn":
            await self._withdraw(one)
        for level, people in enumerate(one.may, 1):
            if kind in {"silent", "withdrawn"}:
                break
            if chance.random() < 0.2:
                await self._press_once(one, scene.OUTSIDER, level, twice=False)
            for person in people:
                await asyncio.sleep(chance.uniform(0, 2))
                await self._decide(one, person, level, kind, twice=chance.random() < 0.2)

    async def _ask_by_program(self, one: RequestAsked, policy: str, amount: int | None) -> None:
        body: Json = {"policy": policy, "title": one.title, "callback_url": self._orders.url}
        if amount is not None:
            body |= {"amount": amount, "currency": "USD"}
        headers = {
            "Authorization": f"Bearer {self._tokens[one.requester]}",
            "Idempotency-Key": one.title.replace(" ", "-"),
        }

        async def ask() -> bool:
            answer = await self._call("POST", "/api/approvals", headers=headers, json=body)
            if answer is not None and answer[0] not in {202, 429, 503}:
                self._refused.append(f"{one.title}: {answer[0]} {str(answer[1])[:200]}")
            if answer is not None and answer[0] == 202:
                one.id = answer[1]["id"]
            return one.id is not None

        await self._until(ask)

    async def _ask_by_command(self, one: RequestAsked, policy: str, channel: str, amount: int | None) -> None:
        sum_ = f"{amount} " if amount is not None else ""
        title, tries = one.title, 0

        async def ask() -> bool:
            nonlocal tries
            tries += 1
            one.title = title if tries == 1 else f"{title} again {_letters(tries)}"
            try:
                await self._person(one.requester).command(
                    channel, f"/request-approval {policy} {sum_}{one.title}"
                )
            except (SimulatorError, aiohttp.ClientError, TimeoutError):
                # It may have been taken all the same: then it stands for itself.
                self._asked.append(RequestAsked(one.title, one.kind, one.requester, one.may, one.place))
                return False
            self._acks.set()
            said = [
                found.group(1)
                for message in self._workspace.messages.in_channel(channel, one.requester)
                if one.title in message.text and (found := re.search(r"as `([^`]+)`", message.text))
            ]
            one.id = said[-1] if said else None
            return one.id is not None

        await self._until(ask)

    async def _withdraw(self, one: RequestAsked) -> None:
        headers = {
            "Authorization": f"Bearer {self._tokens[one.requester]}",
            "Idempotency-Key": f"cancel-{one.title.replace(' ', '-')}",
        }

        async def cancel() -> bool:
            answer = await self._call("POST", f"/api/approvals/{one.id}/cancel", headers=headers, json={})
            return answer is not None and answer[0] in {200, 202, 409}

        await self._until(cancel)

    async def _decide(self, one: RequestAsked, person: str, level: int, kind: str, *, twice: bool) -> None:
        if kind == "coded":
            async with self._phones[person]:
                await self._confirm(one, person, level)
            return

        async def press() -> bool:
            return await self._press_once(one, person, level, twice=twice, reject=kind == "refused")

        await self._until(press)

    async def _confirm(self, one: RequestAsked, person: str, level: int) -> None:
        """Presses, waits for the code, and sends it back; presses again where none comes."""
        known = set(self._codes)

        async def try_() -> bool:
            if await self._over(one):
                return True
            if not await self._press_once(one, person, level, twice=False):
                return False
            for _ in range(60):
                codes = [
                    found.group(1)
                    for text in await self._person(person).texts()
                    if text["direction"] == "in" and text["body"] and (found := _CODE.search(text["body"]))
                ]
                self._codes.update(codes)
                for code in [code for code in codes if code not in known][-1:]:
                    sent = await self._person(person).reply_sms(code)
                    if sent["status"] != "failed":
                        with suppress(SimulatorError):
                            await self._person(person).redeliver_last()
                    if await self._over(one):
                        return True
                if await self._over(one):
                    return True
                await asyncio.sleep(0.5)
            return False

        await self._until(try_, pause=2.0)

    async def _over(self, one: RequestAsked) -> bool:
        return not self._cards(one, live=True)

    async def _press_once(
        self, one: RequestAsked, person: str, level: int, *, twice: bool, reject: bool = False
    ) -> bool:
        """Presses the card's button once it is there; whether the press was acked, or nothing is left to press."""
        cards = await self._card(one, level)
        if not cards:
            return True
        card = cards[-1]
        if "approve" not in actions_of({"blocks": card.blocks}):
            return True
        someone = self._person(person)
        try:
            if reject:
                await someone.click(card.channel, card.ts, "reject")
                form = await someone.wait_for_view(timeout=8)
                await someone.submit(form, {"comment": "Not now"} if "comment" in str(form["blocks"]) else {})
            else:
                await someone._post(
                    "action", channel=card.channel, ts=card.ts, action_id="approve", twice=twice
                )
        except (SimulatorError, aiohttp.ClientError, TimeoutError):
            return False
        if not reject:
            one.acked += [(person, card.channel, "approve")]
        self._acks.set()
        return True

    async def _card(self, one: RequestAsked, level: int) -> list[Message]:
        found: list[Message] = []

        async def look() -> bool:
            found[:] = [card for card in self._cards(one) if _round(card) == level]
            return bool(found)

        await self._until(look, pause=_LOOK)
        return found

    def _cards(self, one: RequestAsked, *, live: bool = False) -> list[Message]:
        place = scene.channel(one.kind, one.place)
        found = [
            message
            for message in self._workspace.messages.in_channel(place)
            if message.metadata
            and message.metadata["event_type"] == CARD_EVENT
            and message.metadata["event_payload"]["instance_id"] == one.id
        ]
        deciding = ledger.DECIDING
        return [card for card in found if not live or deciding & set(actions_of({"blocks": card.blocks}))]

    # ---- the end ---------------------------------------------------------------------------------------------

    async def _settle(self) -> Facts:
        """Ends the faults, lets time pass for what nobody decides, and waits until nothing changes any more."""
        self._gateway.share = 0.0
        await self._made.start()
        facts = await self._facts()
        for _ in range(8):
            await self._calm()
            facts = await self._facts()
            if not ledger.ledger(facts)["not ended"]:
                break
            await self._made.skip(timedelta(days=1, hours=1))
        await self._calm()
        return await self._facts()

    async def _calm(self) -> None:
        """Returns once nothing in the workspace has changed for a while."""
        seen, since = "", time.monotonic()
        end = time.monotonic() + 90
        while time.monotonic() - since < QUIET and time.monotonic() < end:
            now = repr(
                self._workspace.store.all("SELECT count(*) AS n, sum(length(body)) AS s FROM message")[0]["s"]
            )
            if now != seen:
                seen, since = now, time.monotonic()
            await asyncio.sleep(_LOOK)

    async def _facts(self) -> Facts:
        stands: dict[str, Json] = {}
        headers = {"Authorization": f"Bearer {self._admin}"}
        after: str | None = None
        while True:
            query = {"limit": "200", **({"after": after} if after else {})}
            page: Json = {}

            async def look(query: Json = query, page: Json = page) -> bool:
                answer = await self._call("GET", "/api/approvals", headers=headers, params=query)
                if answer is not None and answer[0] == 200:
                    page.update(answer[1])
                return bool(page)

            await self._until(look, within=30)
            if not page:
                raise TimeoutError("the list of approvals was not answered")
            stands |= {found["id"]: found for found in page["items"]}
            after = page["next"]
            if after is None:
                break
        by_title = {found["title"]: found["id"] for found in stands.values()}
        for one in self._asked:
            one.id = one.id or by_title.get(one.title)
        callbacks = [
            (_lower(given)["webhook-id"], str(body["data"]["outcome"]["request_id"]))
            for _, given, body in self._orders.asked
        ]
        logs = [one.log for one in self._made.all]
        numbers = set(self._scene.phones.values())
        return Facts(
            self._workspace,
            self._asked,
            stands,
            callbacks,
            self._codes,
            numbers,
            logs,
            self._made.hub_file,
            "",
            [],
            self._refused,
        )

    # ---- small things ----------------------------------------------------------------------------------------

    async def _until(
        self, done: Callable[[], Awaitable[bool]], *, pause: float = 0.5, within: float | None = None
    ) -> None:
        end = self._deadline if within is None else time.monotonic() + within
        while time.monotonic() < end and not await done():
            await asyncio.sleep(pause)

    def _person(self, user: str) -> Person:
        if user not in self._people:
            self._people[user] = Person(self._simulator.url, user)
        return self._people[user]

    async def _call(self, method: str, path: str, **how: Any) -> tuple[int, Json] | None:
        """The status and the body that any bot answers with; None where none does."""
        url = random.choice(self._made.urls)
        try:
            async with self._http.request(
                method, url + path, timeout=aiohttp.ClientTimeout(total=10), **how
            ) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        if answer.status < 300:
            self._acks.set()
        return answer.status, body


def _letters(number: int) -> str:
    """A number as four letters: in a command, digits could be taken for an amount."""
    return "".join(chr(ord("a") + number // 26**at % 26) for at in (3, 2, 1, 0))


def _round(card: Message) -> int:
    assert card.metadata is not None
    found: int = card.metadata["event_payload"]["round"]
    return found


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _finished(serving: asyncio.Future[None]) -> None:
    await serving
