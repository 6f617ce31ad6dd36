"""The time of the hub and of the orchestrations it serves: the machine's clock, or one that can skip ahead."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from orchestration.hub.protocol import wire


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The current time: aware, UTC, never earlier than it was before."""


class SystemClock:
    """The machine's clock. If that is set back, this one stands still until it has caught up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The current time: aware, UTC, never going back within this process."""
        with self._lock:
            self._last = max(self._last, datetime.now(UTC))
            return self._last


class SkippableClock(SystemClock):
    """The machine's clock plus every skip recorded in the hub's file. The hub moves it, see `Hub.advance`.

    Orchestrations must see skipped time pass as if it had been real. So the clock remembers each skip, and what
    falls due inside one is done as of the moment it was due. Example: a reminder fires every twelve hours, and the
    clock skips a day. It fires twice, and its two turns see the twelfth and the twenty-fourth hour.
    """

    def __init__(self) -> None:
        super().__init__()
        self._skips: list[tuple[int, int]] = []
        self._offset = timedelta()

    def now(self) -> datetime:
        """The machine's time plus all skips: aware, UTC, never going back."""
        return super().now() + self._offset

    def restore(self, skips: list[tuple[int, int]]) -> None:
        """Take over the skips of the file: pairs of times in microseconds, from and to, in order."""
        self._skips = list(skips)
        self._offset = timedelta(microseconds=sum(end - start for start, end in skips))

    def skipped(self, at: int) -> bool:
        """Whether `at` (microseconds) lies within a skip."""
        return any(start < at <= end for start, end in reversed(self._skips))


def now(clock: Clock) -> int:
    """The clock's time in microseconds."""
    return wire.to_micros(clock.now())


def skipped(clock: Clock, at: int) -> bool:
    """Whether the clock was moved over `at` (microseconds)."""
    return isinstance(clock, SkippableClock) and clock.skipped(at)
