"""What workers are known to run, including disconnected workers and those of the last hub on the file."""

import json
from collections.abc import Iterable
from typing import Any, Final

from orchestration.hub.engine.workers import WorkName
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction, WorkItemKind

# How long work waits for the return of a worker that knew it, before another worker gets it and fails it. Four days are
# enough for a program that failed on a Friday evening to be back after a long weekend. If the program was removed for
# good, the failure tells somebody at last.
REMEMBERED: Final = 4 * clocks.DAY
# How many names are kept in memory, how many in the file, and how many characters those in the file may have. Clients
# choose the names, so there must be limits.
MOST_NAMES: Final = 10_000
_MOST_KEPT: Final = 1_000
_LONGEST_KEPT: Final = 200


class KnownWork:
    """When a worker that runs each work was last connected. Kept in memory; the caller writes the record to the file.

    A worker in the last hub's record counts as connected at this hub's start: while no hub ran, it could not connect.
    """

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._started = 0
        # In microseconds, the latest at the end.
        self._last_there: dict[WorkName, int] = {}

    def was_there(self, work: WorkName) -> None:
        """Note that a worker that runs this is connected, or was until now."""
        self._last_there.pop(work, None)
        if len(self._last_there) >= MOST_NAMES:
            del self._last_there[next(iter(self._last_there))]
        self._last_there[work] = clocks.now(self._clock)

    def was_there_lately(self, work: WorkName) -> bool:
        """Whether a worker that runs this, or every version of it, was connected less than REMEMBERED ago."""
        times = (self._last_there.get(work), self._last_there.get(work._replace(version=None)))
        return any(at is not None and self._age(max(at, self._started)) < REMEMBERED for at in times)

    def _age(self, at: int) -> int:
        return clocks.now(self._clock) - at

    def recall(self, tx: Transaction) -> None:
        """Take over what the last hub on the file wrote down."""
        row = tx.one(Q.known_work_get)
        self._started = tx.now
        for kind, name, version, at in json.loads(row["record"]) if row is not None else ():
            self._last_there[WorkName(WorkItemKind(kind), name, version)] = at

    def record(self, there: Iterable[WorkName]) -> str:
        """The record for the file while workers that run these are connected. Entries that are too old are left out."""
        for work in there:
            self.was_there(work)
        kept: list[tuple[Any, ...]] = [
            (*work, at)
            for work, at in reversed(self._last_there.items())
            if self._age(at) < REMEMBERED and len(f"{work.name}{work.version}") <= _LONGEST_KEPT
        ]
        return json.dumps(kept[:_MOST_KEPT][::-1])


def write_down(tx: Transaction, record: str) -> None:
    """Keep the record in the file."""
    tx.do(Q.known_work_put, record)
