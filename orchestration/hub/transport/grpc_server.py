"""The listening side of the hub's gRPC server."""

import asyncio
import logging
import socket
from functools import partial
from typing import Final

from orchestration.hub.transport import bounds, peers, rpc
from orchestration.hub.transport.http2 import Http2Connection
from orchestration.hub.transport.listener import Listener
from orchestration.hub.transport.tokens import Tokens

_log: Final = logging.getLogger(__name__)
_STEP_S: Final = 0.005
_LOOK_S: Final = 1.0


class GrpcServer:
    """Accepts connections and answers their calls."""

    def __init__(self, routes: rpc.Routes) -> None:
        self._routes = routes
        self._connections = bounds.Connections(asyncio.get_running_loop().time())
        self._listeners: list[Listener] = []
        self._looking: asyncio.Task[None] | None = None

    def listen_unix(self, bound: socket.socket) -> None:
        """Serve a Unix socket to the user that the hub runs as, and to root."""
        connection = partial(Http2Connection, self._routes, self._connections)
        self._listen(Listener(bound, connection, lambda one: peers.is_owner(peers.user_of(one))))

    def listen_tcp(self, bound: socket.socket, tokens: Tokens | None) -> None:
        """Serve a TCP socket to whoever sends one of the tokens with each call; to everybody where there are none."""
        connection = partial(Http2Connection, self._routes, self._connections, tokens)
        self._listen(Listener(bound, connection, lambda _one: True))

    def _listen(self, listener: Listener) -> None:
        self._listeners.append(listener)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._connections.look(loop.time())
            except Exception:  # noqa: BLE001  # logged; without the next look nothing would be bounded in time
                _log.exception("A look at the connections failed.")
            await asyncio.sleep(_LOOK_S)

    async def close(self, grace_s: float) -> None:
        """Accept no more connections, let calls in progress finish for so many seconds, and hang up."""
        for listener in self._listeners:
            listener.close()
        if self._looking is not None:
            self._looking.cancel()
        until = asyncio.get_running_loop().time() + grace_s
        # Waits for at most a second, once, when the hub stops.
        while self._busy() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # see above
            await asyncio.sleep(_STEP_S)
        for connection in self._connections.all():
            connection.close()
        while self._connections.all():  # noqa: ASYNC110  # as above
            await asyncio.sleep(_STEP_S)

    def _busy(self) -> bool:
        return any(one.busy for one in self._connections.all())
