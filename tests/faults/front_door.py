"""A proxy from Slack and Twilio to the bots: delivers twice, out of order, late, and to any bot that runs.

It records what each delivery was about and how it was answered. A status of 200 in time tells the sender that the
delivery has arrived.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from tests.faults.passing import answered, listen, passed_on
from tests.faults.plan import DELIVERY_FAULTS
from tests.faults.processes import is_ready

PATIENCE: Final = {
    "/slack/events": 3.0,
    "/twilio/sms": 15.0,
    "/twilio/status": 15.0,
}  # seconds that the sender waits
SHARE: Final = 0.2  # of the deliveries go wrong
LOOK: Final = 0.2  # seconds between two looks whether a bot is ready
_HOLD: Final = (0.2, 1.5)  # seconds that an overtaken delivery is held
_LATE: Final = (4.0, 7.0)  # seconds after which a late delivery arrives


@dataclass
class InboundDelivery:
    """One thing that somebody did, as its payload says it, and what the bots answered.

    `key` is the same for all its deliveries. `status` and `body` are the first answer of 200, or else the last answer;
    they are None and empty where no answer came while the sender waited. `begun`: the earliest time at which a bot can
    have read it. `took`: seconds until the answer.
    """

    kind: str
    key: str
    who: str
    channel: str
    what: str
    request: str
    round: int
    at: float
    begun: float | None = None
    status: int | None = None
    body: str = ""
    took: float = 0.0

    @property
    def acked(self) -> bool:
        """Whether the sender was told that the delivery has arrived."""
        return self.status is not None and 200 <= self.status < 300


class FrontDoor:
    """Delivers to the bots at `urls`; `share` of the deliveries go wrong. Use it as an async context manager.

    `balanced`: it delivers only to bots that were ready at the last look, or to any bot where none was.

    `acked` is called whenever a bot has acknowledged something.
    """

    def __init__(
        self,
        urls: list[str],
        chance: random.Random,
        acked: Callable[[], None],
        faults: Sequence[str] = tuple(DELIVERY_FAULTS),
        *,
        balanced: bool = False,
    ) -> None:
        self._urls = urls
        self._balanced = balanced
        self._unready: set[str] = set()
        self._chance = chance
        self._acked = acked
        self._faults = faults
        self.share = 0.0
        self.counted: Counter[str] = Counter()
        self.deliveries: dict[str, InboundDelivery] = {}
        self.under_way = 0  # deliveries without an answer yet
        self._again: set[asyncio.Task[Any]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=60),
            auto_decompress=False,
        )
        self._runner, self.url = await listen(self._receive)
        for url in self._urls if self._balanced else []:
            self._in_the_background(self._look(url))
        return self

    async def _look(self, url: str) -> None:
        """Asks a bot again and again whether it is ready, as a load balancer does."""
        while True:
            ready = await is_ready(self._http, url)
            (self._unready.discard if ready else self._unready.add)(url)
            await asyncio.sleep(LOOK)

    async def __aexit__(self, *_: object) -> None:
        for task in self._again:
            task.cancel()
        await asyncio.gather(*self._again, return_exceptions=True)
        await self._runner.cleanup()
        await self._http.close()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        try:
            return await self._answer(request, await request.read())
        finally:
            self.under_way -= 1

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        came = time.time()
        read = _read(request.path, dict(parse_qsl(body.decode())), came)
        delivery = self.deliveries.setdefault(read.key, read)
        fault = self._draw()
        if fault == "overtaken":
            await asyncio.sleep(self._chance.uniform(*_HOLD))
        elif fault == "late":
            await asyncio.sleep(self._chance.uniform(*_LATE))
        elif fault == "twice":
            self._in_the_background(self._once_more(request, body, self._chance.uniform(0, 1)))
        if delivery.begun is None:
            delivery.begun = time.time()
        response = await self._deliver(request, body)
        in_time = time.time() - came < PATIENCE.get(request.path, 3.0)
        if in_time and not delivery.acked:
            delivery.status, delivery.took = response.status, time.time() - came
            # `_deliver` reads the bot's answer whole, so that its body is bytes and no payload to be streamed.
            body = response.body if isinstance(response.body, bytes) else b""
            delivery.body = body.decode(errors="replace")
            if delivery.acked:
                self._acked()
        return response

    async def _once_more(self, request: web.Request, body: bytes, after: float) -> None:
        await asyncio.sleep(after)
        await self._deliver(request, body)

    async def _deliver(self, request: web.Request, body: bytes) -> web.Response:
        """Passes the request to a bot that listens; answers 502 where none does."""
        urls = [url for url in self._urls if url not in self._unready] or self._urls
        for url in self._chance.sample(urls, len(urls)):
            try:
                async with self._http.post(
                    url + request.path_qs, data=body, headers=passed_on(request.headers)
                ) as found:
                    return await answered(found)
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError):
                break
        return web.Response(status=502)

    def _draw(self) -> str | None:
        if self._chance.random() >= self.share:
            return None
        [kind] = self._chance.choices(self._faults, [DELIVERY_FAULTS[one] for one in self._faults])
        self.counted[kind] += 1
        return kind

    def _in_the_background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._again.add(task)
        task.add_done_callback(self._again.discard)


def _read(path: str, form: Mapping[str, str], at: float) -> InboundDelivery:
    """What a payload of Slack's or Twilio's is about."""
    if path == "/twilio/sms":
        return InboundDelivery("sms", form["MessageSid"], form["From"], "", form["Body"], "", 0, at)
    if path != "/slack/events":
        status = form.get("MessageStatus", "")
        return InboundDelivery("report", f"{form.get('MessageSid')} {status}", "", "", status, "", 0, at)
    if "command" in form:
        key, who, text = form["trigger_id"], form["user_id"], form.get("text", "")
        return InboundDelivery("command", key, who, form["channel_id"], text, "", 0, at)
    if "payload" not in form:
        return InboundDelivery("event", f"event {at} {id(form)}", "", "", "", "", 0, at)
    return _interaction(json.loads(form["payload"]), at)


def _interaction(given: Mapping[str, Any], at: float) -> InboundDelivery:
    key, who = str(given.get("trigger_id")), str(given["user"]["id"])
    view = given.get("view") or {}
    if view:
        origin = json.loads(view.get("private_metadata") or "{}")
        target = origin.get("target") or {}
        channel, what = origin.get("channel") or "", view["callback_id"]
    else:
        target = ((given.get("message") or {}).get("metadata") or {}).get("event_payload") or {}
        channel, what = given["channel"]["id"], given["actions"][0]["action_id"]
    kind = str(given["type"])
    return InboundDelivery(
        kind, key, who, channel, what, target.get("instance_id", ""), target.get("round", 0), at
    )
