"""The hub's time, which the orchestrations see: taken from the machine's clocks, or from one that can skip ahead.

The wall clock of a machine can be wrong, and it can be set while the hub runs. So the hub asks it once, when it
starts. From then on the time since boot carries the hub's time on, and the hub's time is moved towards the wall clock
slowly: by a twentieth of the time that passes. It never stands still, and it never goes back, unless an operator
accepts a wall clock that is behind (`SystemClock.accept`).
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from orchestration.hub.protocol import wire
from orchestration.hub.storage.machine import MachineTime, TimeSource

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
# The hub's time is moved towards the wall clock by 1/SLEW of the time that passes: 3 minutes an hour.
SLEW: Final = 20
# If the hub's time goes on by this much or more while the hub is stopped, or between two looks at the clock, that is a
# jump. The hub looks every second, so between two looks the machine was suspended or the process stood still.
JUMP: Final = 60 * SECOND
# What became old enough to delete only by a jump is kept for this long. Only time in which the hub runs counts.
GRACE: Final = DAY


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The current time: aware, UTC, never earlier than it was before."""


class Delay(NamedTuple):
    """Delays deletions by age by `amount` microseconds, until hubs on the file have run for GRACE after `since`."""

    amount: int
    since: int


@dataclass(slots=True)
class ClockState:
    """What the hub's file keeps of the clock, in microseconds.

    `seen` is the hub's last time, without skips. `run` is for how long hubs on this file have run, jumps not counted.
    """

    seen: int
    run: int = 0
    delays: list[Delay] = field(default_factory=list)


class Reading(NamedTuple):
    """One look at the clock, in microseconds.

    `ahead` is by how much the wall clock is ahead of the hub's time; negative where it is behind. `held` says that
    timers wait. `jumped` is how far the time has jumped since a jump was last taken; usually 0.
    """

    time: int
    ahead: int
    held: bool
    jumped: int


class SystemClock:
    """The wall clock as it was at the start, carried on by the time since boot. Safe to share between threads."""

    def __init__(self, source: TimeSource | None = None) -> None:
        self._source: TimeSource = source if source is not None else MachineTime()
        self._lock = threading.Lock()
        self._boot = self._source.boot()
        self._state = ClockState(self._source.wall())
        self._ahead = 0
        self._held_until: int | None = None
        self._jumped = 0

    def now(self) -> datetime:
        """The hub's time: aware, UTC."""
        with self._lock:
            self._advance()
            return wire.to_datetime(self._state.seen)

    @property
    def held(self) -> bool:
        """Whether timers wait, because the wall clock is behind the last time that the hub saw."""
        return self._held_until is not None

    def resume(self, state: ClockState) -> None:
        """Go on from where the last hub on the file stopped.

        Where the wall clock is later, its time is taken: the hub was stopped meanwhile. Where it is earlier, nobody can
        tell which of the two was wrong. Then the time goes on from the last one, and timers are held until the wall
        clock has reached it.
        """
        with self._lock:
            self._boot, wall = self._source.boot(), self._source.wall()
            self._state = ClockState(max(wall, state.seen), state.run, list(state.delays))
            self._held_until = state.seen if wall < state.seen and self._may_hold() else None
            self._ahead = wall - self._state.seen
            self._note_jump(self._state.seen - state.seen)

    def _may_hold(self) -> bool:
        return True

    def read(self, *, take_jump: bool = False) -> Reading:
        """Look at the clock. With `take_jump` the next reading says how far it jumped since this one."""
        with self._lock:
            self._advance()
            reading = self._reading()
            if take_jump:
                self._jumped = 0
            return reading

    def _reading(self) -> Reading:
        return Reading(self._state.seen, self._ahead, self._held_until is not None, self._jumped)

    def accept(self) -> Reading:
        """Take the time of the wall clock now, in either direction, and hold timers no longer."""
        with self._lock:
            self._advance()
            self._take_wall(self._state.seen + self._ahead)
            return self._reading()

    def state(self) -> ClockState:
        """What the file has to keep."""
        with self._lock:
            self._advance()
            state, ran = self._state, self._ran()
            state.delays = [delay for delay in state.delays if ran < delay.since + GRACE]
            return ClockState(state.seen, state.run, list(state.delays))

    def delay_deletions(self, amount: int) -> None:
        """Delay deletions by age by another `amount` microseconds, for GRACE."""
        with self._lock:
            self._state.delays.append(Delay(amount, self._ran()))

    def delayed(self) -> int:
        """By how many microseconds deletions by age are behind the hub's time."""
        with self._lock:
            ran = self._ran()
            return sum(delay.amount for delay in self._state.delays if ran < delay.since + GRACE)

    def delayed_for(self) -> int:
        """For how many microseconds of running something is still kept because of a jump; 0 where nothing is."""
        with self._lock:
            ran = self._ran()
            return max([0, *(delay.since + GRACE - ran for delay in self._state.delays)])

    def _ran(self) -> int:
        """For how long hubs on this file have run, in microseconds; what was skipped counts, jumps do not."""
        return self._state.run

    def _advance(self) -> None:
        boot, wall = self._source.boot(), self._source.wall()
        elapsed = max(boot - self._boot, 0)
        self._boot = max(boot, self._boot)
        state = self._state
        state.seen += elapsed
        if elapsed < JUMP:
            state.run += elapsed
        else:
            self._note_jump(elapsed)
        if self._held_until is not None and wall >= self._held_until:
            self._held_until = None
            if wall > state.seen:
                # The wall clock was wrong at the start and has been set right. The time that the hub was stopped for
                # passes now.
                self._take_wall(wall)
        most = elapsed // SLEW
        state.seen += min(max(wall - state.seen, -most), most)
        self._ahead = wall - state.seen

    def _take_wall(self, wall: int) -> None:
        self._held_until = None
        jump = wall - self._state.seen
        self._state.seen = wall
        self._ahead = 0
        self._note_jump(jump)

    def _note_jump(self, jump: int) -> None:
        if abs(jump) >= JUMP:
            self._jumped += jump
        if jump >= JUMP:
            self._state.delays.append(Delay(jump, self._ran()))


class SkippableClock(SystemClock):
    """The hub's time plus every skip recorded in the hub's file. The hub moves it, see `Hub.advance`.

    Orchestrations must see skipped time pass as if it had been real. So the clock remembers each skip, and what was due
    within a skip is done as of the moment it was due. Example: a reminder fires every twelve hours, and the clock skips
    a day. It fires twice, and its two turns see the twelfth and the twenty-fourth hour.

    It is for tests and demos, which set the time themselves. So it holds no timers.
    """

    def __init__(self, source: TimeSource | None = None) -> None:
        super().__init__(source)
        self._skips: list[tuple[int, int]] = []
        self._offset = 0

    def now(self) -> datetime:
        """The hub's time plus all skips: aware, UTC."""
        with self._lock:
            self._advance()
            return wire.to_datetime(self._state.seen + self._offset)

    def restore(self, skips: list[tuple[int, int]]) -> None:
        """Take over the skips of the file: pairs of times in microseconds, from and to, in order."""
        self._skips = list(skips)
        self._offset = sum(end - start for start, end in skips)

    def skipped(self, at: int) -> bool:
        """Whether `at` (microseconds) lies within a skip."""
        return any(start < at <= end for start, end in reversed(self._skips))

    def _ran(self) -> int:
        return super()._ran() + self._offset

    def _may_hold(self) -> bool:
        return False


def now(clock: Clock) -> int:
    """The clock's time in microseconds."""
    return wire.to_micros(clock.now())


def skipped(clock: Clock, at: int) -> bool:
    """Whether the clock was moved over `at` (microseconds)."""
    return isinstance(clock, SkippableClock) and clock.skipped(at)


def held(clock: Clock) -> bool:
    """Whether timers wait."""
    return isinstance(clock, SystemClock) and clock.held


def delayed(clock: Clock) -> int:
    """By how many microseconds deletions by age are behind the clock."""
    return clock.delayed() if isinstance(clock, SystemClock) else 0


def delayed_for(clock: Clock) -> int:
    """For how many more microseconds of running deletions by age stay behind the clock."""
    return clock.delayed_for() if isinstance(clock, SystemClock) else 0
