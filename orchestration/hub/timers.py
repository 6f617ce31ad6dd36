"""Durable timers: an index in the file, and one task that sleeps until its first entry."""

import asyncio
import logging
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import clock as clocks
from orchestration.hub import entities, instances, mailbox, wire
from orchestration.hub.errors import FullError
from orchestration.hub.sql import Q
from orchestration.hub.store import Store, Transaction

_log: Final = logging.getLogger(__name__)

# A machine's clock can be set; nobody announces it. Nor is there a need to wake for nothing more often than
# this.
_LONGEST_SLEEP_S: Final = 30.0
_PAUSE_S: Final = 1.0


def add(tx: Transaction, row: Any, task: int, fire_at: int) -> None:
    """Set a timer of the instance of this row; one that is due fires in this same transaction."""
    if fire_at <= tx.now:
        _put_fired(tx, row, task, fire_at)
    else:
        tx.do(Q.timer_add, row["key"], task, fire_at)
        tx.alarm(fire_at)


def _put_fired(tx: Transaction, row: Any, task: int, fire_at: int) -> None:
    at = tx.as_of(fire_at)
    fired = pb.TimerFiredEvent(fireAt=wire.stamp(fire_at), timerId=task)
    mailbox.put_bound(tx, row, row["execution"], at, wire.event(at, timerFired=fired))


def fire_due(tx: Transaction) -> int:
    """Fire what is due, in its order, up to a batch; how many were fired."""
    due = tx.all(Q.timer_due, tx.now)
    for timer in due:
        tx.do(Q.timer_take, timer["instance"], timer["task"])
        row = tx.one(Q.instance_by_key, timer["instance"])
        if row is None:
            continue
        if timer["task"] == instances.SCHEDULED_START:
            mailbox.wake(tx, row)
        else:
            _put_fired(tx, row, timer["task"], timer["fire_at"])
    return len(due) + entities.signal_due(tx)


def next_due(tx: Transaction) -> int | None:
    """When the next timer in the file is due, in microseconds."""
    due: int | None = tx.one(Q.timer_next)[0]
    return due


class Alarm:
    """Fires what is due, when it is due."""

    def __init__(self, store: Store, clock: clocks.Clock) -> None:
        self._store = store
        self._clock = clock
        self._wake = asyncio.Event()
        self._next: int | None = None

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
                self._next = await self._store.run(next_due)
                if self._next is not None and self._next <= clocks.now(self._clock):
                    await self._store.run(fire_due)
                    continue
                pause = _LONGEST_SLEEP_S
                if self._next is not None:
                    pause = min(pause, (self._next - clocks.now(self._clock)) / 1_000_000)
            except FullError:
                pause = _PAUSE_S
            except Exception:  # noqa: BLE001  # logged; a hub whose timers stopped would be worse
                _log.exception("Timers could not be fired; trying again.")
                pause = _PAUSE_S
            try:
                await asyncio.wait_for(self._wake.wait(), max(pause, 0))
            except TimeoutError:
                continue
