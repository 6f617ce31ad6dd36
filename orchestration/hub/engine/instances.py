"""What clients ask of instances: start, look, raise, suspend, resume, terminate."""

import uuid
from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, mailbox
from orchestration.hub.engine.mailbox import CONTROL, ENDED, OUTSIDE, PENDING, RUNNING, SUSPENDED
from orchestration.hub.errors import AlreadyExistsError, InvalidError, NotFoundError
from orchestration.hub.protocol import limits, wire
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Kind, Ready, Transaction

TERMINATED: Final = pb.ORCHESTRATION_STATUS_TERMINATED

SCHEDULED_START: Final = -1


class Parent(NamedTuple):
    """Who started a sub-orchestration, and with which of its actions."""

    key: int
    id: str
    execution: str
    task: int
    name: str
    version: str | None


class New(NamedTuple):
    """An instance to be created."""

    id: str
    name: str
    version: str | None
    input: str | None
    tags: dict[str, str]
    trace: pb.TraceContext | None
    start_at: int | None = None
    parent: Parent | None = None


def _brief(tx: Transaction, instance_id: str) -> Any:
    row = tx.one(Q.instance_brief, instance_id)
    if row is None:
        raise unknown(instance_id)
    return row


def unknown(instance_id: str) -> NotFoundError:
    """The refusal of an instance ID that nobody knows."""
    return NotFoundError(f"There is no orchestration instance {instance_id!r}.")


def started_event(new: New, execution: str, at: int) -> bytes:
    """The event that begins an execution."""
    started = pb.ExecutionStartedEvent(
        name=new.name,
        version=wire.text(new.version),
        input=wire.text(new.input),
        orchestrationInstance=pb.OrchestrationInstance(instanceId=new.id, executionId=wire.text(execution)),
        parentTraceContext=new.trace,
        tags=new.tags,
    )
    if new.start_at is not None:
        started.scheduledStartTimestamp.CopyFrom(wire.stamp(new.start_at))
    if new.parent is not None:
        started.parentInstance.CopyFrom(
            pb.ParentInstanceInfo(
                taskScheduledId=new.parent.task,
                name=wire.text(new.parent.name),
                version=wire.text(new.parent.version),
                orchestrationInstance=pb.OrchestrationInstance(
                    instanceId=new.parent.id, executionId=wire.text(new.parent.execution)
                ),
            )
        )
    return wire.event(at, executionStarted=started)


def create(tx: Transaction, new: New, at: int) -> None:
    """Add an instance whose ID is free, and have its first turn dealt now or at its scheduled start."""
    execution = uuid.uuid4().hex
    tags = pb.CreateInstanceRequest(tags=new.tags).SerializeToString() if new.tags else None
    parent = new.parent
    key = tx.add(
        Q.instance_add,
        new.id,
        execution,
        new.name,
        new.version,
        PENDING,
        at,
        at,
        new.start_at,
        new.input,
        tags,
        parent and parent.key,
        parent and parent.id,
        parent and parent.execution,
        parent and parent.task,
    )
    tx.add(Q.inbox_add, key, at, OUTSIDE, started_event(new, execution, at))
    if new.start_at is not None and new.start_at > tx.now:
        tx.do(Q.timer_add, key, SCHEDULED_START, new.start_at)
        tx.alarm(new.start_at)
    else:
        tx.effects.ready.append(Ready(Kind.TURN, key, new.name, new.version))


def start(tx: Transaction, request: pb.CreateInstanceRequest) -> str:
    """Start an instance; its ID.

    Raises AlreadyExistsError where the ID is taken by an instance whose status the request's reuse policy
    does not list as replaceable; a replaced instance is ended, and forgotten with its history.
    """
    instance_id = limits.instance_id(request.instanceId or uuid.uuid4().hex)
    if not request.name:
        raise InvalidError("An orchestration needs a name.")
    text = limits.payload("input", request.input if request.HasField("input") else None)
    existing = tx.one(Q.instance_brief, instance_id)
    if existing is not None:
        if existing["status"] not in request.orchestrationIdReusePolicy.replaceableStatus:
            raise AlreadyExistsError(f"An orchestration instance {instance_id!r} already exists.")
        # Ended first, so that it gives back its locks and its parent hears of it.
        terminate(tx, pb.TerminateRequest(instanceId=instance_id))
        endings.forget(tx, existing["key"])
    scheduled = request.HasField("scheduledStartTimestamp")
    new = New(
        id=instance_id,
        name=request.name,
        version=request.version.value if request.HasField("version") else None,
        input=text,
        tags=dict(request.tags),
        trace=request.parentTraceContext if request.HasField("parentTraceContext") else None,
        start_at=wire.unstamp(request.scheduledStartTimestamp) if scheduled else None,
    )
    create(tx, new, tx.now)
    return instance_id


def start_for_entity(tx: Transaction, action: pb.StartNewOrchestrationAction, at: int) -> None:
    """Start what an entity's operation asked for.

    An ID that is taken or not allowed starts nothing, for nobody waits.
    """
    instance_id = action.instanceId or uuid.uuid4().hex
    if limits.id_problem(instance_id) is not None:
        return
    existing = tx.one(Q.instance_brief, instance_id)
    if existing is not None:
        if existing["status"] not in ENDED:
            return
        endings.forget(tx, existing["key"])
    new = New(
        id=instance_id,
        name=action.name,
        version=action.version.value if action.HasField("version") else None,
        input=action.input.value if action.HasField("input") else None,
        tags={},
        trace=action.parentTraceContext if action.HasField("parentTraceContext") else None,
        start_at=wire.unstamp(action.scheduledTime) if action.HasField("scheduledTime") else None,
    )
    create(tx, new, at)


def raise_event(tx: Transaction, request: pb.RaiseEventRequest) -> None:
    """Put an event into the instance's inbox.

    An instance that has ended takes it in silence. Raises NotFoundError.
    """
    text = limits.payload("event", request.input if request.HasField("input") else None)
    row = _brief(tx, request.instanceId)
    mailbox.raise_event(tx, row, pb.EventRaisedEvent(name=request.name, input=wire.text(text)), tx.now)


def suspend(tx: Transaction, request: pb.SuspendRequest) -> None:
    """Suspend, at once.

    From here on only resume and terminate reach the instance. Idempotent. Raises NotFoundError.
    """
    row = _brief(tx, request.instanceId)
    if row["status"] in ENDED or row["status"] == SUSPENDED:
        return
    reason = request.reason if request.HasField("reason") else None
    event = wire.event(tx.now, executionSuspended=pb.ExecutionSuspendedEvent(input=reason))
    tx.add(Q.inbox_add, row["key"], tx.now, CONTROL, event)
    tx.do(Q.instance_status, SUSPENDED, tx.now, row["key"])
    mailbox.wake(tx, row)
    tx.effects.changed.add(row["id"])


def resume(tx: Transaction, request: pb.ResumeRequest) -> None:
    """Resume; what was held back is delivered in its order. Idempotent. Raises NotFoundError."""
    row = _brief(tx, request.instanceId)
    if row["status"] != SUSPENDED:
        return
    reason = request.reason if request.HasField("reason") else None
    event = wire.event(tx.now, executionResumed=pb.ExecutionResumedEvent(input=reason))
    tx.add(Q.inbox_add, row["key"], tx.now, CONTROL, event)
    tx.do(Q.instance_status, RUNNING if row["turns"] else PENDING, tx.now, row["key"])
    mailbox.wake_anyway(tx, row)


def terminate(tx: Transaction, request: pb.TerminateRequest) -> None:
    """End the instance here and now, and with `recursive` everything it started. Raises NotFoundError.

    No worker is asked: it takes effect even where none is connected, or where the orchestrator's code is
    broken. A turn that is being worked on is too late; activities that nobody finished are dropped.
    """
    text = limits.payload("output", request.output if request.HasField("output") else None)
    row = tx.one(Q.instance_by_id, request.instanceId)
    if row is None:
        raise unknown(request.instanceId)
    doomed = [row]
    while doomed:
        row = doomed.pop()
        if request.recursive:
            doomed += [tx.one(Q.instance_by_key, child["key"]) for child in tx.all(Q.children, row["key"])]
        if row["status"] not in ENDED:
            cause = pb.ExecutionTerminatedEvent(input=wire.text(text), recurse=request.recursive)
            tx.do(Q.activity_delete, row["key"])
            ending = endings.Ending(TERMINATED, text, None)
            events = [wire.event(tx.now, executionTerminated=cause), endings.completed_event(tx.now, ending)]
            tx.do(Q.history_add, row["key"], row["turns"], wire.history(events))
            endings.end(tx, row, ending, tx.now)


def terminate_at_once(tx: Transaction, request: pb.SkipGracefulOrchestrationTerminationsRequest) -> list[str]:
    """End all of these, as every termination here is: at once. The IDs of those that were not running."""
    left = []
    for instance_id in request.instanceBatch.instanceIds:
        row = tx.one(Q.instance_brief, instance_id)
        if row is None or row["status"] in ENDED:
            left.append(instance_id)
        else:
            reason = request.reason if request.HasField("reason") else None
            terminate(tx, pb.TerminateRequest(instanceId=instance_id, output=reason))
    return left


def state(row: Any, *, payloads: bool) -> pb.OrchestrationState:
    """The instance of this row as clients see it; input and output only with `payloads`."""
    out = pb.OrchestrationState(
        instanceId=row["id"],
        name=row["name"],
        version=wire.text(row["version"]),
        orchestrationStatus=row["status"],
        createdTimestamp=wire.stamp(row["created_at"]),
        lastUpdatedTimestamp=wire.stamp(row["updated_at"]),
        customStatus=wire.text(row["custom_status"]),
        executionId=wire.text(row["execution"]),
        parentInstanceId=wire.text(row["parent_id"]),
    )
    if payloads and row["input"] is not None:
        out.input.value = row["input"]
    if payloads and row["output"] is not None:
        out.output.value = row["output"]
    if row["completed_at"] is not None:
        out.completedTimestamp.CopyFrom(wire.stamp(row["completed_at"]))
    if row["scheduled_at"] is not None:
        out.scheduledStartTimestamp.CopyFrom(wire.stamp(row["scheduled_at"]))
    if row["failure"] is not None:
        out.failureDetails.ParseFromString(row["failure"])
    if row["tags"] is not None:
        out.tags.update(tags(row))
    return out


def tags(row: Any) -> dict[str, str]:
    """The tags of the instance of this row."""
    return dict(pb.CreateInstanceRequest.FromString(row["tags"]).tags) if row["tags"] is not None else {}


def look(tx: Transaction, instance_id: str) -> Any:
    """The instance's row, or None."""
    return tx.one(Q.instance_by_id, instance_id)
