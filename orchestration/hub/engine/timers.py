"""Durable timers: a table in the file, and one task that sleeps until the first of them is due."""

import asyncio
import contextlib
import logging
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities, inbox, instances
from orchestration.hub.errors import FullError, LockedError
from orchestration.hub.protocol import wire
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

_log: Final = logging.getLogger(__name__)

# The longest sleep, in seconds. A jump of the clock, or the end of holding timers, wakes the loop earlier.
_LONGEST_SLEEP_S: Final = 30.0
_PAUSE_S: Final = 1.0
# How long timers within a skip wait for earlier work that makes no progress.
_PATIENCE_S: Final = 5.0


def add(tx: Transaction, row: Any, task: int, fire_at: int) -> None:
    """Set a timer of the instance of this row. A timer that is already due fires in this same transaction.

    The exceptions are a timer that is due within a skip, which `TimerLoop` fires in its order, and every timer while
    timers are held.
    """
    if fire_at <= tx.now and not clocks.skipped(tx.clock, fire_at) and not clocks.held(tx.clock):
        _put_fired(tx, row, task, fire_at)
    else:
        tx.do(Q.timer_add, row["key"], task, fire_at)
        tx.timer_set(fire_at)


def _put_fired(tx: Transaction, row: Any, task: int, fire_at: int) -> None:
    at = tx.as_of(fire_at)
    fired = pb.TimerFiredEvent(fireAt=wire.to_timestamp(fire_at), timerId=task)
    inbox.put_bound(tx, row, row["execution"], at, wire.event(at, timerFired=fired))


def fire_due(tx: Transaction) -> None:
    """Fire the timers and delayed signals that are due, in order, up to a batch; none while timers are held.

    Of those that are due within a skip, it fires only those of the earliest time.
    """
    first = next_due(tx)
    if first is None or clocks.held(tx.clock):
        return
    # Read again in this transaction: the work that was waited for may have set an earlier timer.
    until = first if clocks.skipped(tx.clock, first) else tx.now
    for timer in tx.all(Q.timer_due, until):
        tx.do(Q.timer_take, timer["instance"], timer["task"])
        row = tx.one(Q.instance_by_key, timer["instance"])
        if row is None:
            continue
        if timer["task"] == instances.SCHEDULED_START:
            tx.do(Q.inbox_defer, tx.as_of(timer["fire_at"]), row["key"])
            inbox.wake(tx, row)
        else:
            _put_fired(tx, row, timer["task"], timer["fire_at"])
    entities.signal_due(tx, until)


def next_due(tx: Transaction) -> int | None:
    """When the first timer or delayed signal in the file is due, in microseconds, or None."""
    due: int | None = tx.one(Q.timer_next)[0]
    return due


def next_due_after(tx: Transaction, at: int) -> int | None:
    """When the first timer or delayed signal that is due after `at` is due, in microseconds, or None."""
    due: int | None = tx.one(Q.timer_next_after, at)[0]
    return due


class TimerLoop:
    """Fires timers when they are due.

    Timers that are due within a skip fire in order, each after the work that the one before it caused is done,
    as if the time had really passed. A worker that makes no progress delays this by a few seconds only. `idle` is
    set while the dispatcher has no work.
    """

    def __init__(self, store: GroupCommitStore, clock: clocks.Clock) -> None:
        self._store = store
        self._clock = clock
        self._wake = asyncio.Event()
        self._next: int | None = None
        self.idle = asyncio.Event()

    def no_later_than(self, at: int) -> None:
        """Look at the timers again at `at` (microseconds), or earlier."""
        if self._next is None or at < self._next:
            self._next = at
            self._wake.set()

    def clock_moved(self) -> None:
        """Look at the timers now, because the clock was moved or timers are held no longer."""
        self._wake.set()

    async def serve(self) -> None:
        """Fire timers until cancelled."""
        while True:
            self._wake.clear()
            try:
                pause = await self._fire()
            except (FullError, LockedError):
                pause = _PAUSE_S
            except Exception:  # noqa: BLE001  # logged; a hub whose timers stopped would be worse
                _log.exception("Timers could not be fired; trying again.")
                pause = _PAUSE_S
            if pause > 0:
                with contextlib.suppress(TimeoutError):
                    # Not `wait_for`: before Python 3.12 it ends well where it is cancelled once the event is set, and
                    # this would go on for ever.
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    async def _fire(self) -> float:
        """Fire what is due; returns for how many seconds there is nothing more to do."""
        # Reset before the query. A timer may be set later in the same transaction as the query; it must wake this
        # task even if it is later than the one that was waited for so far.
        self._next = None
        self._next = due = await self._store.run(next_due)
        now = clocks.now(self._clock)
        if due is None or clocks.held(self._clock):
            return _LONGEST_SLEEP_S
        if due > now:
            return min(_LONGEST_SLEEP_S, (due - now) / 1_000_000)
        if clocks.skipped(self._clock, due) and not self.idle.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):  # not `wait_for`, as above
                    await self.idle.wait()
        await self._store.run(fire_due)
        return 0.0
