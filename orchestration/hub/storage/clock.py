"""What time it is, for the hub and the orchestrations it serves."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from orchestration.hub.protocol import wire


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The current time: aware, UTC, never before what it last said."""


class SystemClock:
    """The machine's clock, held still where the machine's is set back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The current time, aware, UTC, monotone within this process."""
        with self._lock:
            self._last = max(self._last, datetime.now(UTC))
            return self._last


class SkippableClock(SystemClock):
    """The machine's clock plus every skip recorded in the hub's file; the hub moves it, see `Hub.advance`.

    A skipped stretch of time never happened, yet orchestrations must see it pass. So the clock remembers the
    stretches, and what falls due inside one is carried out as of the moment it was due: a reminder every
    twelve hours, skipped a day ahead, fires at the twelfth and at the twenty-fourth hour, each turn seeing
    its own hour.
    """

    def __init__(self) -> None:
        super().__init__()
        self._skips: list[tuple[int, int]] = []
        self._offset = timedelta()

    def now(self) -> datetime:
        """The machine's time plus all skips, aware, UTC, monotone."""
        return super().now() + self._offset

    def restore(self, skips: list[tuple[int, int]]) -> None:
        """Take over the skips of the file: pairs of microseconds, from and to, in order."""
        self._skips = list(skips)
        self._offset = timedelta(microseconds=sum(end - start for start, end in skips))

    def skipped(self, at: int) -> bool:
        """Whether the moment `at` (microseconds) lies in a stretch that was skipped."""
        return any(start < at <= end for start, end in reversed(self._skips))


def now(clock: Clock) -> int:
    """The clock's time in microseconds."""
    return wire.micros(clock.now())


def skipped(clock: Clock, at: int) -> bool:
    """Whether `at` (microseconds) never really happened because the clock was moved over it."""
    return isinstance(clock, SkippableClock) and clock.skipped(at)
