"""Keeps orchestrations in memory between turns, so that a turn need not replay what this process has already run.

The hub sends the whole history with each turn. If it begins with exactly the bytes that this process has received and
checked before, the orchestration continues from there. If anything differs, it is replayed from the beginning: after a
turn that the hub did not take, after another process took a turn, or if the hub goes back in time.

The executor is private to the SDK, which keeps nothing between two turns; its version is pinned.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.worker import ExecutionResults, _OrchestrationExecutor, _RuntimeOrchestrationContext

from orchestration.sealing.history import HistoryReader

# About 45 KB each. An orchestration that is not kept is replayed. If more requests than this are decided one after the
# other, in the order in which they were asked, each is dropped right before its turn. So a burst of a thousand has to
# fit.
MOST_KEPT: Final = 2048


class _Executor(_OrchestrationExecutor):
    """The SDK's executor, which can also run a next turn of the orchestration that it has run."""

    _ctx: _RuntimeOrchestrationContext | None = None

    @property
    def waits(self) -> bool:
        """Whether the orchestration has begun and has not ended."""
        return self._ctx is not None and not self._ctx._is_complete  # noqa: SLF001

    def process_event(self, ctx: _RuntimeOrchestrationContext, event: pb.HistoryEvent) -> None:
        """Processes one event as the SDK does; keeps the context."""
        self._ctx = ctx
        super().process_event(ctx, event)

    def go_on(
        self, old_events: Iterable[pb.HistoryEvent], new_events: Iterable[pb.HistoryEvent]
    ) -> ExecutionResults:
        """Runs the next turn. `old_events` are those that became history since the last one."""
        ctx = self._ctx
        if ctx is None:
            raise AssertionError("only what has begun goes on")
        try:
            for events, ctx._is_replaying in ((old_events, True), (new_events, False)):  # noqa: SLF001
                for event in events:
                    self.process_event(ctx, event)
        except Exception as error:  # noqa: BLE001 - as in the SDK, whatever the orchestration raises is its failure
            ctx.set_failed(error)
        return ExecutionResults(
            actions=ctx.get_actions(),
            encoded_custom_status=ctx._encoded_custom_status,  # noqa: SLF001
        )


class KeptOrchestration:
    """One generation of an orchestration, as far as this process has run it."""

    def __init__(self, reader: HistoryReader, executor: dict[str, Any]) -> None:
        self.reader = reader
        self._executor = _Executor(**executor)
        self._seen = hashlib.sha256()
        self._count = 0

    @property
    def waits(self) -> bool:
        """Whether there will be another turn."""
        return self._executor.waits

    def goes_on(self, past: Sequence[pb.HistoryEvent]) -> bool:
        """Whether the history begins with exactly the bytes of the events that this orchestration has received."""
        if len(past) < self._count:
            return False
        seen = hashlib.sha256()
        _add(seen, islice(past, self._count))
        return seen.digest() == self._seen.digest()

    def turn(self, request: pb.OrchestratorRequest) -> ExecutionResults:
        """Runs the turn with the new events of the request that count.

        Raises as `HistoryReader.read` and the SDK's executor do. After an error this object must not be used again.
        """
        begun = self._count > 0
        past, new = request.pastEvents[self._count :], list(request.newEvents)
        self._count = len(request.pastEvents) + len(new)
        _add(self._seen, past)
        _add(self._seen, new)  # before they are read, because reading removes their seals
        # Faults in earlier events were logged when those were new.
        past, new = self._read(past, quiet=True), self._read(new, quiet=False)
        if begun and new:
            return self._executor.go_on(past, new)
        return self._executor.execute(request.instanceId, past, new)

    def _read(self, events: list[pb.HistoryEvent], *, quiet: bool) -> list[pb.HistoryEvent]:
        self.reader.quiet = quiet
        return [event for event in events if self.reader.read(event)]


def _add(seen: Any, events: Iterable[pb.HistoryEvent]) -> None:
    """Adds the bytes of the events to the hash, each after its length."""
    for event in events:
        data = event.SerializeToString()
        seen.update(len(data).to_bytes(8, "big"))
        seen.update(data)


class KeptOrchestrations:
    """The orchestrations that had a turn in this process last, by instance ID. Thread-safe."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, KeptOrchestration] = OrderedDict()

    def take(self, request: pb.OrchestratorRequest) -> KeptOrchestration | None:
        """Removes and returns the orchestration that this turn continues; None if it has to be replayed."""
        with self._lock:
            found = self._kept.pop(request.instanceId, None)
        return found if found is not None and found.goes_on(request.pastEvents) else None

    def put(self, instance_id: str, orchestration: KeptOrchestration) -> None:
        """Keeps the orchestration if it will have a next turn. If there are too many, drops the one waiting longest."""
        if not orchestration.waits:
            return
        with self._lock:
            self._kept[instance_id] = orchestration
            self._kept.move_to_end(instance_id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
