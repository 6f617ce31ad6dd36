"""Sends the gate's own calls to the server, under IDs that no client uses."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final, TypeGuard

from bot.mcp.gate import messages
from bot.mcp.gate.held_run import Answer, CancelledCallError, HeldRun, NotSentError, UpstreamLostError
from bot.mcp.gate.messages import Json
from bot.mcp.gate.upstream import Upstream

CONNECTION_CLOSED: Final = -32000  # the SDK's code for a lost connection
# It is unknown whether the call ran. An unreadable answer counts as no answer.
_LOST: Final = (CONNECTION_CLOSED, messages.PARSE_ERROR)
OWN: Final = "countersign-call-"
# Seconds for which a server may still answer a call that the client cancelled.
CANCELLED_WITHIN: Final = 3.0


def is_own(request_id: object) -> TypeGuard[str]:
    """Whether only the gate uses such an ID."""
    return isinstance(request_id, str) and request_id.startswith(OWN)


class ServerCalls:
    """Sends approved calls and takes their answers."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._sent: dict[str, asyncio.Future[Json]] = {}
        self._sent_for: dict[HeldRun, str] = {}
        self._gone = False

    def __bool__(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._sent)

    async def make(self, run: HeldRun, params: Json) -> Answer:
        """Has the server make the call. Raises `UpstreamLostError`, `CancelledCallError` or `NotSentError`."""
        if self._gone:
            raise NotSentError(f"The server {await self._upstream.ended()}.")
        # Nothing that the client sends can be taken for the call, or for its end.
        own = f"{OWN}{secrets.token_hex(16)}"
        self._sent[own] = asyncio.get_running_loop().create_future()
        self._sent_for[run] = own
        try:
            if not await self._upstream.send(messages.request(own, messages.CALL, params)):
                raise UpstreamLostError
            body = await self._sent[own]
        finally:
            del self._sent[own]
            self._sent_for.pop(run, None)
        failed = body.get("error")
        if isinstance(failed, dict):
            if self._upstream.did_not_get(failed):
                raise NotSentError(str(failed.get("message")))
            if failed.get("code") in _LOST:
                raise UpstreamLostError
            return Answer(error=failed, settles=True)
        result = body.get("result")
        return Answer(result if isinstance(result, dict) else {}, settles=True)

    def take(self, request_id: Any, body: Json) -> bool:
        """Takes the message if it answers one of our calls, and says whether it did.

        An answer that is too late is dropped.
        """
        if not is_own(request_id):
            return False
        waiting = self._sent.get(request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)
        return True

    async def cancel(self, run: HeldRun, params: Json) -> None:
        """Cancels the call, if it was sent. The server may then stop without an answer."""
        own = self._sent_for.get(run)
        if own is None:
            return
        await self._upstream.send(messages.notification(messages.CANCELLED, {**params, "requestId": own}))

        def give_up() -> None:
            if (waiting := self._sent.get(own)) is not None and not waiting.done():
                waiting.set_exception(CancelledCallError())

        asyncio.get_running_loop().call_later(CANCELLED_WITHIN, give_up)

    def lost(self) -> None:
        """Fails every open call, as the server has gone."""
        self._gone = True
        for waiting in self._sent.values():
            if not waiting.done():
                waiting.set_exception(UpstreamLostError())
