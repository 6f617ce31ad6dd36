"""Slack's side of the product's bench: a Web API that answers at once, and clicks that it signs and delivers.

It does no more than the bench needs, so that what is measured is the app and not the simulator.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from bot.simulator.slack_api.rate_limits import MethodLimiter

SECRET: Final = "bench-signing-secret"
TOKEN: Final = "xoxb-bench"
TEAM: Final = "T0BENCH"
ACK_LIMIT: Final = 3.0  # seconds that Slack waits

Json = dict[str, Any]

_FIXED: Final[dict[str, Json]] = {
    "auth.test": {
        "user_id": "U0BENCH",
        "bot_id": "B0BENCH",
        "team_id": TEAM,
        "url": "https://bench.slack.com/",
    },
    "conversations.history": {"messages": []},
    "conversations.replies": {"messages": []},
    "usergroups.users.list": {"users": []},
}


@dataclass
class PostedCard:
    """A card that the app posted, and when it was clicked, acked and edited for the last time (seconds)."""

    channel: str
    ts: str
    blocks: list[Json]
    metadata: Json
    clicked: float = 0.0
    acked: float = 0.0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    edited: float = 0.0

    @property
    def click_ms(self) -> float:
        """Milliseconds from the click to the edit that took the buttons away."""
        return (self.edited - self.clicked) * 1000

    @property
    def ack_ms(self) -> float:
        """Milliseconds from the click to its ack."""
        return (self.acked - self.clicked) * 1000

    def unclicked(self) -> "PostedCard":
        """A copy of the card as before any click."""
        return PostedCard(self.channel, self.ts, self.blocks, self.metadata)


class SlackSide:
    """Serves the Web API on loopback while it is entered; `cards` by request, `calls` and `refused` by method.

    It refuses the calls that `limiter` refuses.
    """

    def __init__(self) -> None:
        self.cards: dict[str, PostedCard] = {}
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.limiter = MethodLimiter()
        self.acks_failed = 0
        self._by_ts: dict[tuple[str, str], PostedCard] = {}
        self._posted = asyncio.Condition()
        self._ts = itertools.count(1)
        self._click = itertools.count(1)
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/api/{method}", self._call)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=2048)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api"
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    def post(self, card: PostedCard) -> None:
        """Adds a card for an app that posts none itself."""
        self._by_ts[card.channel, card.ts] = card

    async def posted(self, requests: list[str], limit: float) -> list[PostedCard]:
        """The cards of these requests, once all are posted. Raises `TimeoutError` after `limit` seconds."""
        async with asyncio.timeout(limit), self._posted:
            await self._posted.wait_for(lambda: all(one in self.cards for one in requests))
        return [self.cards[one] for one in requests]

    async def click(self, card: PostedCard, url: str, person: str) -> bool:
        """Presses Approve and reads the ack; returns whether Slack got it in time."""
        body = urlencode({"payload": json.dumps(self._press(card, person))})
        now = str(int(time.time()))
        mark = hmac.new(SECRET.encode(), f"v0:{now}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": f"v0={mark}",
        }
        card.clicked = time.perf_counter()
        async with self._http.post(url, data=body, headers=headers) as answer:
            await answer.read()
            card.acked = time.perf_counter()
            acked = answer.status == 200 and card.acked - card.clicked <= ACK_LIMIT
            self.acks_failed += not acked
            return acked

    def _press(self, card: PostedCard, person: str) -> Json:
        number = next(self._click)
        [(block_id, button)] = [
            (block["block_id"], element) for block, element in _elements(card.blocks) if _approves(element)
        ]
        return {
            "type": "block_actions",
            "team": {"id": TEAM, "domain": "bench"},
            "user": {"id": person, "username": "bench", "name": "bench", "team_id": TEAM},
            "api_app_id": "A0BENCH",
            "token": "none",
            "container": {"type": "message", "message_ts": card.ts, "channel_id": card.channel},
            "channel": {"id": card.channel, "name": "bench"},
            "trigger_id": f"{number}.bench",
            "response_url": f"{self.url}/response",
            "state": {"values": {}},
            "message": {
                "ts": card.ts,
                "text": "",
                "blocks": card.blocks,
                "metadata": card.metadata,
                "bot_id": "B0BENCH",
            },
            "actions": [{**button, "block_id": block_id, "action_ts": f"{number}.1"}],
        }

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.calls[method] += 1
        given = await _given(request)
        wait = self.limiter.refuse(method, str(given.get("channel", "")))
        if wait is not None:
            self.refused[method] += 1
            refusal = {"ok": False, "error": "ratelimited"}
            return web.json_response(refusal, status=429, headers={"Retry-After": wait})
        if method == "chat.postMessage":
            answer = await self._post(given)
        else:
            answer = self._answer(method, given)
        return web.json_response({"ok": True, **answer})

    def _answer(self, method: str, given: Json) -> Json:
        if method == "chat.update":
            self._update(given)
            return {"channel": given["channel"], "ts": given["ts"], "text": ""}
        if method == "conversations.open":
            return {"channel": {"id": "D" + str(given["users"])[1:]}}
        if method == "users.info":
            return {"user": {"id": given["user"], "team_id": TEAM}}
        return dict(_FIXED.get(method, {}))

    async def _post(self, given: Json) -> Json:
        ts = f"{1_700_000_000 + next(self._ts)}.000100"
        metadata = given.get("metadata") or {}
        if metadata.get("event_type") == "approval_requested":
            card = PostedCard(given["channel"], ts, given["blocks"], metadata)
            async with self._posted:
                self.cards[metadata["event_payload"]["instance_id"]] = card
                self.post(card)
                self._posted.notify_all()
        message = {"ts": ts, **({"thread_ts": given["thread_ts"]} if "thread_ts" in given else {})}
        return {"channel": given["channel"], "ts": ts, "message": message}

    def _update(self, given: Json) -> None:
        card = self._by_ts.get((given["channel"], given["ts"]))
        if card is not None and not any(_approves(element) for _, element in _elements(given["blocks"])):
            card.edited = card.edited or time.perf_counter()
            card.ended.set()


def _elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    for block in blocks:
        for element in block.get("elements") or ():
            yield block, element


def _approves(element: Json) -> bool:
    return element.get("action_id") == "approve"


async def _given(request: web.Request) -> Json:
    if request.content_type == "application/json":
        body: Json = json.loads(await request.read() or b"{}")
        return {**request.query, **body}
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    # The SDK sends values that are no text as JSON inside the form.
    return {
        name: json.loads(value) if value[:1] in "[{" and name in {"blocks", "metadata"} else value
        for name, value in {**request.query, **form}.items()
    }
