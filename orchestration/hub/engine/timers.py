"""Durable timers: an index in the file, and one task that sleeps until its first entry."""

import asyncio
import contextlib
import logging
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities, instances, mailbox
from orchestration.hub.errors import FullError
from orchestration.hub.protocol import wire
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Store, Transaction

_log: Final = logging.getLogger(__name__)

# A machine's clock can be set; nobody announces it. Nor is there a need to wake for nothing more often than
# this.
_LONGEST_SLEEP_S: Final = 30.0
_PAUSE_S: Final = 1.0
# How long the next moment of a skip waits for work that makes no progress.
_PATIENCE_S: Final = 5.0


def add(tx: Transaction, row: Any, task: int, fire_at: int) -> None:
    """Set a timer of the instance of this row; one that is due already fires in this same transaction.

    Except where it fell due within a skip: those take their turn, see `Alarm`.
    """
    if fire_at <= tx.now and not clocks.skipped(tx.clock, fire_at):
        _put_fired(tx, row, task, fire_at)
    else:
        tx.do(Q.timer_add, row["key"], task, fire_at)
        tx.alarm(fire_at)


def _put_fired(tx: Transaction, row: Any, task: int, fire_at: int) -> None:
    at = tx.as_of(fire_at)
    fired = pb.TimerFiredEvent(fireAt=wire.stamp(fire_at), timerId=task)
    mailbox.put_bound(tx, row, row["execution"], at, wire.event(at, timerFired=fired))


def fire_due(tx: Transaction) -> None:
    """Fire what is due, in its order, up to a batch.

    Of what fell due within a skip, the first moment only.
    """
    first = next_due(tx)
    if first is None:
        return
    # Read again in this transaction: work that was waited for may have set an earlier timer.
    until = first if clocks.skipped(tx.clock, first) else tx.now
    for timer in tx.all(Q.timer_due, until):
        tx.do(Q.timer_take, timer["instance"], timer["task"])
        row = tx.one(Q.instance_by_key, timer["instance"])
        if row is None:
            continue
        if timer["task"] == instances.SCHEDULED_START:
            tx.do(Q.inbox_defer, tx.as_of(timer["fire_at"]), row["key"])
            mailbox.wake(tx, row)
        else:
            _put_fired(tx, row, timer["task"], timer["fire_at"])
    entities.signal_due(tx, until)


def next_due(tx: Transaction) -> int | None:
    """When the next timer in the file is due, in microseconds."""
    due: int | None = tx.one(Q.timer_next)[0]
    return due


class Alarm:
    """Fires what is due, when it is due.

    What fell due within a skip is fired one moment after the other, each once the work that the one before it
    made is done: had the time really passed, it would have been. A worker that makes no progress holds this
    up for a few seconds only.
    """

    def __init__(self, store: Store, clock: clocks.Clock) -> None:
        self._store = store
        self._clock = clock
        self._wake = asyncio.Event()
        self._next: int | None = None
        self.idle = asyncio.Event()

    def no_later_than(self, at: int) -> None:
        """A timer was set for `at`."""
        if self._next is None or at < self._next:
            self._next = at
            self._wake.set()

    def look(self) -> None:
        """The clock was moved."""
        self._wake.set()

    async def serve(self) -> None:
        """Fire timers until cancelled."""
        while True:
            self._wake.clear()
            try:
                pause = await self._fire()
            except FullError:
                pause = _PAUSE_S
            except Exception:  # noqa: BLE001  # logged; a hub whose timers stopped would be worse
                _log.exception("Timers could not be fired; trying again.")
                pause = _PAUSE_S
            if pause > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)

    async def _fire(self) -> float:
        """Fire what is due; for how many seconds there is nothing more to do."""
        # Forgotten before the look: a timer that is set in the very transaction of the look, after it, must wake
        # this task, however early the one that was waited for so far.
        self._next = None
        self._next = due = await self._store.run(next_due)
        now = clocks.now(self._clock)
        if due is None:
            return _LONGEST_SLEEP_S
        if due > now:
            return min(_LONGEST_SLEEP_S, (due - now) / 1_000_000)
        if clocks.skipped(self._clock, due) and not self.idle.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.idle.wait(), _PATIENCE_S)
        await self._store.run(fire_due)
        return 0.0
