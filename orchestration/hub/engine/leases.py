"""What was dispatched: under which completion token, to which worker, and until when it may be held.

A completion token names one dispatch of one work item. It stays valid until the work is completed or dispatched
again, and after that if the second worker had not registered it. So a worker that is shutting down may still hand in
what it finished after its stream has ended.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from orchestration.hub.engine.entity_batches import EntityBatch
from orchestration.hub.engine.turns import Turn
from orchestration.hub.engine.work_queue import WorkKey
from orchestration.hub.engine.workers import ConnectedWorker
from orchestration.hub.errors import StaleError
from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind

# An item that was abandoned (the SDK's worker abandons versions it does not serve) is offered to the other workers, and
# again to those that have left it after a pause that doubles. Otherwise it would go back and forth between the hub and
# a worker that never takes it.
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(slots=True)
class Lease:
    """A work item that was dispatched, until it is completed or dispatched again.

    `worker` is None once the worker has disconnected, went silent, or held the item for too long. `expires` is in
    seconds of `time.monotonic`. `work` is what the completion is applied to; for an activity it is the key. `lacking`
    is set if the worker said that it has not registered this. `handed_in` is set while the answer waits to be written:
    then no worker gets the item, even if its worker disconnects. `replaced` is the lease before this one, with its
    token.
    """

    ready: ReadyWork
    worker: ConnectedWorker | None
    expires: float
    work: Turn | EntityBatch | int
    lacking: bool = False
    handed_in: bool = False
    replaced: "tuple[str, Lease] | None" = None


class Leases:
    """The leases by their tokens; a work item has one at most. It is true where there are any."""

    def __init__(self) -> None:
        # Makes tokens differ from those that earlier hubs on this file have given.
        self._run = secrets.token_hex(8)
        self._given = 0
        self._leases: dict[str, Lease] = {}
        self._token_of: dict[WorkKey, str] = {}
        self._paused: dict[WorkKey, float] = {}
        self._left_by: dict[WorkKey, frozenset[ConnectedWorker]] = {}

    def __bool__(self) -> bool:
        return bool(self._leases)

    def held(self) -> Counter[WorkItemKind]:
        """How many items of each kind a worker holds."""
        return Counter(lease.ready.kind for lease in self._leases.values() if lease.worker is not None)

    def new_token(self) -> str:
        """A token that no lease has had."""
        self._given += 1
        return f"{self._run}-{self._given}"

    def get(self, token: str) -> Lease | None:
        """The lease of this token, if there is one."""
        return self._leases.get(token)

    def find(self, token: str, kind: WorkItemKind) -> Lease:
        """The lease of this token.

        Raises StaleError where its work was handed in, dispatched again, completed, or never given.
        """
        lease = self._leases.get(token)
        if lease is None or lease.handed_in or lease.ready.kind is not kind:
            raise StaleError(
                "This completion token is no longer valid: the work was completed, or dispatched again."
            )
        return lease

    def token_of(self, item: WorkKey) -> str | None:
        """The token under which this item was dispatched last, while it is valid."""
        return self._token_of.get(item)

    def is_held(self, item: WorkKey) -> bool:
        """Whether a worker has this item, or has handed it in."""
        token = self._token_of.get(item)
        if token is None:
            return False
        lease = self._leases[token]
        return lease.handed_in or lease.worker is not None

    def add(self, token: str, lease: Lease, worker: ConnectedWorker) -> None:
        """Add the lease of an item that was dispatched to this worker. The item's last token is not valid any more."""
        item = (lease.ready.kind, lease.ready.key)
        before = self._token_of.get(item)
        if before is not None:
            replaced = self._leases.pop(before, None)
            if replaced is not None:
                replaced.replaced = None
                lease.replaced = before, replaced
        self._leases[token] = lease
        self._token_of[item] = token
        worker.tokens[lease.ready.kind].add(token)

    def end(self, token: str) -> None:
        """Remove a lease: its work is completed, or was never needed. Its worker has room again."""
        lease = self._leases.pop(token, None)
        if lease is None:
            return
        item = (lease.ready.kind, lease.ready.key)
        if self._token_of.get(item) == token:
            del self._token_of[item]
        self._paused.pop(item, None)
        self._left_by.pop(item, None)
        if lease.worker is not None:
            lease.worker.tokens[lease.ready.kind].discard(token)
            lease.worker.stalled = False

    def take_back(self, token: str) -> None:
        """End a lease that went to the wrong worker. A disconnected worker that had the item may still hand it in."""
        lease = self._leases[token]
        self.end(token)
        if lease.replaced is not None:
            before, replaced = lease.replaced
            self._leases[before] = replaced
            self._token_of[lease.ready.kind, lease.ready.key] = before

    def pause(self, item: WorkKey) -> float:
        """For how many seconds this item is to wait now: longer each time, until it is completed."""
        pause = min(self._paused.get(item, _FIRST_PAUSE_S / 2) * 2, _LONGEST_PAUSE_S)
        self._paused[item] = pause
        return pause

    def left_by(self, item: WorkKey) -> frozenset[ConnectedWorker]:
        """The workers that have abandoned this item since it was completed last."""
        return self._left_by.get(item, frozenset())

    def abandon(self, token: str, kind: WorkItemKind, others: Callable[[], bool]) -> float:
        """End a lease whose work is to be dispatched again; returns after how many seconds. Raises StaleError.

        `others`, asked once the lease has ended, says whether a worker may take it that has not left it: at once, then.
        """
        lease = self.find(token, kind)
        item = (kind, lease.ready.key)
        before, paused = self.left_by(item), self._paused.get(item)
        self.end(token)
        self._left_by[item] = before | ({lease.worker} if lease.worker is not None else set())
        if paused is not None:
            self._paused[item] = paused
        return 0.0 if lease.worker not in before and others() else self.pause(item)

    def late(self, now: float) -> Iterable[tuple[str, Lease]]:
        """The leases that have run out by `now` and whose items a worker still has."""
        return [
            (token, lease)
            for token, lease in self._leases.items()
            if lease.worker is not None and not lease.handed_in and lease.expires <= now
        ]
