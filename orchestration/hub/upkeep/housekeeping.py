"""What has ended is kept for a while and then forgotten: a little at a time, so that nobody waits for it."""

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
from orchestration.hub.errors import FullError
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Store, Transaction

_log: Final = logging.getLogger(__name__)

RETENTION: Final = timedelta(days=400)
_LONGEST_DAYS: Final = 36_500

# Rows that one step looks at or deletes: about two milliseconds, of which an event waits for at most one.
_ROWS: Final = 160
# The hub's own time between two steps: housekeeping is to take a tenth of it at most.
_PAUSE_S: Final = 0.02
_IDLE_S: Final = 60.0
_SWEEP_S: Final = 3600.0


def parse_retention(text: str) -> timedelta:
    """How long to keep what has ended, written as whole days: `400d`. Raises ValueError with what is wrong."""
    match = re.fullmatch(r"([0-9]{1,6})d", text.strip())
    if match is None or not 1 <= int(match[1]) <= _LONGEST_DAYS:
        raise ValueError(f"{text!r} is not a number of days from 1d to {_LONGEST_DAYS}d, such as 400d.")
    return timedelta(days=int(match[1]))


class Place(NamedTuple):
    """How far a sweep has come.

    `at` and `id` are of the last ended instance it looked at. `path` leads to what is being forgotten: an
    instance, one of its sub-orchestrations, and so on; each key with that of the last child looked at.
    """

    at: int = -1
    id: str = ""
    path: tuple[tuple[int, int], ...] = ()


def step(tx: Transaction, until: int, place: Place) -> tuple[Place, bool]:
    """Forget a bounded part of what had ended by `until`, oldest first; the new place, and whether more remains.

    A sub-orchestration goes with its parent, children first, and is kept for as long as the parent is: unless
    the execution that started it is over, for an orchestration that continues as new for ever would otherwise
    keep all that it ever started. What has not ended, or ended later, is never touched.
    """
    at, instance_id, path = place.at, place.id, list(place.path)
    rows = 0
    while rows < _ROWS:
        if path:
            rows += _descend(tx, until, path)
            continue
        row = tx.one(Q.expired_next, until, at, instance_id)
        if row is None:
            return Place(at, instance_id), tx.do(Q.expired_entities, until) > 0
        at, instance_id = row["completed_at"], row["id"]
        kept, looked = _kept_by_parent(tx, row, until)
        rows += looked
        if not kept:
            path.append((row["key"], 0))
    return Place(at, instance_id, tuple(path)), True


def _descend(tx: Transaction, until: int, path: list[tuple[int, int]]) -> int:
    """Go on to the next child of the path's last instance, or forget that one; how many rows were touched."""
    key, last = path.pop()
    child = tx.one(Q.expired_child, key, last)
    if child is not None:
        path.append((key, child["key"]))
        if child["completed_at"] is not None and child["completed_at"] <= until:
            path.append((child["key"], 0))
        return 1
    # Looked at again: between two steps it may have been purged, or rewound and be running.
    row = tx.one(Q.expired_look, key)
    if row is None or row["completed_at"] is None or row["completed_at"] > until:
        return 1
    return endings.forget(tx, key)


def _kept_by_parent(tx: Transaction, row: sqlite3.Row, until: int) -> tuple[bool, int]:
    """Whether an ancestor for which this one was started is itself to be kept; how many rows were looked at."""
    looked = 1
    while row["parent"] is not None:
        looked += 1
        parent = tx.one(Q.expired_look, row["parent"])
        if parent is None or parent["execution"] != row["parent_execution"]:
            break
        if parent["completed_at"] is None or parent["completed_at"] > until:
            return True, looked
        row = parent
    return False, looked


class Housekeeper:
    """Forgets, by the hub's clock, what ended longer ago than `retention`; idle while there is none."""

    def __init__(self, store: Store, clock: clocks.Clock, retention: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention // timedelta(microseconds=1)
        self._place = Place()
        self._began = time.monotonic()
        self._wake = asyncio.Event()

    def look(self) -> None:
        """The clock was moved."""
        self._wake.set()

    async def serve(self) -> None:
        """Keep house until cancelled."""
        while True:
            # From the beginning now and again: what a parent kept may since have lost it, and what ends
            # within a skipped stretch ends behind the place that the sweep had come to.
            if self._wake.is_set() or time.monotonic() - self._began > _SWEEP_S:
                self._wake.clear()
                self._place, self._began = Place(), time.monotonic()
            try:
                more = await self._step()
            except FullError:
                more = False
            except Exception:  # noqa: BLE001  # logged; the hub goes on, and so will this
                _log.exception("Housekeeping failed; it is tried again.")
                more = False
            if more:
                await asyncio.sleep(_PAUSE_S)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _IDLE_S)

    async def _step(self) -> bool:
        until = clocks.now(self._clock) - self._retention
        # The place moves once the step is on disk, never before.
        self._place, more = await self._store.run(partial(step, until=until, place=self._place))
        return more
