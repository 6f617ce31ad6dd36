"""Passes an aiohttp request to an ASGI application, such as the SDK's transport, and sends its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from aiohttp import web

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]
LOOK_EVERY: Final = 0.5  # seconds between two checks for a caller that has hung up; aiohttp reports none
WRITE_WITHIN: Final = 30.0  # seconds within which a caller has to read what was sent


async def answer_by(
    app: AsgiApp, request: web.Request, body: bytes, state: dict[str, Any]
) -> web.StreamResponse:
    """Sends the application's answer. `body` is the request's whole body; `state` is passed to the application.

    Once the caller has hung up, the application is told so and what it still sends is dropped.
    """
    exchange = _Exchange(request, body)
    await app(_scope(request, state), exchange.receive, exchange.send)
    if exchange.response is None:
        raise web.HTTPInternalServerError
    return exchange.response


def _scope(request: web.Request, state: dict[str, Any]) -> dict[str, Any]:
    """Without the token: the application needs none, and might log it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.rel_url.raw_path.encode(),
        "root_path": "",
        "query_string": request.rel_url.raw_query_string.encode(),
        "headers": [
            (name.lower(), value) for name, value in request.raw_headers if name.lower() != b"authorization"
        ],
        "client": None,
        "server": None,
        "state": state,
    }


class _Exchange:
    def __init__(self, request: web.Request, body: bytes) -> None:
        self._request = request
        self._body: bytes | None = body
        self._gone = False
        self.response: web.StreamResponse | None = None

    async def receive(self) -> dict[str, Any]:
        """Returns the whole body at the first call; then waits and reports that the caller has hung up."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not self._gone:
            transport = self._request.transport
            self._gone = transport is None or transport.is_closing()
            if not self._gone:
                await asyncio.sleep(LOOK_EVERY)
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.response = web.StreamResponse(status=message["status"])
            for name, value in message["headers"]:
                self.response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
            return
        if self.response is None:
            raise AssertionError("a body follows a start")
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                if not self.response.prepared and not self._gone:
                    await self.response.prepare(self._request)
                if (piece := message.get("body")) and not self._gone:
                    await self.response.write(piece)
                if not message.get("more_body") and not self._gone:
                    await self.response.write_eof()
        except (ConnectionError, TimeoutError):
            self._gone = True
            if self._request.transport is not None:
                self._request.transport.abort()
