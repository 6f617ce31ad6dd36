"""The SDK's Streamable HTTP transport for our server. It is imported on first use, as that takes a second."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from bot.http.api.models import BODY_LIMIT
from bot.mcp.serve.asgi import AsgiApp
from bot.mcp.serve.port import AgentApprovals
from bot.mcp.serve.server import approvals_server


class McpTransport:
    """Runs until `close`. The request's state holds the token's approvals as `approvals`."""

    def __init__(self) -> None:
        def approvals_of(context: Any) -> AgentApprovals:
            found: AgentApprovals = context.request.state.approvals
            return found

        # Origins are checked before a request comes here.
        self._manager = StreamableHTTPSessionManager(
            approvals_server(approvals_of), stateless=True, max_request_body_size=BODY_LIMIT
        )
        self._handler: asyncio.Future[AsgiApp] = asyncio.get_running_loop().create_future()
        self._ends = asyncio.Event()
        self._running = asyncio.create_task(self._run(), name="serve MCP")

    async def _run(self) -> None:
        """Runs the SDK in one task: it has to be entered and left by the same one."""
        async with self._manager.run():
            self._handler.set_result(self._manager.handle_request)
            await self._ends.wait()

    async def app(self) -> AsgiApp:
        """The ASGI application, once it runs."""
        return await asyncio.shield(self._handler)

    async def close(self) -> None:
        """Stops the transport and ends open requests."""
        self._ends.set()
        await self._running
