"""A machine whose two clocks the test moves: the wall clock, and the time since boot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestration.challenge.boot_time import BootMoment
from orchestration.hub import Clock
from orchestration.hub.protocol import wire

MICROSECOND = timedelta(microseconds=1)
LOOK = timedelta(seconds=50)  # longer than the time between two looks of a hub at its clock


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
        """The time since boot, as activities on this machine see it."""
        return BootMoment(boot=f"boot {self._boots}", lasted=self._boot * MICROSECOND)

    def goes_on(self, **time: float) -> None:
        """Moves both clocks at once, as when the machine sleeps or nobody looks at them meanwhile."""
        passed = timedelta(**time) // MICROSECOND
        self._wall += passed
        self._boot += passed

    def runs(self, clock: Clock, **time: float) -> None:
        """Moves both clocks in steps of LOOK, and looks at `clock` after each."""
        left = timedelta(**time)
        while left > timedelta():
            step = min(left, LOOK)
            self.goes_on(seconds=step.total_seconds())
            clock.now()
            left -= step

    def set_wall(self, **by: float) -> None:
        """Moves the wall clock alone, ahead or back."""
        self._wall += timedelta(**by) // MICROSECOND

    def reboots(self, **time: float) -> None:
        """Turns the machine off for some time, and boots it again."""
        self._wall += timedelta(**time) // MICROSECOND
        self._boot = 0
        self._boots += 1

    @property
    def time_of_day(self) -> datetime:
        return wire.to_datetime(self._wall)
