"""The listening side of the hub's gRPC server."""

import asyncio
from typing import Final

from orchestration.hub.transport import rpc
from orchestration.hub.transport.http2 import Http2Connection

_STEP_S: Final = 0.005


class GrpcServer:
    """Accepts connections and answers their calls."""

    def __init__(self, routes: rpc.Routes) -> None:
        self._routes = routes
        self._connections: set[Http2Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen_unix(self, path: str) -> None:
        """Listen on a Unix socket. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, path)

    async def listen_tcp(self, host: str, port: int) -> int:
        """Listen on TCP; returns the port, which the system chooses where `port` is 0. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(self._connection, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def _connection(self) -> Http2Connection:
        return Http2Connection(self._routes, self._connections)

    async def close(self, grace_s: float) -> None:
        """Accept no more connections, let calls in progress finish for so many seconds, and hang up."""
        if self._server is not None:
            self._server.close()
        until = asyncio.get_running_loop().time() + grace_s
        # At most a second, once, when the hub stops.
        while self._busy() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # see above
            await asyncio.sleep(_STEP_S)
        for connection in list(self._connections):
            connection.close()
        while self._connections:  # noqa: ASYNC110  # as above
            await asyncio.sleep(_STEP_S)

    def _busy(self) -> bool:
        return any(one.busy for one in self._connections)
