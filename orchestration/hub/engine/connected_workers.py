"""The connected workers: which one gets the next work item, and who else may know what one of them does not."""

from collections.abc import Iterator
from typing import Final

from orchestration.hub.engine.workers import ConnectedWorker, WorkName, work_name
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind

# For how long work waits for a worker that knew it and has gone, where another worker would fail it. A program that
# failed on Friday evening is back on the Tuesday after a long weekend; one that was taken away for good is not, and
# then somebody is told at last.
REMEMBERED: Final = 4 * clocks.DAY
# So many names are remembered of workers that have gone, and so many of each worker: clients choose the names.
_MOST_NAMES: Final = 10_000


class ConnectedWorkers:
    """The workers whose streams are open, and what those that have gone knew. Lives on the event loop."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._workers: list[ConnectedWorker] = []
        # When a worker that knew this was last there, in microseconds; those that left last are at the end.
        self._last_there: dict[WorkName, int] = {}

    def __iter__(self) -> Iterator[ConnectedWorker]:
        return iter(list(self._workers))

    def __bool__(self) -> bool:
        return bool(self._workers)

    def add(self, worker: ConnectedWorker) -> None:
        """A worker has connected."""
        self._workers.append(worker)

    def remove(self, worker: ConnectedWorker) -> bool:
        """The worker has gone; returns False where it had before. What it knew is remembered."""
        if worker not in self._workers:
            return False
        self._workers.remove(worker)
        for work in worker.known():
            if work not in worker.lacks:
                self._remember(work)
        return True

    def _remember(self, work: WorkName) -> None:
        self._last_there.pop(work, None)
        if len(self._last_there) >= _MOST_NAMES:
            del self._last_there[next(iter(self._last_there))]
        self._last_there[work] = clocks.now(self._clock)

    # What a worker's answer shows.

    def note_completed(self, worker: ConnectedWorker | None, work: WorkName) -> None:
        """The worker, or where it is None one that has gone, has completed such work."""
        if worker is None:
            self._remember(work)
            return
        worker.lacks.discard(work)
        if len(worker.completed) < _MOST_NAMES:
            worker.completed.add(work)

    def note_lacking(self, worker: ConnectedWorker | None, work: WorkName) -> bool:
        """The worker, or where it is None one that has gone, has not registered this; returns whether another may have.

        From then on it gets such work only if no other may know it.
        """
        if worker is not None and len(worker.lacks) >= _MOST_NAMES:
            return False  # it could not be noted, and so would get the same work again and again
        if worker is not None:
            worker.lacks.add(work)
        return self._others_may_know(worker, work)

    def _others_may_know(self, worker: ConnectedWorker | None, work: WorkName) -> bool:
        """Whether another worker knows this, or has not been asked, or one that knew it was there lately."""
        if any(
            other is not worker and other.accepts_work(work) and work not in other.lacks
            for other in self._workers
        ):
            return True
        times = (self._last_there.get(work), self._last_there.get(work._replace(version=None)))
        return any(at is not None and clocks.now(self._clock) - at < REMEMBERED for at in times)

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

    def least_busy(self, candidates: list[ConnectedWorker], work: WorkName) -> ConnectedWorker | None:
        """The candidate that should get this work, or None where no one takes it.

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
        return max(fitting, key=lambda one: (not one.stalled, one.free(work.kind)), default=None)

    def _takes(self, worker: ConnectedWorker, work: WorkName) -> bool:
        if not worker.accepts_work(work):
            return False
        return work not in worker.lacks or not self._others_may_know(worker, work)
