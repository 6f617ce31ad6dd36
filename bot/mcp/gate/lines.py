"""Sends and reads messages as lines of bytes, over the pipes between client, gate and server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final, Protocol

from orchestration.domain.errors import CountersignError

_CHUNK: Final = 256 * 1024  # bytes


class LineTooLongError(CountersignError):
    """A line is longer than its reader takes."""


class Lines(Protocol):
    """One side of the gate."""

    def lines(self) -> AsyncIterator[bytes]:
        """Yields each message, without its line break, until there are no more."""
        ...

    async def send(self, line: bytes) -> bool:
        """Sends one message. False if nobody reads any more."""
        ...


class PipeLines:
    """`Lines` over a reader and a writer. `largest`: bytes of a line that are read; None for any."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, largest: int | None = None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._largest = largest

    async def lines(self) -> AsyncIterator[bytes]:
        """Raises `LineTooLongError`. What comes after the last line break is no line."""
        begun: list[bytes] = []
        length = 0
        while chunk := await self._read():
            *whole, rest = chunk.split(b"\n")
            if whole:
                yield b"".join([*begun, whole[0]])
                for line in whole[1:]:
                    yield line
                begun, length = [], 0
            begun.append(rest)
            length += len(rest)
            if self._largest is not None and length > self._largest:
                raise LineTooLongError(f"A message is over {self._largest // 1024 // 1024} MB.")

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except (ConnectionError, OSError):
            return b""

    async def send(self, line: bytes) -> bool:
        """Waits while the other side does not read."""
        if self._writer.is_closing():
            return False
        try:
            self._writer.write(line + b"\n")
            await self._writer.drain()
        except (ConnectionError, OSError, RuntimeError):
            return False
        return True

    async def close(self) -> None:
        """Closes the writer. What the other side does not read within two seconds is dropped."""
        with suppress(ConnectionError, OSError, RuntimeError, TimeoutError):
            self._writer.close()
            async with asyncio.timeout(2):
                await self._writer.wait_closed()


async def standard_lines(largest: int) -> PipeLines:
    """Standard input and output. What else is printed goes to standard error. Raises `CountersignError`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK)
    # Our own copies: at the end of the program, other code may still write to the original ones.
    given, out = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), given)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, out)
    except ValueError as error:
        raise CountersignError(
            "Standard input and output have to be pipes, as an MCP client opens them."
        ) from error
    os.dup2(2, 1)
    return PipeLines(reader, asyncio.StreamWriter(transport, protocol, reader, loop), largest)
