"""One HTTP/2 stream, which is one call: what was received of its request, and what must still be sent."""

import asyncio
from collections import deque
from typing import Protocol

from orchestration.hub.transport import frames
from orchestration.hub.transport.skim import Skim


class AnswerWriter(Protocol):
    """Sends the answers of a call."""

    def send(self, call: "Call", data: bytes) -> None:
        """Send an answer as soon as the client has room for it."""

    def write_out(self) -> None:
        """Hand what was written to the system now."""

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken."""

    @property
    def heard(self) -> int:
        """A number that changes whenever something comes from the client."""

    def ping(self) -> None:
        """Ask the client for a sign of life."""


class Call:
    """A call in progress. It is a `rpc.ResponseStream`."""

    __slots__ = (
        "begun", "body", "drained", "held", "opened", "path", "pending", "received", "skim", "stream", "task",
        "trailers", "unread", "window", "writer",
    )  # fmt: skip

    def __init__(self, writer: AnswerWriter, stream: int, path: bytes, window: int) -> None:
        self.writer = writer
        self.stream = stream
        self.path = path
        # Bytes that the client takes of this call's answers.
        self.window = window
        self.body = bytearray()
        # Bytes of DATA frames, padding included.
        self.received = 0
        # Reads a request that is too large to be held, instead of `body`.
        self.skim: Skim | None = None
        # Bytes of `body` that count as held.
        self.held = 0
        # Whether the request has arrived whole; whether the response's headers were sent.
        self.begun = False
        self.opened = False
        self.pending: deque[bytes | memoryview] = deque()
        # Bytes in `pending`.
        self.unread = 0
        # The headers that end a unary call once its answer is sent.
        self.trailers: bytes | None = None
        self.drained: asyncio.Event | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def blocked(self) -> bool:
        """Whether an answer still waits because the client has not read those before it."""
        return bool(self.pending)

    def send(self, answer: bytes) -> None:
        """Write an answer, in order, as soon as the client has room for it."""
        self.writer.send(self, frames.message(answer))

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken, of all answers on its connection."""
        return self.writer.waiting

    @property
    def heard(self) -> int:
        """A number that changes whenever something comes from the client, on any of its calls."""
        return self.writer.heard

    @property
    def peer(self) -> object:
        """The same object for all calls of one connection."""
        return self.writer

    def ping(self) -> None:
        """Ask the client's HTTP/2 for a sign of life: its program need not do anything for it."""
        self.writer.ping()

    def flush(self) -> None:
        """Hand what was written to the system now."""
        self.writer.write_out()

    async def drain(self) -> None:
        """Return once all that was written has been sent."""
        while self.pending:
            self.drained = asyncio.Event()
            await self.drained.wait()
