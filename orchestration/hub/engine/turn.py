"""What an orchestrator decided in one turn, worked out without touching anything.

`apply` reads the worker's answer and says what becomes history, what is asked of others, and whether the
execution ended. Nothing a worker answers raises: what the hub cannot carry out fails the orchestration in
words, because an answer refused would only be produced, and refused, again.
"""

from dataclasses import dataclass, field

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import Message

from orchestration.hub.engine.endings import Ending, completed_event
from orchestration.hub.protocol import limits, wire

_CONTINUED = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
_FAILED = pb.ORCHESTRATION_STATUS_FAILED


@dataclass(slots=True)
class Decisions:
    """The outcome of one turn."""

    history: list[bytes] = field(default_factory=list)
    activities: list[tuple[int, pb.ScheduleTaskAction]] = field(default_factory=list)
    timers: list[tuple[int, int]] = field(default_factory=list)
    children: list[tuple[int, pb.CreateSubOrchestrationAction]] = field(default_factory=list)
    events: list[pb.SendEventAction] = field(default_factory=list)
    messages: list[pb.SendEntityMessageAction] = field(default_factory=list)
    terminations: list[pb.TerminateOrchestrationAction] = field(default_factory=list)
    ending: Ending | None = None
    renewal: pb.CompleteOrchestrationAction | None = None
    rewritten: list[pb.HistoryEvent] = field(default_factory=list)


def apply(response: pb.OrchestratorResponse, at: int) -> Decisions:
    """The decisions in a worker's answer to a turn that was applied at `at`."""
    problem = _problem(response)
    if problem is not None:
        return _failed(problem, at)
    out = Decisions()
    for action in response.actions:
        _ACTIONS[action.WhichOneof("orchestratorActionType") or ""](out, action, at)
    return out


def _failed(failure: pb.TaskFailureDetails, at: int) -> Decisions:
    ending = Ending(_FAILED, None, failure)
    return Decisions(history=[completed_event(at, ending)], ending=ending)


def _problem(response: pb.OrchestratorResponse) -> pb.TaskFailureDetails | None:
    """Why this answer cannot be carried out, as the failure to record, or None."""
    status = response.customStatus.value if response.HasField("customStatus") else None
    size = limits.too_large(status)
    if size is not None:
        return _too_large("custom status", size)
    for action in response.actions:
        kind = action.WhichOneof("orchestratorActionType")
        if kind not in _ACTIONS or (kind == "rewindOrchestration" and not _was_asked_for(action)):
            message = f"The orchestrator asked for {kind or 'something'} that this hub does not serve."
            return pb.TaskFailureDetails(
                errorType="UnsupportedAction", errorMessage=message, isNonRetriable=True
            )
        what = _PAYLOADS.get(kind)
        if what is None:
            continue
        words, name = what
        body = getattr(action, kind)
        size = limits.too_large(getattr(body, name).value) if body.HasField(name) else None
        if size is not None:
            return _too_large(words, size)
    return None


def _was_asked_for(action: pb.OrchestratorAction) -> bool:
    # A worker that was told to rewind ends the new history with that word.
    history = action.rewindOrchestration.newHistory
    return bool(history) and history[-1].HasField("executionRewound")


def _too_large(what: str, size: int) -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(
        errorType="PayloadTooLarge", errorMessage=limits.too_large_words(what, size), isNonRetriable=True
    )


def _schedule(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    task = action.scheduleTask
    scheduled = pb.TaskScheduledEvent(name=task.name, tags=task.tags)
    copy(task, scheduled, "version", "input", "parentTraceContext")
    out.history.append(wire.event(at, action.id, taskScheduled=scheduled))
    out.activities.append((action.id, task))


def _timer(out: Decisions, action: pb.OrchestratorAction, at: int) -> None:
    fire_at = action.createTimer.fireAt
    out.history.append(wire.event(at, action.id, timerCreated=pb.TimerCreatedEvent(fireAt=fire_at)))
    out.timers.append((action.id, wire.unstamp(fire_at)))


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
    if done.orchestrationStatus == _CONTINUED:
        out.renewal = done
        return
    out.ending = Ending(
        done.orchestrationStatus,
        done.result.value if done.HasField("result") else None,
        done.failureDetails if done.HasField("failureDetails") else None,
    )
    out.history.append(completed_event(at, out.ending))


def copy(source: Message, target: Message, *names: str) -> None:
    """Copy optional messages by name, keeping what is absent absent."""
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

# Which member of an action holds a payload, and what it is called in words.
_PAYLOADS = {
    "scheduleTask": ("activity input", "input"),
    "createSubOrchestration": ("sub-orchestration input", "input"),
    "sendEvent": ("event", "data"),
    "completeOrchestration": ("output", "result"),
}
