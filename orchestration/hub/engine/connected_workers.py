"""The connected workers: which one gets the next work item, and whether another one may know how to run it."""

from collections.abc import Collection, Iterator
from typing import Final

from orchestration.hub.engine.known_work import MOST_NAMES, KnownWork
from orchestration.hub.engine.workers import ConnectedWorker, WorkName, work_name
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind

# Microseconds until the record of what workers run is written again, to show that they are still connected.
_WRITE_DOWN_AGAIN: Final = clocks.HOUR


class ConnectedWorkers:
    """The workers whose streams are open, and what those that have gone knew. Lives on the event loop."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._workers: list[ConnectedWorker] = []
        self._known = KnownWork(clock)
        self._written: frozenset[WorkName] = frozenset()
        self._written_at = 0
        self._to_write = False

    def __iter__(self) -> Iterator[ConnectedWorker]:
        return iter(list(self._workers))

    def __bool__(self) -> bool:
        return bool(self._workers)

    def add(self, worker: ConnectedWorker) -> None:
        """A worker has connected."""
        self._workers.append(worker)
        if not self._written.issuperset(worker.known()):
            self._to_write = True

    def remove(self, worker: ConnectedWorker) -> bool:
        """Remove a disconnected worker, but remember what it knew. Returns False where it was removed before."""
        if worker not in self._workers:
            return False
        self._workers.remove(worker)
        for work in worker.known():
            self._known.was_there(work)
        return True

    # What is kept in the file for the next hub.

    def recall(self, tx: Transaction) -> None:
        """Take over what the last hub on the file knew of its workers."""
        self._known.recall(tx)

    def look_at_record(self) -> None:
        """Have the record of the connected workers written again where it is an hour old."""
        if self._workers and clocks.now(self._clock) - self._written_at >= _WRITE_DOWN_AGAIN:
            self._to_write = True

    def unwritten(self) -> str | None:
        """The record to write to the file, or None where nothing is new and the last record is not old."""
        if not self._to_write:
            return None
        self._to_write, self._written_at = False, clocks.now(self._clock)
        self._written = frozenset(work for worker in self._workers for work in worker.known())
        return self._known.record(self._written)

    # What a worker's answer shows.

    def note_completed(self, worker: ConnectedWorker | None, work: WorkName) -> None:
        """Note that the worker has completed such work. None stands for a worker that has disconnected."""
        if worker is None:
            self._known.was_there(work)
            return
        worker.lacks.discard(work)
        if len(worker.completed) < MOST_NAMES:
            worker.completed.add(work)
            self._to_write = self._to_write or (work not in self._written and not worker.announced(work))

    def note_lacking(self, worker: ConnectedWorker | None, work: WorkName) -> bool:
        """Note that the worker has not registered this; returns whether another worker may have.

        None stands for a worker that has disconnected. From then on the worker gets such work only if no other may know
        it.
        """
        if worker is not None and len(worker.lacks) >= MOST_NAMES:
            return False  # it could not be noted, so the worker would get such work again and again
        if worker is not None:
            worker.lacks.add(work)
        return self._others_may_know(worker, work)

    def _others_may_know(self, worker: ConnectedWorker | None, work: WorkName) -> bool:
        """Whether another worker may know this: one that is connected, or one that knew it and was connected lately."""
        if any(
            other is not worker and other.accepts_work(work) and work not in other.lacks
            for other in self._workers
        ):
            return True
        return self._known.was_there_lately(work)

    # Who gets work.

    def with_room(self, kind: WorkItemKind) -> list[ConnectedWorker]:
        """Those workers that take one more work item of this kind."""
        return [
            worker
            for worker in self._workers
            if worker.free(kind) > 0 and not worker.silent and not worker.full.is_set()
        ]

    def least_busy_for(self, ready: ReadyWork) -> ConnectedWorker | None:
        """The worker that should get this work, or None where no one has room and takes it."""
        return self.least_busy(self.with_room(ready.kind), work_name(ready))

    def others_accept(self, work: WorkName, left: Collection[ConnectedWorker]) -> bool:
        """Whether a worker that is none of these may take this."""
        return any(worker not in left and self._takes(worker, work) for worker in self._workers)

    def least_busy(
        self,
        candidates: list[ConnectedWorker],
        work: WorkName,
        left: Collection[ConnectedWorker] = frozenset(),
    ) -> ConnectedWorker | None:
        """The candidate that should get this work, or None where no one takes it.

        Those that have `left` this item, as one of a version that they do not serve, come after all who have not.

        Where one announced that it knows this, one that never showed that it does comes after all who did. A stalled
        worker holds nothing any more and so looks idle: it comes after all others. If it does not even read what it
        was sent, it gets nothing, because more would only pile up in the hub.
        """
        fitting = [
            worker
            for worker in candidates
            if self._takes(worker, work) and not (worker.stalled and worker.stream.blocked)
        ]
        if any(worker.announced(work) and not worker.stalled for worker in fitting):
            fitting = [worker for worker in fitting if worker.knows(work)]
        return max(
            fitting, key=lambda one: (not one.stalled, one not in left, one.free(work.kind)), default=None
        )

    def _takes(self, worker: ConnectedWorker, work: WorkName) -> bool:
        if not worker.accepts_work(work):
            return False
        return work not in worker.lacks or not self._others_may_know(worker, work)
