"""The connected workers: what each accepts, what it holds, and which one gets the next work item."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind
from orchestration.hub.transport import rpc

# How many work items of a kind a worker holds that does not say how many it takes.
_DEFAULT_CAPACITY: Final = 100

# Bytes of work items that a worker has not taken yet. With more, it gets none until it has: they would wait in the
# hub's memory, and another worker could do them. One work item may have as many.
_UNTAKEN: Final = 4 * 1024 * 1024
# Seconds between looks at a socket that is not read.
_SOCKET_S: Final = 0.005

# A worker is asked for a sign of life at each look, and is silent where none has come at so many looks in a row. Looks
# are counted, not time: a hub that stood still itself must not take its workers for silent.
LOOKS: Final = 4

# Of one kind of work: the names that a worker takes, each with its versions. No versions means every version.
_Filters = dict[WorkItemKind, dict[str, frozenset[str]]]


@dataclass(slots=True, eq=False)
class ConnectedWorker:
    """One worker's stream: its capacity, what it accepts, and the tokens of the work items that it holds.

    It is `stalled` from when it held something for too long until it completes something again. `lost` are the tokens
    of what it held when it went `silent`. It is `full` while it has not taken what it was sent. `dismissed` is set when
    the hub wants the stream to end.
    """

    capacity: dict[WorkItemKind, int]
    accepts: _Filters | None
    stream: rpc.ResponseStream
    dismissed: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: dict[WorkItemKind, set[str]] = field(
        default_factory=lambda: {kind: set() for kind in WorkItemKind}
    )
    stalled: bool = False
    silent: bool = False
    lost: list[str] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: int = -1
    _missed: int = 0

    def send(self, item: bytes) -> None:
        """Send it a work item."""
        self.stream.send(item)
        if self.stream.waiting > _UNTAKEN:
            self.full.set()

    async def has_room(self) -> None:
        """Return once it has been `full` and has taken what it was sent."""
        await self.full.wait()
        while self.stream.waiting > _UNTAKEN:
            await (self.stream.drain() if self.stream.blocked else asyncio.sleep(_SOCKET_S))
        self.full.clear()

    def look(self) -> bool:
        """Ask for a sign of life, unless one is still owed; returns whether one came at one of the last looks."""
        heard = self.stream.heard
        if heard == self._heard:
            self._missed += 1
        else:
            self._heard, self._missed = heard, 0
            self.stream.ping()
        return self._missed < LOOKS

    def free(self, kind: WorkItemKind) -> int:
        """How many more work items of this kind it takes."""
        return self.capacity[kind] - len(self.tokens[kind])

    def takes(self, kind: WorkItemKind, name: str, version: str | None) -> bool:
        """Whether its filters accept this. A worker without filters takes everything."""
        if self.accepts is None:
            return True
        versions = self.accepts[kind].get(name)
        return versions is not None and (not versions or (version or "") in versions)


def connected(request: pb.GetWorkItemsRequest, stream: rpc.ResponseStream) -> ConnectedWorker:
    """The worker that sent this request; its work items are written to `stream`."""
    turns = request.maxConcurrentOrchestrationWorkItems
    capacity = {
        WorkItemKind.TURN: turns or _DEFAULT_CAPACITY,
        WorkItemKind.ACTIVITY: request.maxConcurrentActivityWorkItems or _DEFAULT_CAPACITY,
        WorkItemKind.ENTITY: request.maxConcurrentEntityWorkItems or turns or _DEFAULT_CAPACITY,
    }
    return ConnectedWorker(capacity, _filters(request), stream)


def with_room(workers: Iterable[ConnectedWorker], kind: WorkItemKind) -> list[ConnectedWorker]:
    """Those workers that take one more work item of this kind."""
    return [
        worker
        for worker in workers
        if worker.free(kind) > 0 and not worker.silent and not worker.full.is_set()
    ]


def least_busy(
    candidates: list[ConnectedWorker], kind: WorkItemKind, name: str, version: str | None
) -> ConnectedWorker | None:
    """The candidate that should get work of this kind, name and version, or None where no one takes it.

    A stalled worker holds nothing any more and so looks idle: it comes after all others. If it does not even
    read what it was sent, it gets nothing, because more would only pile up in the hub.
    """
    fitting = [
        worker
        for worker in candidates
        if worker.takes(kind, name, version) and not (worker.stalled and worker.stream.blocked)
    ]
    return max(fitting, key=lambda one: (not one.stalled, one.free(kind)), default=None)


def least_busy_for(workers: Iterable[ConnectedWorker], ready: ReadyWork) -> ConnectedWorker | None:
    """The worker that should get this work, or None where no one has room and takes it."""
    return least_busy(with_room(workers, ready.kind), ready.kind, ready.name, ready.version)


def _filters(request: pb.GetWorkItemsRequest) -> _Filters | None:
    if not request.HasField("workItemFilters"):
        return None
    filters = request.workItemFilters
    out: _Filters = {kind: {} for kind in WorkItemKind}
    for kind, listed in (
        (WorkItemKind.TURN, filters.orchestrations),
        (WorkItemKind.ACTIVITY, filters.activities),
    ):
        for one in listed:
            before = out[kind].get(one.name)
            # A name listed once without versions takes every version, whatever else is listed.
            every = not one.versions or (before is not None and not before)
            out[kind][one.name] = frozenset() if every else frozenset(one.versions) | (before or frozenset())
    out[WorkItemKind.ENTITY] = {one.name: frozenset() for one in filters.entities}
    return out
