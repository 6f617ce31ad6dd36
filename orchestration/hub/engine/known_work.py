"""What workers are known to run, also those that have gone, and those of the last hub on the file."""

import json
from collections.abc import Iterable
from typing import Any, Final

from orchestration.hub.engine.workers import WorkName
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction, WorkItemKind

# For how long work waits for a worker that knew it and has gone, where another worker would fail it. A program that
# failed on Friday evening is back on the Tuesday after a long weekend; one that was taken away for good is not, and
# then somebody is told at last.
REMEMBERED: Final = 4 * clocks.DAY
# So many names are remembered, and the file keeps so many that are not longer than this: clients choose them.
MOST_NAMES: Final = 10_000
_MOST_KEPT: Final = 1_000
_LONGEST_KEPT: Final = 200


class KnownWork:
    """When a worker that ran something was last there, in memory; the caller has it written down now and then.

    What the last hub on the file wrote down counts as if that worker had been there at this hub's start: nobody can
    come to a hub that is not running.
    """

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._started = 0
        # In microseconds; what was there last is at the end.
        self._last_there: dict[WorkName, int] = {}

    def was_there(self, work: WorkName) -> None:
        """A worker that runs this is there, or was up to now."""
        self._last_there.pop(work, None)
        if len(self._last_there) >= MOST_NAMES:
            del self._last_there[next(iter(self._last_there))]
        self._last_there[work] = clocks.now(self._clock)

    def was_there_lately(self, work: WorkName) -> bool:
        """Whether a worker that runs this, or every version of it, was there not longer ago than REMEMBERED."""
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
        """What is to be written down while workers that run these are there. What is too old is left out."""
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
