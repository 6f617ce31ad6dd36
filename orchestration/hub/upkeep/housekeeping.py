"""Housekeeping, in small steps, so that calls need not wait: deletes what ended long ago, and packs the rest."""

import asyncio
import contextlib
import logging
import re
import sqlite3
import time
from datetime import timedelta
from functools import partial
from typing import Final, NamedTuple

from orchestration.hub.engine import endings
from orchestration.hub.errors import FullError, LockedError
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction
from orchestration.hub.upkeep.history_packer import HistoryPacker

_log: Final = logging.getLogger(__name__)

RETENTION: Final = timedelta(days=400)
_LONGEST_DAYS: Final = 36_500

# Rows that one step reads or deletes: about 2 ms of work. An event waits for one step at most.
_ROWS: Final = 160
# Between two steps, so that housekeeping takes at most a tenth of the hub's time.
_PAUSE_S: Final = 0.02
_IDLE_S: Final = 60.0
_SWEEP_S: Final = 3600.0


def parse_retention(text: str) -> timedelta:
    """The retention in a text such as `400d` (whole days). Raises ValueError with a sentence for the user."""
    match = re.fullmatch(r"([0-9]{1,6})d", text.strip())
    if match is None or not 1 <= int(match[1]) <= _LONGEST_DAYS:
        raise ValueError(f"{text!r} is not a number of days from 1d to {_LONGEST_DAYS}d, such as 400d.")
    return timedelta(days=int(match[1]))


class SweepPosition(NamedTuple):
    """How far a sweep through all ended instances has come.

    `at` and `id` are those of the last ended instance that it has read. `path` leads to what is being deleted: an
    instance, one of its sub-orchestrations, and so on, each key with the key of the last child that was read.
    """

    at: int = -1
    id: str = ""
    path: tuple[tuple[int, int], ...] = ()


def step(tx: Transaction, until: int, position: SweepPosition) -> tuple[SweepPosition, bool]:
    """Delete a limited part of what ended by `until` (microseconds), oldest first.

    Returns the new position, and whether more remains. A sub-orchestration is kept for as long as its parent, and
    is deleted with it, children first. The exception is a sub-orchestration of an earlier execution of its parent:
    otherwise an orchestration that continues as new for ever would keep everything that it ever started. What has
    not ended, or ended later, is never touched.
    """
    at, instance_id, path = position.at, position.id, list(position.path)
    rows = 0
    while rows < _ROWS:
        if path:
            rows += _descend(tx, until, path)
            continue
        row = tx.one(Q.expired_next, until, at, instance_id)
        if row is None:
            return SweepPosition(at, instance_id), tx.do(Q.expired_entities, until) > 0
        at, instance_id = row["completed_at"], row["id"]
        kept, looked = _kept_by_parent(tx, row, until)
        rows += looked
        if not kept:
            path.append((row["key"], 0))
    return SweepPosition(at, instance_id, tuple(path)), True


def _descend(tx: Transaction, until: int, path: list[tuple[int, int]]) -> int:
    """Go on to the next child of the last instance in the path, or delete that instance; returns the rows touched."""
    key, last = path.pop()
    child = tx.one(Q.expired_child, key, last)
    if child is not None:
        path.append((key, child["key"]))
        if child["completed_at"] is not None and child["completed_at"] <= until:
            path.append((child["key"], 0))
        return 1
    # Read again: between two steps it may have been purged, or rewound so that it is running.
    row = tx.one(Q.expired_by_key, key)
    if row is None or row["completed_at"] is None or row["completed_at"] > until:
        return 1
    return endings.delete(tx, key)


def _kept_by_parent(tx: Transaction, row: sqlite3.Row, until: int) -> tuple[bool, int]:
    """Whether an instance is kept because of an ancestor that is kept; and how many rows were read."""
    looked = 1
    while row["parent"] is not None:
        looked += 1
        parent = tx.one(Q.expired_by_key, row["parent"])
        if parent is None or parent["execution"] != row["parent_execution"]:
            break
        if parent["completed_at"] is None or parent["completed_at"] > until:
            return True, looked
        row = parent
    return False, looked


def _ended_between(tx: Transaction, since: int, until: int) -> int:
    count: int = tx.one(Q.expired_between, since, until)[0] if since < until else 0
    return count


class Housekeeper:
    """Deletes what ended longer ago than `retention` by the hub's clock, and packs the rest; idle while all is done.

    What became so old only by a jump of the clock, or by a shorter retention, is kept for another day. The log and
    `warnings` say that it is going to be deleted.
    """

    def __init__(self, store: GroupCommitStore, clock: clocks.Clock, retention: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention // timedelta(microseconds=1)
        self._packer = HistoryPacker(store, clock)
        self._position = SweepPosition()
        self._began = time.monotonic()
        self._wake = asyncio.Event()
        self._spared = 0

    def clock_moved(self) -> None:
        """Sweep again from the beginning, because the clock was moved."""
        self._wake.set()

    async def serve(self) -> None:
        """Delete what expires, until cancelled."""
        while True:
            # Begin again once an hour, because the parent that kept an instance may be deleted since, and when the
            # clock was moved, because what ends within a skip is behind the position of the sweep.
            if self._wake.is_set() or time.monotonic() - self._began > _SWEEP_S:
                self._wake.clear()
                self._position, self._began = SweepPosition(), time.monotonic()
                self._packer.begin_again()
            try:
                more = await self._step()
                more = await self._packer.step() or more
            except (FullError, LockedError):
                more = False
            except Exception:  # noqa: BLE001  # logged; the hub goes on, and so does this task
                _log.exception("Housekeeping failed; it is tried again.")
                more = False
            if more:
                await asyncio.sleep(_PAUSE_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):  # not `wait_for`: see `TimerLoop.serve`
                    await self._wake.wait()

    def warnings(self) -> list[str]:
        """A warning about instances that are going to be deleted all at once; usually none."""
        return [f"retention: {self._announcement()}"] if self._spared else []

    def _announcement(self) -> str:
        left = timedelta(seconds=clocks.delayed_for(self._clock) // clocks.SECOND)
        return (
            f"{self._spared:,} ended instances became old enough to delete at once: the clock jumped, or the "
            f"retention is shorter than before. They are deleted when the hub has run for another {left}. To keep "
            "them, restart with the clock set right or a longer retention."
        )

    async def _step(self) -> bool:
        expired = clocks.now(self._clock) - self._retention
        until = expired - clocks.delayed(self._clock)
        before = self._spared
        self._spared = await self._store.run(partial(_ended_between, since=until, until=expired))
        if self._spared > before:
            _log.warning("%s", self._announcement())
        # The position moves only once the step is on disk.
        self._position, more = await self._store.run(partial(step, until=until, position=self._position))
        return more
