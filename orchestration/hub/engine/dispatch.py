"""Dealing work to the connected workers: who gets what, by which token, and until when.

Everything here is memory, and may be lost: what is unfinished stands in the file and is dealt again. A token
names one dealing. It stays good until the work is done or dealt again, so that a worker which is shutting
down, and has already hung up, may still hand in what it finished.
"""

import asyncio
import logging
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import activities, batches, turns
from orchestration.hub.errors import StaleError
from orchestration.hub.storage.store import Effects, Kind, Ready, Transaction
from orchestration.hub.transport import frames

_log: Final = logging.getLogger(__name__)

# Bounds how long one round of dealing keeps the event loop from its sockets.
_ROUND: Final = 64

# An item that was abandoned (the SDK's worker abandons versions it does not serve) is offered again after a
# pause that doubles, so that it does not spin between the hub and a worker that will never take it.
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0

_Key = tuple[Kind, int]


@dataclass(slots=True, eq=False)
class Worker:
    """One connected stream: its capacity, what it accepts, what it holds, and the line to it.

    It is `stalled` from when a lease of its runs out until it finishes something again.
    """

    capacity: dict[Kind, int]
    accepts: dict[Kind, dict[str, frozenset[str]]] | None
    line: frames.Line
    dismissed: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    stalled: bool = False

    def free(self, kind: Kind) -> int:
        """How many more items of this kind it takes."""
        return self.capacity[kind] - len(self.tokens[kind])

    def takes(self, kind: Kind, name: str, version: str | None) -> bool:
        """Whether its filters let this through; a worker without filters takes everything."""
        if self.accepts is None:
            return True
        versions = self.accepts[kind].get(name)
        return versions is not None and (not versions or (version or "") in versions)


@dataclass(slots=True)
class Dealt:
    """An item in a worker's hands. `work` is what its completion must be applied to.

    The key stands for an activity.
    """

    ready: Ready
    worker: Worker | None
    expires: float
    work: turns.Turn | batches.Batch | int


class Dispatcher:
    """Who does what. Lives on the event loop; not thread-safe."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._workers: list[Worker] = []
        self._waiting: dict[Kind, dict[tuple[str, str | None], deque[tuple[int, int]]]] = {
            kind: {} for kind in Kind
        }
        self._queued: set[_Key] = set()
        self._order = 0
        # A token is unlike any other, also of those that a hub which served this file before has given.
        self._run = secrets.token_hex(8)
        self._dealings = 0
        self._dealt: dict[str, Dealt] = {}
        self._token_of: dict[_Key, str] = {}
        self._abandoned: dict[_Key, float] = {}
        self.too_long: list[int] = []

    # What is to be done.

    def apply(self, effects: Effects) -> None:
        """Take in what a commit brought: finished work first, for it may have made its successor ready."""
        for token in effects.settled:
            self._settle(token)
        for ready in effects.ready:
            self.offer(ready)

    def offer(self, ready: Ready) -> None:
        """Queue an item, unless it is queued already, or is in hands whose completion will look again."""
        item = (ready.kind, ready.key)
        if item in self._queued:
            return
        token = self._token_of.get(item)
        if token is not None and self._dealt[token].worker is not None:
            return
        self._queued.add(item)
        self._order += 1
        lane = self._waiting[ready.kind].setdefault((ready.name, ready.version), deque())
        lane.append((self._order, ready.key))

    def _settle(self, token: str) -> None:
        dealt = self._dealt.pop(token, None)
        if dealt is None:
            return
        item = (dealt.ready.kind, dealt.ready.key)
        if self._token_of.get(item) == token:
            del self._token_of[item]
        self._abandoned.pop(item, None)
        if dealt.worker is not None:
            dealt.worker.tokens[dealt.ready.kind].discard(token)
            dealt.worker.stalled = False

    @property
    def busy(self) -> bool:
        """Whether anything is queued, or in somebody's hands."""
        return bool(self._queued or self._dealt)

    # Workers.

    def connect(self, request: pb.GetWorkItemsRequest, line: frames.Line) -> Worker:
        """Add a worker, whose work is written to `line`."""
        capacity = {
            Kind.TURN: request.maxConcurrentOrchestrationWorkItems or 100,
            Kind.ACTIVITY: request.maxConcurrentActivityWorkItems or 100,
            Kind.ENTITY: request.maxConcurrentEntityWorkItems
            or request.maxConcurrentOrchestrationWorkItems
            or 100,
        }
        worker = Worker(capacity, _filters(request), line)
        self._workers.append(worker)
        return worker

    def disconnect(self, worker: Worker) -> None:
        """Remove a worker and queue what it held.

        Its tokens stay good until somebody else is dealt the work.
        """
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        for tokens in worker.tokens.values():
            for token in tokens:
                self._let_go(token)
            tokens.clear()

    def _let_go(self, token: str) -> None:
        dealt = self._dealt[token]
        dealt.worker = None
        self.offer(dealt.ready)

    def workers(self) -> Iterator[Worker]:
        """The connected workers."""
        return iter(list(self._workers))

    # Tokens.

    def held(self, token: str, kind: Kind) -> Dealt:
        """What was dealt under a token.

        Raises StaleError where it was dealt again, finished, or never dealt.
        """
        dealt = self._dealt.get(token)
        if dealt is None or dealt.ready.kind is not kind:
            raise StaleError(
                "This completion token is no longer good: the work was finished, or dealt to somebody else."
            )
        return dealt

    def abandon(self, token: str, kind: Kind) -> float:
        """Take an item back.

        After how many seconds it should be offered again with `offer`. Raises StaleError.
        """
        dealt = self.held(token, kind)
        item = (kind, dealt.ready.key)
        pause = min(self._abandoned.get(item, _FIRST_PAUSE_S / 2) * 2, _LONGEST_PAUSE_S)
        self._settle(token)
        self._abandoned[item] = pause
        return pause

    def expire(self) -> bool:
        """Queue what was held for longer than a lease; whether anything is queued, now or from before."""
        now = time.monotonic()
        late = [
            token for token, dealt in self._dealt.items() if dealt.worker is not None and dealt.expires <= now
        ]
        for token in late:
            dealt = self._dealt[token]
            _log.warning(
                "A worker held a %s for longer than the lease; dealing it again.",
                dealt.ready.kind.name.lower(),
            )
            if dealt.worker is not None:
                dealt.worker.tokens[dealt.ready.kind].discard(token)
                dealt.worker.stalled = True
            self._let_go(token)
        return bool(self._queued)

    # Dealing.

    @property
    def may_deal(self) -> bool:
        """Whether anything is queued, and anybody there to take it."""
        return bool(self._queued and self._workers)

    def deal(self, tx: Transaction) -> bool:
        """Deal up to a round of what is queued; whether there may be more to deal at once."""
        dealt = 0
        for kind in Kind:
            while dealt < _ROUND:
                chosen = self._choose(kind)
                if chosen is None:
                    break
                worker, ready = chosen
                dealt += 1
                self._hand(tx, worker, ready)
        return dealt >= _ROUND

    def _choose(self, kind: Kind) -> tuple[Worker, Ready] | None:
        """The item that waited longest among those a worker has room for, and the least busy such worker."""
        lanes = self._waiting[kind]
        if not lanes:
            return None
        candidates = [worker for worker in self._workers if worker.free(kind) > 0]
        if not candidates:
            return None
        for name, version in (
            sorted(lanes, key=lambda lane: lanes[lane][0]) if len(lanes) > 1 else list(lanes)
        ):
            worker = _least_busy(candidates, kind, name, version)
            if worker is not None:
                lane = lanes[name, version]
                _, key = lane.popleft()
                if not lane:
                    del lanes[name, version]
                self._queued.discard((kind, key))
                return worker, Ready(kind, key, name, version)
        return None

    def _hand(self, tx: Transaction, worker: Worker, ready: Ready) -> None:
        token: str | None = None
        try:
            token = self._put(tx, worker, ready)
        except turns.TooLongError:
            self.too_long.append(ready.key)
        except sqlite3.Error:
            self.offer(ready)
            raise
        left = self._token_of.get((ready.kind, ready.key))
        if token is None and left is not None:
            # Of a worker that hung up. It will not be dealt again, so nothing else would ever forget it.
            self._settle(left)

    def _put(self, tx: Transaction, worker: Worker, ready: Ready) -> str | None:
        """Put the item into a worker's hands; its token, or None where there is nothing to do any more."""
        self._dealings += 1
        token = f"{self._run}-{self._dealings}"
        item: bytes | None
        work: turns.Turn | batches.Batch | int
        if ready.kind is Kind.ACTIVITY:
            item, work = activities.deal(tx, ready.key, token), ready.key
        else:
            found = (turns if ready.kind is Kind.TURN else batches).deal(tx, ready.key, token)
            item, work = found if found is not None else (None, 0)
        if item is None:
            return None
        worker.line.send(item)
        before = self._token_of.get((ready.kind, ready.key))
        if before is not None:
            self._dealt.pop(before, None)
        self._dealt[token] = Dealt(ready, worker, time.monotonic() + self._lease_s, work)
        self._token_of[ready.kind, ready.key] = token
        worker.tokens[ready.kind].add(token)
        return token

    def deal_early(self, tx: Transaction) -> Callable[[], None]:
        """Deal the turns that this transaction has made ready, before its COMMIT; gives what takes them back.

        A worker can replay while the disk takes its time, for a turn only decides: its answer is applied in a
        later transaction, and what it decided is done after that one is on disk. Activities and entities act
        on the world, and wait. If the COMMIT fails the turn never was: its token is good for nothing.
        """
        tokens: list[str] = []
        for ready in tx.effects.ready:
            item = (ready.kind, ready.key)
            if ready.kind is not Kind.TURN or item in self._token_of or self._waiting[ready.kind]:
                continue  # somebody has it, or others came first
            candidates = [worker for worker in self._workers if worker.free(ready.kind) > 0]
            worker = _least_busy(candidates, ready.kind, ready.name, ready.version)
            if worker is None:
                continue
            try:
                token = self._put(tx, worker, ready)
            except turns.TooLongError:
                continue  # `deal` comes across it once more, with its history on disk
            except BaseException:
                self._take_back(tokens)
                raise
            if token is not None:
                tokens.append(token)
                worker.line.flush()
        return lambda: self._take_back(tokens)

    def _take_back(self, tokens: list[str]) -> None:
        for token in tokens:
            self._settle(token)


def _least_busy(candidates: list[Worker], kind: Kind, name: str, version: str | None) -> Worker | None:
    # One that stalls holds nothing any more, and looks idle: it comes after all others. Where it does not even
    # read what it was sent, more of the same would only pile up here.
    fitting = [
        worker
        for worker in candidates
        if worker.takes(kind, name, version) and not (worker.stalled and worker.line.blocked)
    ]
    return max(fitting, key=lambda one: (not one.stalled, one.free(kind)), default=None)


def _filters(request: pb.GetWorkItemsRequest) -> dict[Kind, dict[str, frozenset[str]]] | None:
    if not request.HasField("workItemFilters"):
        return None
    filters = request.workItemFilters
    out: dict[Kind, dict[str, frozenset[str]]] = {kind: {} for kind in Kind}
    for kind, listed in ((Kind.TURN, filters.orchestrations), (Kind.ACTIVITY, filters.activities)):
        for one in listed:
            before = out[kind].get(one.name)
            # A name listed once without versions takes every version, whatever else is listed.
            every = not one.versions or (before is not None and not before)
            out[kind][one.name] = frozenset() if every else frozenset(one.versions) | (before or frozenset())
    out[Kind.ENTITY] = {one.name: frozenset() for one in filters.entities}
    return out
