"""Finds what a history has asked for and has no answer to yet."""

from dataclasses import dataclass, field
from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb

# For each kind of asking event, where it is kept; for each kind of answering event, the field that names what it
# answers.
_ASKED: Final = {
    "taskScheduled": "activities",
    "timerCreated": "timers",
    "subOrchestrationInstanceCreated": "children",
}
_ANSWERED: Final = {
    "taskCompleted": ("activities", "taskScheduledId"),
    "taskFailed": ("activities", "taskScheduledId"),
    "timerFired": ("timers", "timerId"),
    "subOrchestrationInstanceCompleted": ("children", "taskScheduledId"),
    "subOrchestrationInstanceFailed": ("children", "taskScheduledId"),
    "entityOperationCompleted": ("calls", "requestId"),
    "entityOperationFailed": ("calls", "requestId"),
}


@dataclass(slots=True)
class Unanswered:
    """The events that asked for something: by task, and calls of entities by request ID.

    `locks` has the entities that a critical section has not unlocked, by the ID of the section.
    """

    activities: dict[int, pb.TaskScheduledEvent] = field(default_factory=dict)
    timers: dict[int, pb.TimerCreatedEvent] = field(default_factory=dict)
    children: dict[int, pb.SubOrchestrationInstanceCreatedEvent] = field(default_factory=dict)
    calls: dict[str, pb.EntityOperationCalledEvent] = field(default_factory=dict)
    locks: dict[str, list[str]] = field(default_factory=dict)

    def read(self, event: pb.HistoryEvent) -> None:
        """Add what this event asks for, or remove what it answers. Events are read in their order."""
        kind = event.WhichOneof("eventType") or ""
        if kind in _ASKED:
            getattr(self, _ASKED[kind])[event.eventId] = getattr(event, kind)
        elif kind in _ANSWERED:
            where, member = _ANSWERED[kind]
            getattr(self, where).pop(getattr(getattr(event, kind), member), None)
        elif kind == "entityOperationCalled":
            self.calls[event.entityOperationCalled.requestId] = event.entityOperationCalled
        elif kind == "entityLockRequested":
            request = event.entityLockRequested
            self.locks[request.criticalSectionId] = list(request.lockSet)
        elif kind == "entityUnlockSent":
            freed = event.entityUnlockSent
            held = self.locks.get(freed.criticalSectionId, [])
            self.locks[freed.criticalSectionId] = [one for one in held if one != freed.targetInstanceId.value]
