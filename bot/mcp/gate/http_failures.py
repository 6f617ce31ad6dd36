"""An HTTP client whose failures are answers: the SDK's transport would end with the first connection that fails."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2

from bot.mcp.gate.server_calls import CONNECTION_CLOSED, OWN

_BAD_GATEWAY: Final = 502
# So that no server can say of a call that it did not get it, when it did.
_MARK: Final = secrets.token_hex(16)
_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)


def was_not_sent(failed: dict[str, Any]) -> bool:
    """Whether that error says that the server did not get the call, or refused it unread."""
    return failed.get("data") == {"not_sent": _MARK}


class AnsweringHttpClient(httpx2.AsyncClient):
    """As its base class, but a request that fails has an answer in JSON-RPC. It says whether the server may have it."""

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """The response, or one of our own where there is none."""
        try:
            response = await super().send(request, **how)
        except httpx2.TransportError as error:
            if request.method != "POST":
                raise
            reason = f"The server cannot be reached ({type(error).__name__})."
            return _failed(request, reason, sent=not isinstance(error, _NOT_SENT))
        if request.method != "POST":
            return response
        # What a proxy answers for the server is no JSON-RPC. A call that it turned away was not made; of one that it
        # lost nobody knows.
        if response.status_code >= 400 and OWN.encode() in request.content and not _is_json(response):
            await response.aclose()
            status = response.status_code
            return _failed(request, f"The server answered {status}.", sent=status >= 500)
        if not response.is_stream_consumed and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BreakableStream(response.stream)
        return response


class _BreakableStream(httpx2.AsyncByteStream):
    """A body whose connection may break: that is an error of the stream, which the transport knows."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"The connection broke ({type(error).__name__}).") from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _failed(request: httpx2.Request, reason: str, *, sent: bool) -> httpx2.Response:
    error: dict[str, Any] = {"code": CONNECTION_CLOSED, "message": reason}
    if not sent:
        error["data"] = {"not_sent": _MARK}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = {"content-type": "application/json"}
    return httpx2.Response(_BAD_GATEWAY, headers=headers, content=body, request=request)
