"""An HTTP client whose failures are answers: the SDK's transport would end with the first connection that fails.

Of an approved call it also says what the transport does not tell: whether the server may have made it.
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
# With these a server or a proxy turns a request away before anything is done. What is not here may have run.
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
# The request is to be made again elsewhere, as it is. The transport does that, or says that it does not.
_SENT_ON: Final = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
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


def _is_answer(response: httpx2.Response, request: httpx2.Request) -> bool:
    """Whether the transport finds the answer to a call of ours in it, or may."""
    if response.status_code in _SENT_ON:
        return True
    if not _is_json(response):
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        return is_stream and response.status_code == HTTPStatus.OK
    try:
        # As the transport reads it: what is none for it, it answers for the server.
        answer = jsonrpc_message_adapter.validate_json(response.content, by_name=False)
    except ValidationError:
        return False
    if response.status_code >= HTTPStatus.BAD_REQUEST:  # it may name no ID, and is the answer all the same
        return isinstance(answer, JSONRPCError)
    is_own = isinstance(answer, JSONRPCError | JSONRPCResponse) and answer.id == loads(request.content)["id"]
    return response.status_code == HTTPStatus.OK and is_own


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _failed(request: httpx2.Request, reason: str, *, sent: bool) -> httpx2.Response:
    error: dict[str, Any] = {"code": CONNECTION_CLOSED, "message": reason}
    # The mark is for calls of ours alone: what the client is told, it could tell the server.
    if not sent and OWN.encode() in request.content:
        error["data"] = {"not_sent": _MARK}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = {"content-type": "application/json"}
    return httpx2.Response(_BAD_GATEWAY, headers=headers, content=body, request=request)
