"""A listening socket: accepts connections, and closes those that are not allowed."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from orchestration.hub.transport import bounds

_log: Final = logging.getLogger(__name__)
_BACKLOG: Final = 128
# Connections that are accepted before the others are served again.
_AT_ONCE: Final = 16
# Seconds until the next try where the system has no room for another connection.
_PAUSE_S: Final = 1.0
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Accepts connections until it is closed.

    `serve` makes the protocol of a connection; `allowed` says whether the connection may stay. At most
    `bounds.ACCEPT_RATE` a second are accepted, so that existing connections are served meanwhile.
    """

    def __init__(
        self,
        listening: socket.socket,
        serve: Callable[[], asyncio.BaseProtocol],
        allowed: Callable[[socket.socket], bool],
    ) -> None:
        self._socket = listening
        self._serve = serve
        self._allowed = allowed
        self._loop = asyncio.get_running_loop()
        self._budget: float = bounds.ACCEPT_BURST
        self._counted_at = self._loop.time()
        self._connecting: set[asyncio.Task[object]] = set()
        listening.settimeout(0)  # does not block
        listening.listen(_BACKLOG)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _accept(self) -> None:
        now = self._loop.time()
        earned = (now - self._counted_at) * bounds.ACCEPT_RATE
        self._budget, self._counted_at = min(bounds.ACCEPT_BURST, self._budget + earned), now
        for _ in range(_AT_ONCE):
            if self._budget < 1:
                self._pause(_AT_ONCE / bounds.ACCEPT_RATE)
                return
            try:
                connection, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                _log.warning("No connection can be accepted for now: %s.", error.strerror)
                self._pause(_PAUSE_S)
                return
            self._budget -= 1
            if self._allowed(connection):
                connection.settimeout(0)
                task = self._loop.create_task(self._loop.connect_accepted_socket(self._serve, connection))
                self._connecting.add(task)
                task.add_done_callback(self._connected)
            else:
                connection.close()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.call_later(seconds, self._again)

    def _again(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)

    def _connected(self, task: asyncio.Task[object]) -> None:
        self._connecting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.info("A connection was lost at once: %s", error)
