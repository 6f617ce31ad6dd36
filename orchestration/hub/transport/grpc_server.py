"""The listening side of the hub's gRPC server."""

import asyncio
import socket
from functools import partial
from typing import Final

from orchestration.hub.transport import peers, rpc
from orchestration.hub.transport.http2 import Http2Connection
from orchestration.hub.transport.listener import Listener
from orchestration.hub.transport.tokens import Tokens

_STEP_S: Final = 0.005


class GrpcServer:
    """Accepts connections and answers their calls."""

    def __init__(self, routes: rpc.Routes) -> None:
        self._routes = routes
        self._connections: set[Http2Connection] = set()
        self._listeners: list[Listener] = []

    def listen_unix(self, bound: socket.socket) -> None:
        """Serve a Unix socket to the user that the hub runs as, and to root."""
        connection = partial(Http2Connection, self._routes, self._connections)
        self._listeners.append(Listener(bound, connection, lambda one: peers.is_owner(peers.user_of(one))))

    def listen_tcp(self, bound: socket.socket, tokens: Tokens | None) -> None:
        """Serve a TCP socket to whoever sends one of the tokens with each call; to everybody where there are none."""
        connection = partial(Http2Connection, self._routes, self._connections, tokens)
        self._listeners.append(Listener(bound, connection, lambda _one: True))

    async def close(self, grace_s: float) -> None:
        """Accept no more connections, let calls in progress finish for so many seconds, and hang up."""
        for listener in self._listeners:
            listener.close()
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
