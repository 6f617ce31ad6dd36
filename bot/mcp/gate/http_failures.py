"""An HTTP client that turns failures into answers: otherwise the first failed connection ends the SDK's transport.

It also says whether the server may have made an approved call, which the transport does not tell.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

import httpx2
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse, jsonrpc_message_adapter
from pydantic import ValidationError

from bot.mcp.gate.messages import loads
from bot.mcp.gate.server_calls import CONNECTION_CLOSED, OWN

_BAD_GATEWAY: Final = 502
# With these statuses a server or proxy refuses a request before it runs. With any other status, it may have run.
_TURNED_AWAY: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.LENGTH_REQUIRED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.UPGRADE_REQUIRED,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    }
)
# The same request has to be sent to another URL. The transport does that, or reports that it does not.
_SENT_ON: Final = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
# A secret mark, so that no server can claim that it did not get a call.
_MARK: Final = secrets.token_hex(16)
_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)


def was_not_sent(failed: dict[str, Any]) -> bool:
    """Whether the error says that the server did not get the call, or refused it unread."""
    return failed.get("data") == {"not_sent": _MARK}


class AnsweringHttpClient(httpx2.AsyncClient):
    """Answers a failed request in JSON-RPC, which says whether the server may have got it. Else as its base class."""

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """Returns the response, or one of our own if there is none."""
        try:
            response = await super().send(request, **how)
        except httpx2.TransportError as error:
            if request.method != "POST":
                raise
            reason = f"The server cannot be reached ({type(error).__name__})."
            return _failed(request, reason, sent=not isinstance(error, _NOT_SENT))
        if request.method != "POST":
            return response
        if not response.is_stream_consumed and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BreakableStream(response.stream)
        if _is_json(response):
            try:
                await response.aread()
            except (httpx2.RequestError, httpx2.StreamError) as error:
                await response.aclose()
                reason = f"The server's answer cannot be read ({type(error).__name__})."
                return _failed(request, reason, sent=True)
        if OWN.encode() not in request.content or _is_answer(response, request):
            return response
        await response.aclose()
        status = response.status_code
        return _failed(request, f"The server answered {status}.", sent=status not in _TURNED_AWAY)


class _BreakableStream(httpx2.AsyncByteStream):
    """A body that turns a broken connection into a stream error, which the transport can handle."""

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


def _is_answer(response: httpx2.Response, request: httpx2.Request) -> bool:
    """Whether the transport finds, or may find, the answer to one of our calls in it."""
    if response.status_code in _SENT_ON:
        return True
    if not _is_json(response):
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        return is_stream and response.status_code == HTTPStatus.OK
    try:
        # Parsed as the transport does: where it finds no answer, it answers itself in the server's place.
        answer = jsonrpc_message_adapter.validate_json(response.content, by_name=False)
    except ValidationError:
        return False
    if response.status_code >= HTTPStatus.BAD_REQUEST:  # an error without an ID is the answer too
        return isinstance(answer, JSONRPCError)
    is_own = isinstance(answer, JSONRPCError | JSONRPCResponse) and answer.id == loads(request.content)["id"]
    return response.status_code == HTTPStatus.OK and is_own


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _failed(request: httpx2.Request, reason: str, *, sent: bool) -> httpx2.Response:
    error: dict[str, Any] = {"code": CONNECTION_CLOSED, "message": reason}
    # Only our own calls get the mark: a client that saw it could pass it to the server.
    if not sent and OWN.encode() in request.content:
        error["data"] = {"not_sent": _MARK}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = {"content-type": "application/json"}
    return httpx2.Response(_BAD_GATEWAY, headers=headers, content=body, request=request)
