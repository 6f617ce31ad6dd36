"""What an orchestrator decided in one turn. Pure: nothing here reads or changes the file.

`decisions_in` reads the worker's answer. It says which events are added to the history, what is to be carried
out, and whether the execution ended. No answer makes it raise an error. If the hub cannot carry out an answer, it
fails the orchestration with a reason: an answer that was refused would only be sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import Message

from orchestration.hub.engine.endings import Ending, completed_event
from orchestration.hub.protocol import limits, statuses, wire
from orchestration.hub.protocol.field_limits import excess
from orchestration.hub.protocol.history_order import order_fault


@dataclass(slots=True)
class Decisions:
    """The decisions of one turn.

    Activities, timers and sub-orchestrations come with the ID of their action. Timers are in microseconds.
    `history` has the new events as bytes. `rewritten` is the whole new history where a worker has rewound it.
    """

    history: list[bytes] = field(default_factory=list)
    activities: list[tuple[int, pb.ScheduleTaskAction]] = field(default_factory=list)
    timers: list[tuple[int, int]] = field(default_factory=list)
    children: list[tuple[int, pb.CreateSubOrchestrationAction]] = field(default_factory=list)
    events: list[pb.SendEventAction] = field(default_factory=list)
    messages: list[pb.SendEntityMessageAction] = field(default_factory=list)
    terminations: list[pb.TerminateOrchestrationAction] = field(default_factory=list)
    ending: Ending | None = None
    continue_as_new: pb.CompleteOrchestrationAction | None = None
    rewritten: list[pb.HistoryEvent] = field(default_factory=list)


def decisions_in(response: pb.OrchestratorResponse, at: int) -> Decisions:
    """The decisions in a worker's answer to a turn that was applied at `at`.

    The answer may contain actions after the end: for example, the SDK's worker adds a timer if a task with a retry
    policy fails in the last turn. They are dropped, except messages to entities: these release the locks that are still
    held.
    """
    problem = _problem(response)
    if problem is not None:
        return _failed(problem, at)
    out = Decisions()
    for action in response.actions:
        kind = action.WhichOneof("orchestratorActionType") or ""
        if out.ending is None or kind == "sendEntityMessage":
            _ACTIONS[kind](out, action, at)
    return out


def _failed(failure: pb.TaskFailureDetails, at: int) -> Decisions:
    ending = Ending(statuses.FAILED, None, failure)
    return Decisions(history=[completed_event(at, ending)], ending=ending)


def _problem(response: pb.OrchestratorResponse) -> pb.TaskFailureDetails | None:
    """The failure to record if this answer cannot be carried out, or None."""
    over = excess(response)
    if over is not None:
        return pb.TaskFailureDetails(
            errorType=limits.TOO_LARGE, errorMessage=f"The orchestrator's answer: {over}", isNonRetriable=True
        )
    for action in response.actions:
        kind = action.WhichOneof("orchestratorActionType")
        if kind not in _ACTIONS or (kind == "rewindOrchestration" and not _was_asked_for(action)):
            message = f"The orchestrator asked for {kind or 'something'} that this hub does not serve."
            return pb.TaskFailureDetails(
                errorType="UnsupportedAction", errorMessage=message, isNonRetriable=True
            )
        if kind in _HISTORIES and (fault := _HISTORIES[kind](getattr(action, kind))) is not None:
            return pb.TaskFailureDetails(errorType="WrongHistory", errorMessage=fault, isNonRetriable=True)
    return None


def _was_asked_for(action: pb.OrchestratorAction) -> bool:
    # A worker that was asked to rewind ends the new history with the event that asked.
    history = action.rewindOrchestration.newHistory
    return bool(history) and history[-1].HasField("executionRewound")


def _rewritten_fault(rewound: pb.RewindOrchestrationAction) -> str | None:
    fault = order_fault(rewound.newHistory[:-1])
    return None if fault is None else f"The history that the worker has rewritten {fault}."


def _carried_fault(done: pb.CompleteOrchestrationAction) -> str | None:
    """Why the next execution cannot begin with these events. The hub itself adds its start, as the first event."""
    for event in done.carryoverEvents:
        if not event.HasField("eventRaised"):
            kind = event.WhichOneof("eventType") or "an event of no kind"
            return f"The orchestrator continues as new and carries {kind} over. Only events that were raised can be."
    return None


def _schedule(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    task = action.scheduleTask
    scheduled = pb.TaskScheduledEvent(name=task.name, tags=task.tags)
    copy(task, scheduled, "version", "input", "parentTraceContext")
    out.history.append(wire.event(at, action.id, taskScheduled=scheduled))
    out.activities.append((action.id, task))


def _timer(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    fire_at = action.createTimer.fireAt
    out.history.append(wire.event(at, action.id, timerCreated=pb.TimerCreatedEvent(fireAt=fire_at)))
    out.timers.append((action.id, wire.from_timestamp(fire_at)))


def _child(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    child = action.createSubOrchestration
    created = pb.SubOrchestrationInstanceCreatedEvent(
        instanceId=child.instanceId, name=child.name, tags=child.tags
    )
    copy(child, created, "version", "input", "parentTraceContext")
    out.history.append(wire.event(at, action.id, subOrchestrationInstanceCreated=created))
    out.children.append((action.id, child))


def _send(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    sending = action.sendEvent
    sent = pb.EventSentEvent(instanceId=sending.instance.instanceId, name=sending.name)
    if sending.HasField("data"):
        sent.input.CopyFrom(sending.data)
    out.history.append(wire.event(at, action.id, eventSent=sent))
    out.events.append(sending)


def _message(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    message = action.sendEntityMessage
    kind = message.WhichOneof("EntityMessageType")
    if kind is not None:
        out.history.append(wire.event(at, action.id, **{kind: getattr(message, kind)}))
        out.messages.append(message)


def _terminate(out: Decisions, action: pb.OrchestratorAction, _at: int) -> None:
    out.terminations.append(action.terminateOrchestration)


def _rewind(out: Decisions, action: pb.OrchestratorAction, _at: int) -> None:
    out.rewritten = list(action.rewindOrchestration.newHistory)


def _complete(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    done = action.completeOrchestration
    if done.orchestrationStatus == statuses.CONTINUED_AS_NEW:
        out.continue_as_new = done
        return
    out.ending = Ending(
        done.orchestrationStatus,
        done.result.value if done.HasField("result") else None,
        done.failureDetails if done.HasField("failureDetails") else None,
    )
    out.history.append(completed_event(at, out.ending))


def copy(source: Message, target: Message, *names: str) -> None:
    """Copy optional fields by name; a field that is absent stays absent."""
    for name in names:
        if source.HasField(name):
            getattr(target, name).CopyFrom(getattr(source, name))


_ACTIONS = {
    "scheduleTask": _schedule,
    "createTimer": _timer,
    "createSubOrchestration": _child,
    "sendEvent": _send,
    "sendEntityMessage": _message,
    "terminateOrchestration": _terminate,
    "completeOrchestration": _complete,
    "rewindOrchestration": _rewind,
}

# For each kind of action that carries history events: the function that says what is wrong with them.
_HISTORIES: Final[dict[str, Callable[[Any], str | None]]] = {
    "completeOrchestration": _carried_fault,
    "rewindOrchestration": _rewritten_fault,
}
