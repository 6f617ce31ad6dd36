"""A turn's two halves: what is dealt to a worker, and what its answer changes."""

import contextlib
import uuid
from typing import Any, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, entities, instances, mailbox, rewind, timers, turn
from orchestration.hub.errors import NotFoundError, StaleError
from orchestration.hub.protocol import limits, wire
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Kind, Ready, Transaction


class Turn(NamedTuple):
    """A turn as dealt. `at` is the time its orchestrator sees.

    `events` and `seqs` are what it was given of the inbox.
    """

    key: int
    execution: str
    turns: int
    at: int
    events: list[bytes]
    seqs: list[int]


class TooLongError(Exception):
    """The history has outgrown what a worker can be sent."""


def deal(tx: Transaction, key: int, token: str) -> tuple[bytes, Turn] | None:
    """The work item of the instance's next turn, or None where there is nothing to do. Raises TooLongError.

    The orchestrator's time is the hub's, except where the clock was moved over the moment at which the first
    event was due: then it is that moment, and the events of later moments are left to later turns. See
    `SkippableClock`.
    """
    inbox = tx.all(Q.turn_of, key, tx.now)
    row = inbox[0] if inbox else None
    if row is None:
        return None
    if row["status"] == mailbox.SUSPENDED and all(event["kind"] < mailbox.CONTROL for event in inbox):
        return None
    alone = next((event for event in inbox if event["kind"] == mailbox.REWIND), None)
    if alone is not None:
        inbox = [alone]
    first = inbox[0]["at"]
    at = max(tx.as_of(first), row["turned_at"])
    if clocks.skipped(tx.clock, first):
        inbox = [event for event in inbox if event["at"] <= first]
    past = [piece["events"] for piece in tx.all(Q.history_of, key)]
    inbox = _fitting(inbox)
    events = [
        wire.event(at, orchestratorStarted=pb.OrchestratorStartedEvent()),
        *(one["event"] for one in inbox),
    ]
    item = wire.turn_item(token, row["id"], row["execution"], past, events, row["trace"])
    if len(item) > limits.WORK_ITEM:
        raise TooLongError(row["id"])
    return item, Turn(key, row["execution"], row["turns"], at, events, [one["seq"] for one in inbox])


def _fitting(inbox: list[Any]) -> list[Any]:
    size = 0
    for count, event in enumerate(inbox):
        size += len(event["event"])
        if size > limits.TURN_EVENTS and count:
            return inbox[:count]
    return inbox


def fail_too_long(tx: Transaction, key: int) -> None:
    """Fail an instance whose history no worker can take."""
    row = tx.one(Q.instance_by_key, key)
    if row is None or row["status"] in mailbox.ENDED:
        return
    message = (
        f"The history is longer than the {limits.WORK_ITEM:,} bytes that a worker can be sent. "
        "Use continue_as_new in orchestrations that run for ever."
    )
    ending = endings.Ending(
        pb.ORCHESTRATION_STATUS_FAILED,
        None,
        pb.TaskFailureDetails(errorType="HistoryTooLong", errorMessage=message, isNonRetriable=True),
    )
    tx.do(Q.history_add, key, row["turns"], wire.history([endings.completed_event(tx.now, ending)]))
    endings.end(tx, row, ending, tx.now)


def complete(tx: Transaction, dealt: Turn, response: pb.OrchestratorResponse) -> None:
    """Apply a worker's answer: history, outbox and inbox in this one transaction.

    Raises StaleError where this turn was applied before, or its execution is over.
    """
    at = tx.as_of(dealt.at)
    trace = response.orchestrationTraceContext.SerializeToString()
    decisions = turn.apply(response, at)
    row = tx.one(
        Q.instance_turned,
        *(dealt.at, at, mailbox.PENDING, mailbox.RUNNING, _custom_status(response), trace or None),
        *(dealt.key, dealt.execution, dealt.turns),
    )
    if row is None:
        raise StaleError(
            "This turn belongs to an execution that is over, or was completed before; the answer is ignored."
        )
    for seq in dealt.seqs:
        tx.do(Q.inbox_take, seq)
    if dealt.turns == 0:
        tx.effects.changed.add(row["id"])
    if decisions.rewritten:
        row, decisions = rewind.apply(tx, row, decisions.rewritten, at)
    elif decisions.renewal is not None:
        _renew(tx, row, decisions.renewal, at)
    else:
        tx.do(Q.history_add, dealt.key, dealt.turns, wire.history(dealt.events + decisions.history))
    _carry_out(tx, row, decisions, at)
    if decisions.ending is not None:
        endings.end(tx, row, decisions.ending, at)
    elif tx.one(Q.inbox_deliverable, dealt.key, row["status"] == mailbox.SUSPENDED) is not None:
        tx.effects.ready.append(Ready(Kind.TURN, row["key"], row["name"], row["version"]))


def _custom_status(response: pb.OrchestratorResponse) -> str | None:
    # Absent means unchanged: a worker whose replay raised sends none, and what was last said must outlive the
    # failure.
    status = response.customStatus.value if response.HasField("customStatus") else None
    return status if limits.too_large(status) is None else None


def _renew(tx: Transaction, row: Any, done: pb.CompleteOrchestrationAction, at: int) -> None:
    """Continue as new.

    A fresh execution with the carried events first, then what arrived from outside meanwhile.
    """
    key = row["key"]
    execution = uuid.uuid4().hex
    arrived = [event for event in tx.all(Q.inbox_of, key) if event["kind"] != mailbox.BOUND]
    first = tx.one(Q.history_of, key)
    old = _started(first["events"]) if first is not None else None
    version = done.newVersion.value if done.HasField("newVersion") else row["version"]
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
    tx.add(Q.inbox_add, key, at, mailbox.OUTSIDE, wire.event(at, executionStarted=started))
    for carried in done.carryoverEvents:
        carried.timestamp.CopyFrom(wire.stamp(at))
        tx.add(Q.inbox_add, key, at, mailbox.OUTSIDE, carried.SerializeToString())
    for event in arrived:
        tx.add(Q.inbox_add, key, max(event["at"], at), event["kind"], event["event"])


def _started(piece: bytes) -> pb.ExecutionStartedEvent | None:
    for event in wire.parse_history(piece):
        if event.HasField("executionStarted"):
            return event.executionStarted
    return None


def _carry_out(tx: Transaction, row: Any, decisions: turn.Decisions, at: int) -> None:
    """Put what the turn asked for into the tables of those who will do it."""
    for task, action in decisions.activities:
        _add_activity(tx, row, task, action, at)
    if decisions.ending is None and decisions.renewal is None:
        for task, fire_at in decisions.timers:
            timers.add(tx, row, task, fire_at)
    for task, child in decisions.children:
        _add_child(tx, row, task, child, at)
    for sending in decisions.events:
        _send_event(tx, sending, at)
    for message in decisions.messages:
        entities.send(tx, row, message, at)
    for termination in decisions.terminations:
        _terminate(tx, row, termination)


def _send_event(tx: Transaction, sending: pb.SendEventAction, at: int) -> None:
    target = tx.one(Q.instance_brief, sending.instance.instanceId)
    if target is None:
        return  # as on the scheduler: an event for nobody is dropped
    raised = pb.EventRaisedEvent(name=sending.name)
    if sending.HasField("data"):
        raised.input.CopyFrom(sending.data)
    mailbox.raise_event(tx, target, raised, at)


def _terminate(tx: Transaction, row: Any, termination: pb.TerminateOrchestrationAction) -> None:
    if termination.instanceId == row["id"]:
        return  # an orchestration ends itself by completing
    request = pb.TerminateRequest(instanceId=termination.instanceId, recursive=termination.recurse)
    if termination.HasField("reason"):
        request.output.CopyFrom(termination.reason)
    with contextlib.suppress(NotFoundError):  # what does not exist needs no ending
        instances.terminate(tx, request)


def _add_activity(tx: Transaction, row: Any, task: int, action: pb.ScheduleTaskAction, at: int) -> None:
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
    tx.effects.ready.append(Ready(Kind.ACTIVITY, key, action.name, version))


def _add_child(tx: Transaction, row: Any, task: int, child: pb.CreateSubOrchestrationAction, at: int) -> None:
    child_id = child.instanceId or f"{row['id']}:{task:04x}"
    problem = limits.id_problem(child_id)
    existing = tx.one(Q.instance_brief, child_id) if problem is None else None
    if existing is not None and existing["status"] not in mailbox.ENDED:
        problem = f"An orchestration instance {child_id!r} already exists and has not ended."
    if problem is not None:
        failure = pb.TaskFailureDetails(
            errorType="SubOrchestrationNotStarted", errorMessage=problem, isNonRetriable=True
        )
        mailbox.put_bound(tx, row, row["execution"], at, endings.child_failed(at, task, failure))
        return
    if existing is not None:
        # A retry by the SDK's retry policy starts the same ID anew.
        endings.forget(tx, existing["key"])
    new = instances.New(
        id=child_id,
        name=child.name,
        version=child.version.value if child.HasField("version") else None,
        input=child.input.value if child.HasField("input") else None,
        tags=dict(child.tags),
        trace=child.parentTraceContext if child.HasField("parentTraceContext") else None,
        parent=instances.Parent(row["key"], row["id"], row["execution"], task, row["name"], row["version"]),
    )
    instances.create(tx, new, at)
