"""A server that answers over Streamable HTTP, by the transport of the official SDK."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, Self

import anyio
from httpx2 import Timeout
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from bot.mcp.gate.http_failures import AnsweringHttpClient, was_not_sent
from bot.mcp.gate.messages import Json, RequestId, loads

log = logging.getLogger(__name__)

_CONNECT: Final = 30.0  # seconds
_SILENCE: Final = 3600.0  # seconds for which a server may say nothing while a call runs
_TASK_METHODS: Final = ("tasks/get", "tasks/update", "tasks/cancel")
_LIST_TOOLS: Final = "tools/list"
_LARGEST_EVENT: Final = (
    64 * 1024 * 1024
)  # bytes of one message in a stream; the transport's own limit is 1 MB


class HttpUpstream:
    """A server at a URL, for `async with`. `headers` go with every request."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = dict(headers)
        self._open = AsyncExitStack()
        self._version: str | None = None  # of a session that began with `initialize`
        self._initializing: RequestId | None = None
        self._listing: set[RequestId] = set()
        self._mirrored: dict[str, Any] = {}  # by tool: which arguments go into headers as well

    async def __aenter__(self) -> Self:
        timeout = Timeout(_CONNECT, read=_SILENCE)
        http = AnsweringHttpClient(headers=self._headers, timeout=timeout)
        await self._open.enter_async_context(http)
        self._read, self._write = await self._open.enter_async_context(
            streamable_http_client(self._url, http_client=http, max_sse_event_size=_LARGEST_EVENT)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def lines(self) -> AsyncIterator[bytes]:
        """Each message of the server."""
        async for found in self._read:
            if isinstance(found, Exception):
                log.warning("A message of the server cannot be read, and was not passed on.")
                continue
            line = found.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
            self._learn(found.message)
            yield line

    async def send(self, line: bytes) -> bool:
        """Sends one message. False if the connection is closed."""
        body = loads(line)
        try:
            await self._write.send(SessionMessage(_message(body), self._metadata(body)))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return False
        return True

    @staticmethod
    async def send_no_more() -> bool:
        """The session ends when this is closed; the server goes on."""
        return False

    @staticmethod
    def did_not_get(failed: dict[str, Any]) -> bool:
        """Whether the call did not reach the server, or was turned away before it."""
        return was_not_sent(failed)

    async def ended(self) -> str:
        """How it ended, as the end of a sentence."""
        return "has closed the connection"

    def _learn(self, message: Any) -> None:
        """Notes from a response what later headers need: the protocol version and the tools' schemas."""
        if not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id is None:
            return
        result = message.result if isinstance(message, JSONRPCResponse) else {}
        if message.id == self._initializing:
            self._initializing = None
            version = result.get("protocolVersion")
            self._version = version if isinstance(version, str) and _is_plain(version) else None
        if message.id in self._listing:
            self._listing.discard(message.id)
            tools = result.get("tools")
            for tool in tools if isinstance(tools, list) else []:
                if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                    schema = tool.get("inputSchema")
                    # An invalid header must not be sent: it would end the connection.
                    is_wrong = find_invalid_x_mcp_header(schema) is not None
                    self._mirrored[tool["name"]] = {} if is_wrong else x_mcp_header_map(schema)

    def _metadata(self, body: Json) -> ClientMessageMetadata:
        """Returns the headers for the message, as its protocol version requires."""
        method, params = body.get("method"), body.get("params") or {}
        if "id" in body and method == "initialize":
            self._initializing = body["id"]
        if "id" in body and method == _LIST_TOOLS:
            self._listing.add(body["id"])
        meta = params.get("_meta")
        version = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
        # Values that are not valid in a header are left out. A server of that version then refuses the message.
        if not isinstance(method, str) or not isinstance(version, str) or not _is_plain(method + version):
            headers = {} if self._version is None else {MCP_PROTOCOL_VERSION_HEADER: self._version}
            return ClientMessageMetadata(headers=headers)
        headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: method}
        key = "taskId" if method in _TASK_METHODS else NAME_BEARING_METHODS.get(method)
        if key is not None and isinstance(name := params.get(key), str):
            headers[MCP_NAME_HEADER] = encode_header_value(name)
        if method == "tools/call" and (mirrored := self._mirrored.get(str(params.get("name")))):
            headers.update(mcp_param_headers(mirrored, params.get("arguments") or {}))
        return ClientMessageMetadata(headers=headers)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _message(body: Json) -> Any:
    if "method" in body:
        return (JSONRPCRequest if "id" in body else JSONRPCNotification).model_validate(body)
    return (JSONRPCError if "error" in body else JSONRPCResponse).model_validate(body)
