"""A connected worker: what it accepts, what it knows, what it holds, and whether it is alive."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind
from orchestration.hub.transport import rpc

# How many work items of one kind a worker may hold if it does not say how many it takes.
_DEFAULT_CAPACITY: Final = 100

# Bytes. A worker that has not read this much of what it was sent gets no more work until it has: the items would wait
# in the hub's memory while another worker could do them. One work item may be as large.
_UNTAKEN: Final = 4 * 1024 * 1024
# Seconds between looks at a socket that is not read.
_SOCKET_S: Final = 0.005

# At each look a worker is asked for a sign of life. It is silent if none came at this many looks in a row. Looks are
# counted, not time: if the hub itself stood still, its workers must not count as silent.
LOOKS: Final = 4

# For each kind of work: the names that a worker takes, each with its versions. No versions means every version.
_Filters = dict[WorkItemKind, dict[str, frozenset[str]]]


class WorkName(NamedTuple):
    """An orchestration, activity or entity as workers register it. `version` is None for every version."""

    kind: WorkItemKind
    name: str
    version: str | None


def work_name(ready: ReadyWork) -> WorkName:
    """What a worker has to have registered for this. Entities are named without regard to case, as the SDKs do."""
    name = ready.name.lower() if ready.kind is WorkItemKind.ENTITY else ready.name
    return WorkName(ready.kind, name, ready.version or "")


@dataclass(slots=True, eq=False)
class ConnectedWorker:
    """One worker's stream: its capacity, what it accepts, and the tokens of the work items that it holds.

    It is `stalled` from when it held something for too long until it completes something again. `lost` are the tokens
    of what it held when it went `silent`. It is `full` while it has not taken what it was sent. `dismissed` is set when
    the hub wants the stream to end. `completed` is what it has completed work of, and `lacks` is what it said that it
    has not registered.
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
    completed: set[WorkName] = field(default_factory=set)
    lacks: set[WorkName] = field(default_factory=set)
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

    def all_tokens(self) -> list[str]:
        """The tokens of all that it holds."""
        return [token for tokens in self.tokens.values() for token in tokens]

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

    def announced(self, work: WorkName) -> bool:
        """Whether its filters name this work."""
        versions = self.accepts[work.kind].get(work.name) if self.accepts is not None else None
        return versions is not None and (not versions or work.version in versions)

    def accepts_work(self, work: WorkName) -> bool:
        """Whether its filters accept this. A worker without filters accepts everything."""
        return self.accepts is None or self.announced(work)

    def knows(self, work: WorkName) -> bool:
        """Whether it has shown that it runs this: by its filters, or by work that it completed."""
        return work not in self.lacks and (self.announced(work) or work in self.completed)

    def known(self) -> Iterator[WorkName]:
        """What it has shown that it runs."""
        for kind, names in (self.accepts or {}).items():
            for name, versions in names.items():
                yield from {WorkName(kind, name, version) for version in versions or (None,)} - self.lacks
        yield from self.completed - self.lacks


def connected(request: pb.GetWorkItemsRequest, stream: rpc.ResponseStream) -> ConnectedWorker:
    """The worker that sent this request; its work items are written to `stream`."""
    turns = request.maxConcurrentOrchestrationWorkItems
    capacity = {
        WorkItemKind.TURN: turns or _DEFAULT_CAPACITY,
        WorkItemKind.ACTIVITY: request.maxConcurrentActivityWorkItems or _DEFAULT_CAPACITY,
        WorkItemKind.ENTITY: request.maxConcurrentEntityWorkItems or turns or _DEFAULT_CAPACITY,
    }
    return ConnectedWorker(capacity, _filters(request), stream)


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
    out[WorkItemKind.ENTITY] = {one.name.lower(): frozenset() for one in filters.entities}
    return out
