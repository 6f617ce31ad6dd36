"""Socket Mode: the app connects by WebSocket, and payloads are sent over its connections.

Source: https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import asyncio
import contextlib
import json
import secrets
import time
import uuid
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.simulator.slack_api.delivery import Kind, NoAckError, Redelivery
from bot.simulator.workspace.changes import Change, Changes

Json = dict[str, Any]

PATH = "/socket-mode/link"
TICKET_LIFETIME = 30.0
MAX_CONNECTIONS = 10
# An app that was killed answers no closing handshake; stopping does not wait for it.
CLOSE_TIMEOUT = 1.0


class SocketMode:
    """Issues tickets, keeps the connections, and delivers over them. Any connection may bring an acknowledgement."""

    def __init__(self, app_id: str, changes: Changes, timeout: float) -> None:
        self._app_id = app_id
        self._changes = changes
        self._timeout = timeout
        self._tickets: dict[str, float] = {}
        self._connections: list[web.WebSocketResponse] = []
        self._waiting: dict[str, asyncio.Future[Json | str | None]] = {}
        self._turn = 0

    @property
    def connected(self) -> bool:
        """Say whether the app has a connection open."""
        return bool(self._connections)

    def issue_url(self, origin: str) -> str:
        """Return the URL for one connection, to be used within half a minute."""
        now = time.monotonic()
        self._tickets = {ticket: end for ticket, end in self._tickets.items() if end > now}
        ticket = str(uuid.uuid4())
        self._tickets[ticket] = now + TICKET_LIFETIME
        return f"{origin.replace('http', 'ws', 1)}{PATH}?ticket={ticket}&app_id={self._app_id}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until either side ends it."""
        if self._tickets.pop(request.query.get("ticket", ""), 0.0) < time.monotonic():
            raise web.HTTPForbidden(text="This ticket is unknown, used or expired.")
        socket = web.WebSocketResponse(heartbeat=20, timeout=CLOSE_TIMEOUT)
        with contextlib.suppress(ConnectionError):
            await socket.prepare(request)
            await self._serve(socket)
        return socket

    async def _serve(self, socket: web.WebSocketResponse) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            await self._disconnect(socket, "too_many_websockets")
            return
        self._connections.append(socket)
        self._changes.publish(Change("app"))
        try:
            await socket.send_json(self._hello())
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._acknowledge(frame.data)
        finally:
            self._connections.remove(socket)
            self._changes.publish(Change("app"))

    async def deliver(self, kind: Kind, payload: Json, retry: Redelivery | None = None) -> Json | str | None:
        """See DeliveryMethod. Connections are used in turn; broken ones are skipped."""
        envelope: Json = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "payload": payload,
            # A view submission and a command may be answered in the acknowledgement itself.
            "accepts_response_payload": kind == "slash_commands" or payload.get("type") == "view_submission",
        }
        if kind == "events_api":
            envelope |= {
                "retry_attempt": retry.number if retry else 0,
                "retry_reason": retry.reason if retry else "",
            }
        answer: asyncio.Future[Json | str | None] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = answer
        try:
            await self._send(envelope)
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            raise NoAckError("timeout") from None
        finally:
            del self._waiting[envelope["envelope_id"]]

    async def refresh(self) -> None:
        """Ask every connection to be renewed, as Slack does every few hours."""
        await asyncio.gather(
            *(self._disconnect(socket, "refresh_requested") for socket in [*self._connections])
        )

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(
            *(socket.close(code=WSCloseCode.GOING_AWAY) for socket in [*self._connections]),
            return_exceptions=True,
        )

    async def _send(self, envelope: Json) -> None:
        for _ in range(len(self._connections)):
            self._turn += 1
            socket = self._connections[self._turn % len(self._connections)]
            with contextlib.suppress(ConnectionError):
                await socket.send_json(envelope)
                return
        raise NoAckError("connection_failed")

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._connections),
            # Seconds until Slack refreshes a connection. Here that happens only on request.
            "debug_info": {"host": "simulator", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self._app_id},
        }

    def _acknowledge(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.get(frame.get("envelope_id", "")) if isinstance(frame, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.get("payload") or None)

    async def _disconnect(self, socket: web.WebSocketResponse, reason: str) -> None:
        with contextlib.suppress(ConnectionError):
            debug_info = {"host": f"simulator-{secrets.token_hex(2)}"}
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": debug_info})
