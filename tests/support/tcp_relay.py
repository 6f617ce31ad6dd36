"""A TCP connection between client and server that can be cut, and on which answers can be lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65536  # bytes


class TcpRelay:
    """Passes bytes on to a port of this machine. `port` is where a client connects instead; it stays the same.

    While `losing` is true nothing comes back from the server.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.losing = False

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Accepts connections from now on."""
        self.losing = False
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Closes every connection, and accepts none from now on."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, there = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, there}
        for one in (
            self._pass_on(reader, there, answering=False),
            self._pass_on(answers, writer, answering=True),
        ):
            task = asyncio.create_task(one)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, answering: bool
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                if not (answering and self.losing):
                    to.write(data)
                    await to.drain()
        to.close()
