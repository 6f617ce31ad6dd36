"""Turns of an orchestration: the work item that a worker gets, and what its answer changes."""

import contextlib
import itertools
import logging
import uuid
from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, entities, history_room, inbox, instances, rewind, timers
from orchestration.hub.engine.decisions import Decisions, decisions_in
from orchestration.hub.errors import NotFoundError, NotReadyError, StaleError
from orchestration.hub.protocol import limits, statuses, wire
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind

_log: Final = logging.getLogger(__name__)


class Turn(NamedTuple):
    """A turn that was dispatched.

    `turns` is how many the instance had before. `at` is the time that the orchestrator sees, in microseconds. `events`
    are those it was given, and `seqs` are the keys of those that came from the inbox. `size` is how many bytes the
    history has with these events. `ahead`: an event from outside is among them, so the work that the turn asks for goes
    ahead too.
    """

    key: int
    execution: str
    turns: int
    at: int
    events: list[bytes]
    seqs: list[int]
    size: int
    ahead: bool


class TooLongError(Exception):
    """The history is longer than a worker can be sent."""


def work_item(tx: Transaction, key: int, token: str) -> tuple[bytes, Turn] | None:
    """The work item of the instance's next turn, or None where there is nothing to do. Raises TooLongError.

    The orchestrator sees the hub's time. The exception is a first event that was due within a skip of the clock:
    then the orchestrator sees the time of that event, and later events are left to later turns. See
    `SkippableClock`.
    """
    room = limits.Room(limits.TURN_EVENTS)
    waiting = tx.until(lambda one: room.is_over(one["event"]), Q.turn_of, key, tx.now)
    row = waiting[0] if waiting else None
    if row is None:
        return None
    if row["status"] == statuses.SUSPENDED and tx.one(Q.inbox_deliverable, key, 1) is None:
        return None
    if row["kind"] == inbox.REWIND:  # a rewind comes first: an ended instance gets no other events
        waiting = [row]
    first = waiting[0]["at"]
    at = max(tx.as_of(first), row["turned_at"])
    if clocks.skipped(tx.clock, first):
        waiting = list(itertools.takewhile(lambda event: event["at"] <= first, waiting))
    past = [piece["events"] for piece in tx.all(Q.history_of, key)]
    events = [
        wire.event(at, orchestratorStarted=pb.OrchestratorStartedEvent()),
        *(one["event"] for one in waiting),
    ]
    item = wire.turn_item(token, row["id"], row["execution"], past, events, row["trace"])
    if len(item) > limits.WORK_ITEM:
        raise TooLongError(row["id"])
    size = sum(map(len, past)) + sum(map(len, events))
    seqs = [one["seq"] for one in waiting]
    ahead = row["turns"] > 0 and any(one["kind"] == inbox.EXTERNAL for one in waiting)
    return item, Turn(key, row["execution"], row["turns"], at, events, seqs, size, ahead)


def fail_too_long(tx: Transaction, key: int) -> None:
    """Fail an instance whose history is longer than a worker can be sent."""
    row = tx.one(Q.instance_by_key, key)
    if row is None or row["status"] in statuses.ENDED:
        return
    size: int = tx.one(Q.history_size, key, key)[0]
    ending = _too_long(size)
    tx.do(Q.history_add, key, row["turns"], wire.history([endings.completed_event(tx.now, ending)]))
    endings.end(tx, row, ending, tx.now)


def _too_long(size: int) -> endings.Ending:
    failure = pb.TaskFailureDetails(
        errorType="HistoryTooLong", errorMessage=limits.too_long_message(size), isNonRetriable=True
    )
    return endings.Ending(statuses.FAILED, None, failure)


def _bounded(turn: Turn, decided: Decisions, at: int) -> Decisions:
    """The decisions of a turn, or a failure if the history would be too long to send a worker another turn."""
    if decided.ending is not None or decided.continue_as_new is not None:
        return decided
    size = turn.size + sum(map(len, decided.history))
    if size <= limits.HISTORY or not decided.history:
        return decided
    ending = _too_long(size)
    return Decisions(history=[endings.completed_event(at, ending)], ending=ending)


def complete(tx: Transaction, turn: Turn, response: pb.OrchestratorResponse) -> None:
    """Apply a worker's answer to a turn: history, inbox and everything it asked for, in this one transaction.

    Raises StaleError where this turn was completed before, or its execution is over.
    """
    at = tx.as_of(turn.at)
    trace = response.orchestrationTraceContext.SerializeToString()
    decided = _bounded(turn, decisions_in(response, at), at)
    row = tx.one(
        Q.instance_apply_turn,
        *(turn.at, at, statuses.PENDING, statuses.RUNNING, _custom_status(response), trace or None),
        *(turn.key, turn.execution, turn.turns),
    )
    if row is None:
        raise StaleError(
            "This turn belongs to an execution that is over, or was completed before; the answer is ignored."
        )
    version: str | None = row["version"]
    history_room.forget(tx, turn.key)
    for seq in turn.seqs:
        tx.do(Q.inbox_take, seq)
    if turn.turns == 0:
        tx.after_commit.changed_instances.add(row["id"])
    if decided.rewritten:
        row, decided = rewind.apply(tx, row, decided.rewritten, at)
    elif decided.continue_as_new is not None:
        version = _continue_as_new(tx, row, decided.continue_as_new, at)
    else:
        tx.do(Q.history_add, turn.key, turn.turns, wire.history(turn.events + decided.history))
    _carry_out(tx, row, decided, at, ahead=turn.ahead)
    if decided.ending is not None:
        endings.end(tx, row, decided.ending, at)
        return
    next_one = tx.one(Q.inbox_deliverable, turn.key, row["status"] == statuses.SUSPENDED)
    if next_one is not None:
        ahead = next_one["kind"] == inbox.EXTERNAL and decided.continue_as_new is None
        ready = ReadyWork(WorkItemKind.TURN, row["key"], row["name"], version, ahead)
        tx.after_commit.ready.append(ready)


def _custom_status(response: pb.OrchestratorResponse) -> str | None:
    # None means unchanged. A worker whose replay raised an error sends none, and the last status must be kept.
    status = response.customStatus.value if response.HasField("customStatus") else None
    return status if limits.too_large(status) is None else None


def _continue_as_new(tx: Transaction, row: Any, done: pb.CompleteOrchestrationAction, at: int) -> str | None:
    """Begin a new execution of the instance: carried events come first, then events from outside that arrived.

    Returns its version.
    """
    key = row["key"]
    execution = uuid.uuid4().hex
    arrived = [event for event in tx.all(Q.inbox_of, key) if event["kind"] != inbox.BOUND]
    first = tx.one(Q.history_of, key)
    old = _started(first["events"]) if first is not None else None
    version: str | None = done.newVersion.value if done.HasField("newVersion") else row["version"]
    text = done.result.value if done.HasField("result") else None
    tags = pb.CreateInstanceRequest(tags=done.tags).SerializeToString() if done.tags else row["tags"]
    for statement in (Q.inbox_delete, Q.history_delete, Q.timer_delete, Q.activity_delete):
        tx.do(statement, key)
    tx.do(Q.instance_continue, execution, version, text, tags, key)
    entities.release_all(tx, row["id"], row["execution"], at)
    started = pb.ExecutionStartedEvent(
        name=row["name"],
        version=wire.text(version),
        input=wire.text(text),
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=row["id"], executionId=wire.text(execution)
        ),
        tags=pb.CreateInstanceRequest.FromString(tags).tags if tags else None,
    )
    if old is not None and old.HasField("parentInstance"):
        started.parentInstance.CopyFrom(old.parentInstance)
    if old is not None and old.HasField("parentTraceContext"):
        started.parentTraceContext.CopyFrom(old.parentTraceContext)
    tx.add(Q.inbox_add, key, at, inbox.EXTERNAL, wire.event(at, executionStarted=started))
    for carried in done.carryoverEvents:
        carried.timestamp.CopyFrom(wire.to_timestamp(at))
        tx.add(Q.inbox_add, key, at, inbox.EXTERNAL, carried.SerializeToString())
    for event in arrived:
        tx.add(Q.inbox_add, key, max(event["at"], at), event["kind"], event["event"])
    return version


def _started(piece: bytes) -> pb.ExecutionStartedEvent | None:
    for event in wire.parse_history(piece):
        if event.HasField("executionStarted"):
            return event.executionStarted
    return None


def _carry_out(tx: Transaction, row: Any, decided: Decisions, at: int, *, ahead: bool) -> None:
    """Carry out what the turn asked for, or put it where it will be carried out."""
    for task, action in decided.activities:
        key, version = _add_activity(tx, row, task, action, at)
        tx.after_commit.ready.append(ReadyWork(WorkItemKind.ACTIVITY, key, action.name, version, ahead))
    if decided.ending is None and decided.continue_as_new is None:
        for task, fire_at in decided.timers:
            timers.add(tx, row, task, fire_at)
    for task, child in decided.children:
        _add_child(tx, row, task, child, at)
    for sending in decided.events:
        _send_event(tx, sending, at)
    for message in decided.messages:
        entities.send(tx, row, message, at)
    for termination in decided.terminations:
        _terminate(tx, row, termination)


def _send_event(tx: Transaction, sending: pb.SendEventAction, at: int) -> None:
    target = tx.one(Q.instance_brief, sending.instance.instanceId)
    if target is None:
        return  # as Durable Task Scheduler does: an event for an instance that does not exist is dropped
    raised = pb.EventRaisedEvent(name=sending.name)
    if sending.HasField("data"):
        raised.input.CopyFrom(sending.data)
    try:
        inbox.raise_event(tx, target, raised, at)
    except NotReadyError as error:
        # Dropped like an event for an instance that does not exist: the sender must not fail because of its target.
        _log.warning("An event %r of an orchestration was dropped: %s", sending.name, error)


def _terminate(tx: Transaction, row: Any, termination: pb.TerminateOrchestrationAction) -> None:
    if termination.instanceId == row["id"]:
        return  # an orchestration ends itself by completing
    request = pb.TerminateRequest(instanceId=termination.instanceId, recursive=termination.recurse)
    if termination.HasField("reason"):
        request.output.CopyFrom(termination.reason)
    with contextlib.suppress(NotFoundError):  # an instance that does not exist needs no end
        instances.terminate(tx, request)


def _add_activity(
    tx: Transaction, row: Any, task: int, action: pb.ScheduleTaskAction, at: int
) -> tuple[int, str | None]:
    """Add an activity; returns its key and its version."""
    request = pb.ActivityRequest(
        name=action.name,
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=row["id"], executionId=wire.text(row["execution"])
        ),
        taskId=task,
        tags=action.tags,
    )
    for name in ("version", "input", "parentTraceContext"):
        if action.HasField(name):
            getattr(request, name).CopyFrom(getattr(action, name))
    version = action.version.value if action.HasField("version") else None
    key = tx.add(
        Q.activity_add,
        row["key"],
        row["execution"],
        task,
        action.name,
        version,
        at,
        request.SerializeToString(),
    )
    return key, version


def _add_child(tx: Transaction, row: Any, task: int, child: pb.CreateSubOrchestrationAction, at: int) -> None:
    child_id = child.instanceId or f"{row['id']}:{task:04x}"
    problem = limits.id_problem(child_id)
    existing = tx.one(Q.instance_brief, child_id) if problem is None else None
    if existing is not None and existing["status"] not in statuses.ENDED:
        problem = f"An orchestration instance {child_id!r} already exists and has not ended."
    elif existing is not None and existing["name"] in tx.run_once and existing["parent_id"] != row["id"]:
        problem = f"An orchestration instance {child_id!r} already exists, and is not replaced."
    if problem is not None:
        failure = pb.TaskFailureDetails(
            errorType="SubOrchestrationNotStarted", errorMessage=problem, isNonRetriable=True
        )
        inbox.put_bound(tx, row, row["execution"], at, endings.child_failed(at, task, failure))
        return
    if existing is not None:
        # A retry by the SDK's retry policy starts the same ID again, and so does a later generation of its parent.
        endings.delete(tx, existing["key"])
    new = instances.NewInstance(
        id=child_id,
        name=child.name,
        version=child.version.value if child.HasField("version") else None,
        input=child.input.value if child.HasField("input") else None,
        tags=dict(child.tags),
        trace=child.parentTraceContext if child.HasField("parentTraceContext") else None,
        parent=instances.ParentInstance(
            row["key"], row["id"], row["execution"], task, row["name"], row["version"]
        ),
    )
    instances.create(tx, new, at)
