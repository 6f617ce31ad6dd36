"""Sends on one connection: frames in few system calls, and answers as far as the client's windows allow."""

import asyncio
from typing import Final

from orchestration.hub.transport import bounds, frames
from orchestration.hub.transport.call import Call

_PING: Final = frames.frame(frames.PING, 0, 0, bytes(frames.LENGTHS[frames.PING]))


class Sender:
    """Writes to one client. `calls` are those in progress by stream; one is removed when its answer is sent whole."""

    def __init__(self, calls: dict[int, Call], connections: bounds.Connections) -> None:
        self._calls = calls
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        # Bytes in `_outgoing`.
        self.outgoing_bytes = 0
        self._window = frames.DEFAULT_WINDOW
        self._max_frame = frames.MAX_FRAME
        self.initial_window = frames.DEFAULT_WINDOW
        # Bytes of answers that wait for a window.
        self.unread = 0
        # DATA frames that were sent since somebody set it to 0.
        self.sent = 0
        # How many times bytes have come from the client.
        self.heard = 0

    def connected(self, transport: asyncio.Transport) -> None:
        """Begin to write."""
        self._transport = transport
        transport.set_write_buffer_limits(high=bounds.UNSENT)

    def stop(self) -> None:
        """Write no more."""
        self._transport = None
        self._outgoing.clear()

    def write(self, data: bytes) -> None:
        """Write frames, together with others of this loop turn."""
        # The answers of one commit go out in one system call: one call costs more than all the work on a frame.
        if not self._outgoing:
            self._loop.call_soon(self.write_out)
        self._outgoing.append(data)
        self.outgoing_bytes += len(data)

    def write_out(self) -> None:
        """Hand what was written to the system, in one call."""
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()
        self.outgoing_bytes = 0

    def ping(self) -> None:
        """Ask the client for a sign of life: RFC 9113 has it acknowledge each PING before anything else."""
        self.write(_PING)

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken: they wait for its windows, or for it to read its socket."""
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self.unread + self.outgoing_bytes + unsent

    # Windows.

    def settings(self, found: dict[int, int]) -> None:
        """Apply the client's settings. Raises Http2Error."""
        self._max_frame = found.get(frames.MAX_FRAME_SETTING, self._max_frame)
        initial = found.get(frames.INITIAL_WINDOW_SETTING, self.initial_window)
        change = initial - self.initial_window
        if change:
            self.initial_window = initial
            for call in self._calls.values():
                call.window += change
                if call.window > frames.LARGEST_WINDOW:
                    raise frames.Http2Error(frames.FLOW_CONTROL_ERROR)
        self.push_all()

    def widen(self, increment: int) -> bool:
        """Enlarge the client's window for the connection; returns whether answers waited for it. Raises Http2Error."""
        starved = self._window <= 0
        self._window += increment
        if self._window > frames.LARGEST_WINDOW:
            raise frames.Http2Error(frames.FLOW_CONTROL_ERROR)
        if starved:
            self.push_all()
        return starved

    def widen_call(self, call: Call, increment: int) -> bool:
        """Enlarge the client's window for one call; returns False where it is then larger than HTTP/2 allows."""
        call.window += increment
        if call.window > frames.LARGEST_WINDOW:
            return False
        if call.pending:
            self.push(call)
        return True

    # Answers.

    def fits(self, call: Call, data: bytes) -> bool:
        """Whether the answer may be sent at once, in one frame. If so, it is counted as sent."""
        if len(data) > min(self._window, call.window, self._max_frame):
            return False
        self._window -= len(data)
        self.sent += 1
        return True

    def send(self, call: Call, data: bytes) -> None:
        """Send an answer as far as the windows allow, and the rest when they do; nothing after the call's end."""
        if self._calls.get(call.stream) is not call:
            return
        call.pending.append(data)
        self._count(call, len(data))
        self.push(call)

    def drop(self, call: Call) -> None:
        """Forget what was not sent of a call that is over."""
        if call.unread:
            self._count(call, -call.unread)

    def push_all(self) -> None:
        """Send of every call as much as the windows allow."""
        for call in list(self._calls.values()):
            if call.pending:
                self.push(call)

    def push(self, call: Call) -> None:
        """Send as much of the call's answers as the windows allow."""
        pending = call.pending
        stream = call.stream
        while pending:
            data = pending[0]
            size = min(len(data), self._window, call.window, self._max_frame)
            if size <= 0:
                return
            self._window -= size
            call.window -= size
            self.sent += 1
            self._count(call, -size)
            self.write(frames.frame(frames.DATA, 0, stream, data[:size]))
            if size < len(data):
                # A memoryview: if every frame copied the rest, the cost would grow with the square of the answer's
                # length.
                pending[0] = memoryview(data)[size:]
            else:
                pending.popleft()
        if call.trailers is not None:
            del self._calls[stream]
            self.write(call.trailers)
        elif call.drained is not None:
            call.drained.set()

    def _count(self, call: Call, size: int) -> None:
        call.unread += size
        self.unread += size
        self._connections.unread += size
