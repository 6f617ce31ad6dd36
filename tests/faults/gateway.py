"""A proxy between the bots and the systems that they call (Slack, Twilio, another one); fails some of the calls."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final, Self
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web

from tests.faults.passing import answered, listen, passed_on
from tests.faults.plan import CALL_FAULTS

SILENCE: Final = 12.0  # seconds; more than the bot waits for an answer
_OPENING: Final = ("/api/views.open", "/api/views.push")


class Gateway:
    """Passes calls on to `target`, and fails `share` of them (0 to 1). Use it as an async context manager."""

    def __init__(
        self, target: str, chance: random.Random, faults: Sequence[str] = tuple(CALL_FAULTS)
    ) -> None:
        self._target = target
        self._chance = chance
        self._faults = faults
        self.share = 0.0
        self.struck: Counter[str] = Counter()
        self.opened: set[str] = set()  # trigger IDs by which a view was opened
        self.under_way = 0  # calls without an answer yet
        self.url = ""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            skip_auto_headers=["Accept-Encoding"],
        )
        self._runner, self.url = await listen(self._pass)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        try:
            return await self._answer(request, await request.read())
        except ConnectionResetError:
            raise web.HTTPBadGateway from None  # the caller was killed
        finally:
            self.under_way -= 1

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        fault = self._draw()
        if fault == "429":
            return _throttled()
        if fault == "500":
            return web.Response(status=500, text="<html>Server Error</html>", content_type="text/html")
        if fault not in {"drop before", "silent before"}:
            response = await self._forward(request, body)
            if fault is None:
                return response
        if fault.startswith("silent"):
            await asyncio.sleep(SILENCE)
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPBadGateway

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        async with self._http.request(
            request.method,
            self._target + request.path_qs,
            data=body or None,
            headers=passed_on(request.headers),
            allow_redirects=False,
        ) as found:
            response = await answered(found)
        if request.path in _OPENING and response.text and '"ok": true' in response.text:
            self.opened.add(_trigger(request, body))
        return response

    def _draw(self) -> str | None:
        if self._chance.random() >= self.share:
            return None
        [kind] = self._chance.choices(self._faults, [CALL_FAULTS[one] for one in self._faults])
        self.struck[kind] += 1
        return kind


def _throttled() -> web.Response:
    """The answer 429, with the fields of both Slack and Twilio."""
    said = {"ok": False, "error": "ratelimited", "code": 20429, "message": "Too Many Requests", "status": 429}
    return web.json_response(said, status=429, headers={"Retry-After": "1"})


def _trigger(request: web.Request, body: bytes) -> str:
    if request.content_type == "application/json":
        return str(json.loads(body).get("trigger_id"))
    return parse_qs(body.decode()).get("trigger_id", [""])[0]
