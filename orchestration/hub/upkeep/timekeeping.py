"""Keeps the hub's time over restarts, and says what is wrong with it: in the log, and as warnings for `/readyz`."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from orchestration.hub.errors import FullError, LockedError
from orchestration.hub.protocol import wire
from orchestration.hub.storage.clock import (
    DAY,
    SECOND,
    SLEW,
    Clock,
    ClockState,
    Delay,
    SkippableClock,
    SystemClock,
)
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction
from orchestration.hub.upkeep import clock_acceptance

_log: Final = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
# How old the time in the file may be, in microseconds: while other changes are written anyway, and otherwise.
_WITH_CHANGES: Final = SECOND
_ALONE: Final = 60 * SECOND
# How far the wall clock may be from the hub's time before the log says so, and before `/readyz` has a warning.
_LOGGED: Final = SECOND
_WARNED: Final = 60 * SECOND

_ACCEPT: Final = "`countersign hub accept-clock FILE`"


class TimeKeeper:
    """Restores the hub's clock from the file at `path`, looks at it every second, and notes it in the file.

    `moved` is called when timers or deletions may be due at once. `retention` is in microseconds.
    """

    def __init__(self, path: Path, clock: Clock, retention: int) -> None:
        self._path = path
        self._clock = clock if isinstance(clock, SystemClock) else None
        self._retention = retention
        self._noted = 0
        self._apart = False
        self._held = False
        self._held_said = False

    def restore(self, tx: Transaction) -> None:
        """Go on from the time that the last hub on the file saw."""
        clock, row = self._clock, tx.one(Q.clock_get)
        if clock is None:
            return
        if row is not None:
            delays = [Delay(*delay) for delay in json.loads(row["delays"])]
            clock.resume(ClockState(row["seen"], row["run"], delays))
            self._say_how_it_starts(clock, row["seen"])
            if row["retention"] is not None and row["retention"] > self._retention:
                clock.delay_deletions(row["retention"] - self._retention)
                _log.warning(
                    "The retention is shorter than before: what was kept because of that is deleted a day from now."
                )
        if isinstance(clock, SkippableClock):
            _log.warning("Clients may move this hub's clock ahead: that is for tests and demos only.")
        try:
            if clock_acceptance.is_asked(self._path):
                self._accept(tx, clock)
                clock_acceptance.done(self._path)
            self.note(tx, 0)
        except sqlite3.OperationalError as error:
            # Usually a full disk. The next change that is written writes the time too.
            _log.warning("The time could not be noted: %s.", error)

    def _say_how_it_starts(self, clock: SystemClock, seen: int) -> None:
        reading = clock.read(take_jump=True)
        self._held = reading.held
        if reading.held:
            self._held_said = -reading.ahead >= _LOGGED
            if self._held_said:
                _log.warning("%s", _held_words(reading.ahead, seen))
        elif reading.jumped:
            _log.log(
                logging.INFO if reading.jumped < DAY else logging.WARNING,
                "The clock went on by %s while the hub was stopped. Its time is taken: what fell due meanwhile is "
                "done. What that makes old enough to delete is kept for another day.",
                _duration(reading.jumped),
            )

    def note(self, tx: Transaction, age: int = _WITH_CHANGES) -> None:
        """Write the time into the file, if what it says is `age` microseconds old."""
        if self._clock is None:
            return
        state = self._clock.state()
        if abs(state.seen - self._noted) < age:
            return
        tx.do(Q.clock_put, state.seen, state.run, json.dumps(state.delays), self._retention)
        self._noted = state.seen

    async def serve(self, store: GroupCommitStore, moved: Callable[[], None]) -> None:
        """Look at the clock every second, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._look(store, moved)
            except (FullError, LockedError):
                continue  # the next look is soon
            except Exception:  # noqa: BLE001  # logged; a hub that no longer looked at its clock would be worse
                _log.exception("The clock could not be looked at; trying again.")

    async def _look(self, store: GroupCommitStore, moved: Callable[[], None]) -> None:
        clock = self._clock
        if clock is None:
            return
        reading = clock.read(take_jump=True)
        if reading.jumped:
            _log.warning(
                "The time jumped by %s: the machine slept, the process stood still, or its clock was set right. What "
                "that makes old enough to delete is kept for another day.",
                _duration(reading.jumped),
            )
            moved()
        if self._held and not reading.held:
            self._held = False
            if self._held_said:
                _log.warning("The machine's clock has reached the last time that the hub saw. Timers go on.")
            moved()
        self._say_whether_apart(reading.ahead)
        if clock_acceptance.is_asked(self._path):
            await store.run(lambda tx: self._accept(tx, clock))
            clock_acceptance.done(self._path)
            moved()
        elif abs(reading.time - self._noted) >= _ALONE:
            await store.run(lambda tx: self.note(tx, 0))

    def _say_whether_apart(self, ahead: int) -> None:
        apart = abs(ahead) >= _LOGGED
        if apart and not self._apart and not self._held:
            _log.warning("%s", _apart_words(ahead))
        elif self._apart and not apart:
            _log.info("The hub's time and the machine's clock agree again.")
        self._apart = apart

    def _accept(self, tx: Transaction, clock: SystemClock) -> None:
        before = clock.read()
        if isinstance(clock, SkippableClock):
            _log.warning("This hub's clock is moved by skips. There is nothing to accept.")
            return
        if not clock_acceptance.is_valid(self._path, before.time + before.ahead):
            _log.warning("An acceptance of the clock is of another time or another user, and is not taken.")
            return
        clock.accept()
        after = clock.read(take_jump=True)
        tx.do(Q.turned_at_limit, after.time, after.time)
        self._held = False
        self.note(tx, 0)
        _log.warning(
            "An operator accepted the machine's clock: the hub's time was %s and is now %s.",
            _moment(before.time),
            _moment(after.time),
        )

    def warnings(self) -> list[str]:
        """Warnings for operators about the clock; usually none."""
        if self._clock is None:
            return []
        reading = self._clock.read()
        if reading.held and -reading.ahead >= _LOGGED:
            return [_held_words(reading.ahead, reading.time)]
        return [_apart_words(reading.ahead)] if abs(reading.ahead) >= _WARNED else []


def _held_words(ahead: int, seen: int) -> str:
    return (
        f"clock: this machine's clock is {_duration(-ahead)} behind the last time that the hub saw, {_moment(seen)}. "
        f"Timers wait until it has caught up. If it is right, accept it with {_ACCEPT}."
    )


def _apart_words(ahead: int) -> str:
    way = "ahead of" if ahead > 0 else "behind"
    return (
        f"clock: this machine's clock is {_duration(abs(ahead))} {way} the hub's time. It was set while the hub ran, "
        f"so no timer is moved: the hub's time follows by {60 // SLEW} minutes an hour. If the clock is right, accept "
        f"it with {_ACCEPT}."
    )


def _duration(micros: int) -> str:
    return str(timedelta(seconds=micros // SECOND))


def _moment(at: int) -> str:
    return f"{wire.to_datetime(at):%Y-%m-%d %H:%M:%S} UTC"
