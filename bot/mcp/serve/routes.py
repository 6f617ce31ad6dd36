"""/mcp on the HTTP port: the MCP server over Streamable HTTP, behind the tokens of the API.

It is stateless: each request holds all that it needs, so a restart of the process ends no session.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web
from yarl import URL

from bot.http.api import Api, json_text
from bot.http.api.authentication import MCP
from bot.http.api.endpoint import JSON, ApiCall, Endpoint
from bot.http.api.problems import Problem
from bot.mcp.serve.asgi import answer_by
from bot.mcp.serve.in_process import TokenApprovals
from bot.security.tokens import REQUEST, TokenFile

if TYPE_CHECKING:
    from bot.mcp.serve.transport import McpTransport

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
PARSE_ERROR: Final = -32700  # of JSON-RPC


class McpRoutes:
    """Serves `/mcp`. The SDK is imported at the first authorized request."""

    def __init__(self, api: Api, tokens: TokenFile, public_url: str | None) -> None:
        self._api = api
        self._tokens = tokens
        self._public_url = public_url
        self._starting = asyncio.Lock()
        self._transport: McpTransport | None = None

    def attach(self, application: web.Application) -> None:
        """Adds the route. Methods other than POST get 405, as there are no open streams and no sessions."""
        endpoint = Endpoint("POST", MCP, self._serve, "The MCP server", frozenset({REQUEST}), {})
        guarded = self._api.authenticator.guarded(endpoint)

        async def handle(request: web.Request) -> web.StreamResponse:
            host = request.headers.get("Host")
            origins = request.headers.getall("Origin", [])
            if not all(is_own_origin(origin, host, self._public_url) for origin in origins):
                raise Problem("forbidden", "Origin: a page of another site may not call this address.")
            return await guarded(request)

        async def close(_: web.Application) -> None:
            if self._transport is not None:
                await self._transport.close()

        application.router.add_post(MCP, handle)
        application.on_cleanup.append(close)

    async def _serve(self, call: ApiCall) -> web.StreamResponse:
        body = await call.raw()
        try:
            json_text.parse(body)
        except Problem as problem:
            error = {"code": PARSE_ERROR, "message": problem.line()}
            text = json.dumps({"jsonrpc": "2.0", "id": None, "error": error})
            return web.Response(status=400, text=text, content_type=JSON)
        transport = await self._started()
        approvals = TokenApprovals(self._api.access, call.token, self._tokens, self._api.rates)
        return await answer_by(await transport.app(), call.request, body, {"approvals": approvals})

    async def _started(self) -> McpTransport:
        async with self._starting:
            if self._transport is None:
                self._transport = (await asyncio.to_thread(_transport_class))()
            return self._transport


def _transport_class() -> type[McpTransport]:
    from bot.mcp.serve.transport import McpTransport  # noqa: PLC0415 - see the module

    return McpTransport


def is_own_origin(origin: str, host: str | None, public_url: str | None) -> bool:
    """Whether a page of that origin may call us: its origin is the public address, or both sides are on this machine.

    A site whose name resolves to this machine (DNS rebinding) is neither.
    """
    try:
        page, called = URL(origin), URL(f"//{host}")
        is_public = public_url is not None and page.origin() == URL(public_url).origin()
    except ValueError:
        return False
    return is_public or (page.scheme in {"http", "https"} and {page.host, called.host} <= LOOPBACK)
