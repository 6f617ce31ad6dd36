"""A machine whose two clocks the test moves: the wall clock, and the time since boot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestration.challenge.boot_time import BootMoment
from orchestration.hub import Clock
from orchestration.hub.protocol import wire

MICROSECOND = timedelta(microseconds=1)
LOOK = timedelta(seconds=50)  # a hub looks at its clock more often than this


class FakeMachine:
    """Implements `TimeSource`. Time passes only when the test says so."""

    def __init__(self, start: datetime | None = None) -> None:
        self._wall = wire.to_micros(start or datetime(2026, 3, 1, 9, tzinfo=UTC))
        self._boot = 5 * 86_400 * 1_000_000
        self._boots = 1

    def wall(self) -> int:
        return self._wall

    def boot(self) -> int:
        return self._boot

    def since_boot(self) -> BootMoment:
        """As activities on this machine see it."""
        return BootMoment(boot=f"boot {self._boots}", lasted=self._boot * MICROSECOND)

    def goes_on(self, **time: float) -> None:
        """Time passes, by both clocks, in one go: as when the machine sleeps, or nobody looks meanwhile."""
        passed = timedelta(**time) // MICROSECOND
        self._wall += passed
        self._boot += passed

    def runs(self, clock: Clock, **time: float) -> None:
        """Time passes while somebody looks at the clock all the time."""
        left = timedelta(**time)
        while left > timedelta():
            step = min(left, LOOK)
            self.goes_on(seconds=step.total_seconds())
            clock.now()
            left -= step

    def set_wall(self, **by: float) -> None:
        """Somebody sets the wall clock by so much, ahead or back."""
        self._wall += timedelta(**by) // MICROSECOND

    def reboots(self, **time: float) -> None:
        """The machine is off for some time, and booted again."""
        self._wall += timedelta(**time) // MICROSECOND
        self._boot = 0
        self._boots += 1

    @property
    def time_of_day(self) -> datetime:
        return wire.to_datetime(self._wall)
