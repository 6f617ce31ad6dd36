"""Limits how long one client may take, and how much useless work it may cause, before the hub disconnects it."""

import asyncio
from enum import Flag, auto

from orchestration.hub.transport import bounds, frames


class Pause(Flag):
    """Why the hub reads nothing from a client for now."""

    UNSENT = auto()  # the client does not read its answers
    UNPROVEN = auto()  # all clients without a token together have sent enough for now
    HEADERS = auto()  # the client has sent enough headers for now


_NOTHING = Pause(0)


class Patience:
    """Bounds one connection in time and work. `now` is the event loop's time, in seconds."""

    def __init__(self, connections: bounds.Connections, now: float) -> None:
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._pauses = _NOTHING
        self._began = self._looked_at = now
        self._unsent_since = now
        # The credit that is left for frames without a request.
        self.credit: float = bounds.CREDIT
        self._headers: float = bounds.HEADERS_BURST
        self._unproven_bytes = self._unproven_calls = 0
        # Whether the client has sent its first SETTINGS, and whether it was admitted (sent the token, or needs none).
        self.greeted = False
        self.proven = False
        # The time of the first frame of a header block that has not arrived whole, or None.
        self.block_since: float | None = None

    def connected(self, transport: asyncio.Transport) -> None:
        """Begin."""
        self._transport = transport

    # Work.

    def spend(self, cost: int) -> None:
        """Count a frame that carries no request. Raises Http2Error where there were too many."""
        self.credit -= cost
        if self.credit < 0:
            raise frames.Http2Error(frames.ENHANCE_YOUR_CALM)

    def earn(self, credit: int) -> None:
        """Give credit for useful work."""
        self.credit = min(bounds.CREDIT, self.credit + credit)

    def refused(self) -> None:
        """Count a call without the token. Raises Http2Error where there were too many."""
        self.spend(bounds.RESET_COST)
        self._unproven_calls += not self.proven
        if self._unproven_calls >= bounds.UNPROVEN_CALLS:
            raise frames.Http2Error(frames.ENHANCE_YOUR_CALM)

    def read(self, size: int, headers: int) -> None:
        """Count `size` bytes that were read, and `headers` bytes of header blocks that were decoded.

        Raises Http2Error where a client that sent no token has sent too much.
        """
        if headers:
            self._headers -= headers
            if self._headers < 0:
                self.pause(Pause.HEADERS)
        if self.proven:
            return
        self._unproven_bytes += size
        if self._unproven_bytes > bounds.UNPROVEN_BYTES:
            raise frames.Http2Error(frames.ENHANCE_YOUR_CALM)
        left = self._connections.unproven_bytes - size
        self._connections.unproven_bytes = max(left, -bounds.UNPROVEN_BURST)
        if left < 0 and self._unproven_bytes > bounds.UNPROVEN_FREE:
            self.pause(Pause.UNPROVEN)

    # Time.

    def pause(self, why: Pause) -> None:
        """Read nothing until `resume` was called for every reason."""
        if not self._pauses and self._transport is not None:
            self._transport.pause_reading()
        self._pauses |= why

    def resume(self, why: Pause) -> None:
        """Read again, unless there is another reason not to."""
        if self._pauses:
            self._pauses &= ~why
            if not self._pauses and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def pause_writing(self, now: float) -> None:
        """Pause reading, because the client does not read its answers."""
        self._unsent_since = now
        self.pause(Pause.UNSENT)

    def look(self, now: float) -> int | None:
        """Give credit for the time since the last look; returns the code to close with, or None. CANCEL: at once."""
        passed, self._looked_at = now - self._looked_at, now
        self.credit = min(bounds.CREDIT, self.credit + passed * bounds.CREDIT_A_SECOND)
        self._headers = min(bounds.HEADERS_BURST, self._headers + passed * bounds.HEADERS_RATE)
        if Pause.UNSENT in self._pauses and now - self._unsent_since > bounds.UNREAD_S:
            return frames.CANCEL
        if not self.greeted and now - self._began > bounds.GREETING_S:
            return frames.SETTINGS_TIMEOUT
        if self.block_since is not None and now - self.block_since > bounds.GREETING_S:
            return frames.ENHANCE_YOUR_CALM
        if not self.proven and now - self._began > bounds.UNPROVEN_S:
            return frames.NO_ERROR
        if self._headers >= 0:
            self.resume(Pause.HEADERS)
        if self.proven or self._connections.unproven_bytes >= 0:
            self.resume(Pause.UNPROVEN)
        return None
