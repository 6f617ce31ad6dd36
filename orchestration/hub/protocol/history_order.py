"""The order that every history keeps: its one start is first, and only unlocking or a rewind follows its end."""

from collections.abc import Iterable
from dataclasses import dataclass

from durabletask.internal import orchestrator_service_pb2 as pb


@dataclass(slots=True)
class HistoryOrder:
    """Reads the events of one execution in their order. `fault` says how they break the order, or is None.

    `unstarted`: it ended before its first turn, so that it has only an end, written by the hub.
    """

    unstarted: bool = False
    fault: str | None = None
    _started: bool = False
    _ended: bool = False

    def read(self, event: pb.HistoryEvent) -> str | None:
        """Take the next event; returns the fault where this event is the first that breaks the order."""
        if self.fault is None:
            self.fault = self._fault_of(event.WhichOneof("eventType") or "an event of no kind")
            return self.fault
        return None

    def _fault_of(self, kind: str) -> str | None:
        if kind == "orchestratorStarted":
            return None  # only the events after it in the turn count
        if kind == "executionStarted":
            again, self._started = self._started, True
            return "starts twice" if again else None
        if not self._started and not self.unstarted:
            return f"begins with {kind}"
        if kind == "executionRewound":
            self._ended = False
        # Locks that the orchestrator still held are freed as it ends.
        elif self._ended and kind != "entityUnlockSent":
            return f"goes on after its end, with {kind}"
        self._ended = self._ended or kind == "executionCompleted"
        return None

    def end(self) -> str | None:
        """End the history; returns the fault that it has no start, if it had no fault before."""
        if self.fault is None and not self._started and not self.unstarted:
            self.fault = "does not start"
            return self.fault
        return None


def order_fault(events: Iterable[pb.HistoryEvent]) -> str | None:
    """How these events, which are a whole history, break the order; None where they keep it."""
    order = HistoryOrder()
    for event in events:
        order.read(event)
    order.end()
    return order.fault
