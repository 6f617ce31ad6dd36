"""Stands between the bots and the simulated Slack and Twilio, and fails a share of their calls."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Final, Self

import aiohttp
from aiohttp import web

SILENCE: Final = 12.0  # seconds; more than the bot waits for an answer
# What can happen to a call. `_before`: nothing came of it; `_after`: it had its effect, and the answer is lost.
KINDS: Final = ("429", "500", "drop_before", "drop_after", "silent_before", "silent_after")
WEIGHTS: Final = (6, 4, 4, 4, 1, 1)
_NOT_PASSED_ON: Final = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection"})


class Gateway:
    """Passes calls on to `target`, and fails `share` of them (0 to 1). Use it as an async context manager."""

    def __init__(self, target: str, share: float, chance: random.Random) -> None:
        self._target = target
        self._chance = chance
        self.share = share
        self.struck: Counter[str] = Counter()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            skip_auto_headers=["Accept-Encoding"],
        )
        application = web.Application(client_max_size=4 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self._draw()
        if fault == "429":
            answer = {
                "ok": False,
                "error": "ratelimited",
                "code": 20429,
                "message": "Too Many Requests",
                "status": 429,
            }
            return web.json_response(answer, status=429, headers={"Retry-After": "1"})
        if fault == "500":
            return web.Response(
                status=500, text="<html><body>Server Error</body></html>", content_type="text/html"
            )
        if fault not in {"drop_before", "silent_before"}:
            answered = await self._forward(request, body)
            if fault is None:
                return answered
        if fault.startswith("silent"):
            await asyncio.sleep(SILENCE)
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPBadGateway

    def _draw(self) -> str | None:
        if self._chance.random() >= self.share:
            return None
        [kind] = self._chance.choices(KINDS, WEIGHTS)
        self.struck[kind] += 1
        return kind

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in {"host", *_NOT_PASSED_ON}
        }
        async with self._http.request(
            request.method,
            self._target + request.path_qs,
            data=body or None,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            kept = {
                name: value for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
