"""The dispatcher: which worker gets which work item, under which completion token, and for how long.

Everything here is in memory and may be lost: work that is not completed is in the file and is dispatched again.

A worker keeps its work items for as long as it is connected and gives signs of life: nobody knows how long work takes,
and a second worker would do it a second time. There is a limit all the same, because a program can hang while its
connection is alive.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import activities, entity_batches, turns, workers
from orchestration.hub.engine.connected_workers import ConnectedWorkers
from orchestration.hub.engine.handed_on import HandedOnLog
from orchestration.hub.engine.leases import Lease, Leases
from orchestration.hub.engine.work_queue import WorkQueue
from orchestration.hub.engine.workers import ConnectedWorker, work_name
from orchestration.hub.errors import StoppingError
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.transaction import AfterCommit, ReadyWork, Transaction, WorkItemKind
from orchestration.hub.transport import rpc

_log: Final = logging.getLogger(__name__)

# Limits how long one round of dispatching keeps the event loop from its sockets.
_ROUND: Final = 64

_KINDS: Final = {
    WorkItemKind.TURN: "orchestration turn",
    WorkItemKind.ACTIVITY: "activity",
    WorkItemKind.ENTITY: "batch of the entity",
}


class Dispatcher:
    """Queues work and hands it to workers. Lives on the event loop; not thread-safe.

    A live worker may hold a work item for `limit_s` seconds. Where an answer from it was lost, which may have been the
    answer for this item, it may hold the item for at most `lost_s` seconds more.
    """

    def __init__(self, limit_s: float, lost_s: float = 300.0, clock: clocks.Clock | None = None) -> None:
        self._limit_s = limit_s
        self._lost_s = lost_s
        self._workers = ConnectedWorkers(clock if clock is not None else clocks.SystemClock())
        self._handed_on = HandedOnLog()
        self._stopping = False
        self._queue = WorkQueue()
        self._leases = Leases()
        # For each entity whose operations are sent one by one: the last message that is sent so.
        self._one_by_one: dict[int, int] = {}
        # The unfinished activities that a worker was given, or may have been given by an earlier hub.
        self._given: set[int] = set()
        self.too_long: list[int] = []

    # The queue.

    def apply(self, after_commit: AfterCommit) -> None:
        """Take in the results of a commit: completed work first, because its successor may be ready now."""
        for token in after_commit.completed_tokens:
            self._note_completed(token)
            self._leases.end(token)
        self._one_by_one |= after_commit.one_by_one
        for ready in after_commit.ready:
            self.offer(ready)

    def offer(self, ready: ReadyWork) -> None:
        """Queue an item, unless it is queued already or a worker holds it: completing it looks for more work."""
        if not self._leases.is_held((ready.kind, ready.key)):
            self._queue.add(ready)

    def may_have_been_given(self, activity: int) -> None:
        """Note that an earlier hub on the file may have given the activity of this key to a worker."""
        self._given.add(activity)

    def _note_completed(self, token: str) -> None:
        lease = self._leases.get(token)
        if lease is not None and lease.ready.kind is WorkItemKind.ACTIVITY:
            self._given.discard(lease.ready.key)
        if lease is not None and not lease.lacking:
            self._workers.note_completed(lease.worker, work_name(lease.ready))

    @property
    def busy(self) -> bool:
        """Whether any work is queued or held."""
        return bool(self._queue or self._leases)

    def figures(self) -> dict[str, object]:
        """How much work is `queued` and `held` by kind, and how many `workers` are connected."""
        held = self._leases.held()
        return {
            "queued": {kind.name.lower(): self._queue.size(kind) for kind in WorkItemKind},
            "held": {kind.name.lower(): held[kind] for kind in WorkItemKind},
            "workers": sum(1 for _ in self._workers),
        }

    # Workers.

    def connect(self, request: pb.GetWorkItemsRequest, stream: rpc.ResponseStream) -> ConnectedWorker:
        """Add a worker, whose work items are written to `stream`. Raises StoppingError."""
        if self._stopping:
            raise StoppingError
        worker = workers.connected(request, stream)
        self._workers.add(worker)
        return worker

    def disconnect(self, worker: ConnectedWorker) -> None:
        """Remove a worker and queue what it held.

        Its tokens stay valid until the work is dispatched to another worker.
        """
        if not self._workers.remove(worker):
            return
        for tokens in worker.tokens.values():
            self._release_all(tokens)
            tokens.clear()

    def _release(self, lease: Lease) -> None:
        lease.worker = None
        self.offer(lease.ready)

    def _release_all(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            lease = self._leases.get(token)
            if lease is not None:
                self._release(lease)

    def dismiss(self) -> None:
        """Send every worker away, and take no other: the hub is stopping."""
        self._stopping = True
        for worker in self._workers:
            worker.dismissed.set()

    def workers(self) -> Iterator[ConnectedWorker]:
        """The connected workers."""
        return iter(self._workers)

    def recall(self, tx: Transaction) -> None:
        """Take over what the last hub on the file knew of its workers."""
        self._workers.recall(tx)

    def unwritten(self) -> str | None:
        """The record of what workers run, to be written to the file for the next hub, or None."""
        return self._workers.unwritten()

    # Tokens.

    def lease(self, token: str, kind: WorkItemKind) -> Lease:
        """The lease of a completion token.

        Raises StaleError where it was handed in, dispatched again, completed, or never dispatched.
        """
        return self._leases.find(token, kind)

    def hand_in(self, token: str) -> None:
        """Keep an item from other workers while its worker's answer waits to be written, as long as a disk is full.

        `apply` or `unanswered` ends that.
        """
        lease = self._leases.get(token)
        if lease is not None:
            lease.handed_in = True
            self._queue.remove(lease.ready)

    def abandon(self, token: str, kind: WorkItemKind) -> float:
        """Take an item back from its worker.

        Returns after how many seconds it should be offered again with `offer`. Raises StaleError.
        """
        ready = self._leases.find(token, kind).ready

        def others() -> bool:
            return self._workers.others_accept(
                work_name(ready), self._leases.left_by((ready.kind, ready.key))
            )

        return self._leases.abandon(token, kind, others)

    def hand_on(self, token: str, kind: WorkItemKind) -> bool:
        """Queue an item whose worker has not registered it, if another worker may have; returns whether it did.

        If it returns False, the worker's answer, a failure, counts. Raises StaleError.
        """
        lease = self.lease(token, kind)
        work = work_name(lease.ready)
        lease.lacking = True
        if not self._workers.note_lacking(lease.worker, work):
            return False
        self._handed_on.note(work)
        self._leases.take_back(token)
        self.offer(lease.ready)
        return True

    def unanswered(self, token: str) -> tuple[ReadyWork, float] | None:
        """Take an item from its worker because the hub could not take the answer, which the worker does not send again.

        Returns the item and after how many seconds it should be offered again with `offer`, or None where there is no
        such item any more. The token stays valid until then. An activity waits longer, since it may have acted on the
        world: while a disk is full, it must not do so every few seconds.
        """
        lease = self._leases.get(token)
        if lease is None or (lease.worker is None and not lease.handed_in):
            return None
        lease.handed_in = False
        if lease.worker is not None:
            lease.worker.tokens[lease.ready.kind].discard(token)
            lease.worker = None
        pause = self._leases.pause((lease.ready.kind, lease.ready.key))
        return lease.ready, self._lost_s if lease.ready.kind is WorkItemKind.ACTIVITY else pause

    def answer_lost(self, peer: object) -> None:
        """Limit how long the workers of this connection hold their items: the answer for one of these was lost.

        Nobody knows which answer it was, and the worker does not send it again.
        """
        until = time.monotonic() + self._lost_s
        for worker in self._workers:
            if worker.stream.peer is peer:
                for lease in map(self._leases.get, worker.all_tokens()):
                    if lease is not None:
                        lease.expires = min(lease.expires, until)

    def look(self) -> bool:
        """Queue what silent workers hold, and what was held for too long; returns whether anything is queued."""
        self._workers.look_at_record()
        for worker in self._workers:
            alive = worker.look()
            if alive and worker.silent:
                self._give_back(worker)
            elif not alive and not worker.silent:
                self._take_from(worker)
        return self._expire()

    def _take_from(self, worker: ConnectedWorker) -> None:
        worker.silent = True
        worker.lost = worker.all_tokens()
        for tokens in worker.tokens.values():
            tokens.clear()
        if worker.lost:
            _log.warning(
                "A worker that holds %d work items gives no sign of life; other workers get them.",
                len(worker.lost),
            )
        self._release_all(worker.lost)

    def _give_back(self, worker: ConnectedWorker) -> None:
        """Give a worker that was silent its items back, except those that another worker has got meanwhile."""
        worker.silent = False
        for token in worker.lost:
            lease = self._leases.get(token)
            if lease is not None and lease.worker is None:
                self._queue.remove(lease.ready)
                lease.worker = worker
                worker.tokens[lease.ready.kind].add(token)
        worker.lost = []

    def _expire(self) -> bool:
        for token, lease in self._leases.late(time.monotonic()):
            _log.warning(
                "A worker that is alive has held the %s %r for too long, or its answer was lost; it is dispatched "
                "again. The limit is %s.",
                _KINDS[lease.ready.kind],
                lease.ready.name,
                timedelta(seconds=self._limit_s),
            )
            if lease.worker is not None:
                lease.worker.tokens[lease.ready.kind].discard(token)
                lease.worker.stalled = True
            self._release(lease)
        return bool(self._queue)

    # Dispatching.

    @property
    def can_dispatch(self) -> bool:
        """Whether anything is queued and any worker is connected."""
        return bool(self._queue and self._workers)

    def dispatch(self, tx: Transaction) -> bool:
        """Dispatch up to a round of what is queued; returns whether there may be more to dispatch at once."""
        count = 0
        for kind in WorkItemKind:
            while count < _ROUND:
                chosen = self._choose(kind)
                if chosen is None:
                    break
                worker, ready = chosen
                count += 1
                self._dispatch_one(tx, worker, ready)
        return count >= _ROUND

    def _choose(self, kind: WorkItemKind) -> tuple[ConnectedWorker, ReadyWork] | None:
        """The item that has waited longest of those that a worker takes now, and the least busy of its workers."""
        candidates = self._workers.with_room(kind) if self._queue.has(kind) else []
        if not candidates:
            return None
        for ready in self._queue.heads(kind):
            left = self._leases.left_by((ready.kind, ready.key))
            worker = self._workers.least_busy(candidates, work_name(ready), left)
            if worker is not None:
                self._queue.take(ready)
                return worker, ready
        return None

    def _dispatch_one(self, tx: Transaction, worker: ConnectedWorker, ready: ReadyWork) -> None:
        token: str | None = None
        try:
            token = self._send(tx, worker, ready)
        except turns.TooLongError:
            self.too_long.append(ready.key)
        except sqlite3.Error:
            self.offer(ready)
            raise
        left = self._leases.token_of((ready.kind, ready.key))
        if token is None and left is not None:
            # The token of a worker that hung up. The item is not dispatched again, so nothing else would ever
            # remove the token.
            self._leases.end(left)

    def _send(self, tx: Transaction, worker: ConnectedWorker, ready: ReadyWork) -> str | None:
        """Send the item to a worker; returns its token, or None where there is nothing to do any more."""
        token = self._leases.new_token()
        found = self._work_item(tx, ready, token)
        if found is None:
            return None
        item, work = found
        if ready.kind is WorkItemKind.ACTIVITY:
            self._given.add(ready.key)
        worker.send(item)
        lease = Lease(ready, worker, time.monotonic() + self._limit_s, work)
        self._leases.add(token, lease, worker)
        return token

    def _work_item(
        self, tx: Transaction, ready: ReadyWork, token: str
    ) -> tuple[bytes, turns.Turn | entity_batches.EntityBatch | int] | None:
        if ready.kind is WorkItemKind.TURN:
            return turns.work_item(tx, ready.key, token)
        if ready.kind is WorkItemKind.ACTIVITY:
            item = activities.work_item(tx, ready.key, token, first=ready.key not in self._given)
            if item is None:
                self._given.discard(ready.key)
                return None
            return item, ready.key
        alone_until = self._one_by_one.get(ready.key, -1)
        found = entity_batches.work_item(tx, ready.key, token, alone_until)
        if alone_until >= 0 and (found is None or found[1].seqs[0] > alone_until):
            del self._one_by_one[ready.key]
        return found

    def dispatch_early(self, tx: Transaction) -> Callable[[], None]:
        """Dispatch the turns that this transaction made ready before its COMMIT; returns what takes them back.

        A worker can replay while the disk is busy, because a turn only decides: its answer is applied in a
        later transaction, and what it decided is done after that transaction is on disk. Activities and
        entities act on the world, so they wait. If the COMMIT fails, the turn never existed and its token is
        not valid.
        """
        tokens: list[str] = []
        for ready in tx.after_commit.ready:
            if ready.kind is not WorkItemKind.TURN or self._queue.has(ready.kind):
                continue
            if self._leases.token_of((ready.kind, ready.key)) is not None:
                continue  # a worker has it, or others came first
            worker = self._workers.least_busy_for(ready)
            if worker is None:
                continue
            try:
                token = self._send(tx, worker, ready)
            except turns.TooLongError:
                continue  # `dispatch` finds it once more, when its history is on disk
            except BaseException:
                self._take_back(tokens)
                raise
            if token is not None:
                tokens.append(token)
                worker.stream.flush()
        return lambda: self._take_back(tokens)

    def _take_back(self, tokens: list[str]) -> None:
        for token in tokens:
            self._leases.end(token)
