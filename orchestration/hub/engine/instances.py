"""What clients ask of instances: start, get, raise an event, suspend, resume, terminate."""

import contextlib
import uuid
from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import DecodeError

from orchestration.hub.engine import endings, history_room, inbox
from orchestration.hub.errors import AlreadyExistsError, InvalidError, NotFoundError, NotReadyError
from orchestration.hub.protocol import failures, limits, statuses, wire
from orchestration.hub.protocol.fitting import fit
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind

# The task of the timer that starts an instance later, see the schema.
SCHEDULED_START: Final = -1


class ParentInstance(NamedTuple):
    """The instance that started a sub-orchestration, and the action with which it did."""

    key: int
    id: str
    execution: str
    task: int
    name: str
    version: str | None


class NewInstance(NamedTuple):
    """An instance to be created."""

    id: str
    name: str
    version: str | None
    input: str | None
    tags: dict[str, str]
    trace: pb.TraceContext | None
    start_at: int | None = None
    parent: ParentInstance | None = None


def _brief(tx: Transaction, instance_id: str) -> Any:
    row = tx.one(Q.instance_brief, instance_id)
    if row is None:
        raise unknown(instance_id)
    return row


def unknown(instance_id: str) -> NotFoundError:
    """The error for an instance ID that does not exist."""
    return NotFoundError(f"There is no orchestration instance {instance_id!r}.")


def runs_once(row: Any) -> NotReadyError:
    """The error for a request to run the ended instance of this row again, where that is not allowed."""
    return NotReadyError(
        f"{row['id']!r} is an instance of {row['name']!r}. Those run once on this hub: none is rewound, restarted or "
        "replaced. Start another one."
    )


def started_event(new: NewInstance, execution: str, at: int) -> bytes:
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
        started.scheduledStartTimestamp.CopyFrom(wire.to_timestamp(new.start_at))
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


def create(tx: Transaction, new: NewInstance, at: int) -> None:
    """Add an instance whose ID is free, and have its first turn dispatched now or at its scheduled start."""
    execution = uuid.uuid4().hex
    tags = pb.CreateInstanceRequest(tags=new.tags).SerializeToString() if new.tags else None
    parent = new.parent
    key = tx.add(
        Q.instance_add,
        new.id,
        execution,
        new.name,
        new.version,
        statuses.PENDING,
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
    history_room.forget(tx, key)  # an instance that was deleted may have had this key
    tx.add(Q.inbox_add, key, at, inbox.EXTERNAL, started_event(new, execution, at))
    if new.start_at is not None and new.start_at > tx.now:
        tx.do(Q.timer_add, key, SCHEDULED_START, new.start_at)
        tx.timer_set(new.start_at)
    else:
        tx.after_commit.ready.append(ReadyWork(WorkItemKind.TURN, key, new.name, new.version))


def start(tx: Transaction, request: pb.CreateInstanceRequest) -> str:
    """Start an instance; returns its ID.

    An existing instance of that ID is replaced if the request's reuse policy lists its status and its name is not in
    `run_once`: it is ended, and deleted with its history. Otherwise raises AlreadyExistsError. Also raises
    InvalidError.
    """
    instance_id = limits.instance_id(request.instanceId or uuid.uuid4().hex)
    if not request.name:
        raise InvalidError("An orchestration needs a name.")
    existing = tx.one(Q.instance_brief, instance_id)
    if existing is not None:
        replaceable = request.orchestrationIdReusePolicy.replaceableStatus
        if existing["status"] not in replaceable or existing["name"] in tx.run_once:
            raise AlreadyExistsError(f"An orchestration instance {instance_id!r} already exists.")
        # Ended first, so that its locks are released and its parent is notified.
        terminate(tx, pb.TerminateRequest(instanceId=instance_id))
        endings.delete(tx, existing["key"])
    scheduled = request.HasField("scheduledStartTimestamp")
    new = NewInstance(
        id=instance_id,
        name=request.name,
        version=request.version.value if request.HasField("version") else None,
        input=request.input.value if request.HasField("input") else None,
        tags=dict(request.tags),
        trace=request.parentTraceContext if request.HasField("parentTraceContext") else None,
        start_at=wire.from_timestamp(request.scheduledStartTimestamp) if scheduled else None,
    )
    create(tx, new, tx.now)
    return instance_id


def start_for_entity(tx: Transaction, action: pb.StartNewOrchestrationAction, at: int) -> None:
    """Start the orchestration that an entity's operation asked for.

    Where its ID is taken or not allowed, nothing starts and nothing is reported: no caller waits.
    """
    instance_id = action.instanceId or uuid.uuid4().hex
    if limits.id_problem(instance_id) is not None:
        return
    existing = tx.one(Q.instance_brief, instance_id)
    if existing is not None:
        if existing["status"] not in statuses.ENDED or existing["name"] in tx.run_once:
            return
        endings.delete(tx, existing["key"])
    new = NewInstance(
        id=instance_id,
        name=action.name,
        version=action.version.value if action.HasField("version") else None,
        input=action.input.value if action.HasField("input") else None,
        tags={},
        trace=action.parentTraceContext if action.HasField("parentTraceContext") else None,
        start_at=wire.from_timestamp(action.scheduledTime) if action.HasField("scheduledTime") else None,
    )
    create(tx, new, at)


def raise_event(tx: Transaction, request: pb.RaiseEventRequest) -> None:
    """Put an event into the instance's inbox; it is dropped without an error where the instance has ended.

    Raises NotFoundError, and NotReadyError where it does not fit into the history.
    """
    row = _brief(tx, request.instanceId)
    raised = pb.EventRaisedEvent(name=request.name)
    if request.HasField("input"):
        raised.input.CopyFrom(request.input)
    inbox.raise_event(tx, row, raised, tx.now)


def suspend(tx: Transaction, request: pb.SuspendRequest) -> None:
    """Suspend the instance at once. Idempotent. Raises NotFoundError.

    Until it is resumed, only resume and terminate reach it.
    """
    row = _brief(tx, request.instanceId)
    if row["status"] in statuses.ENDED or row["status"] == statuses.SUSPENDED:
        return
    reason = request.reason if request.HasField("reason") else None
    event = wire.event(tx.now, executionSuspended=pb.ExecutionSuspendedEvent(input=reason))
    tx.add(Q.inbox_add, row["key"], tx.now, inbox.CONTROL, event)
    history_room.note(tx, row["key"], len(event))
    tx.do(Q.instance_status, statuses.SUSPENDED, tx.now, row["key"])
    inbox.wake(tx, row)
    tx.after_commit.changed_instances.add(row["id"])


def resume(tx: Transaction, request: pb.ResumeRequest) -> None:
    """Resume the instance; events that waited are delivered in order. Idempotent. Raises NotFoundError."""
    row = _brief(tx, request.instanceId)
    if row["status"] != statuses.SUSPENDED:
        return
    reason = request.reason if request.HasField("reason") else None
    event = wire.event(tx.now, executionResumed=pb.ExecutionResumedEvent(input=reason))
    tx.add(Q.inbox_add, row["key"], tx.now, inbox.CONTROL, event)
    history_room.note(tx, row["key"], len(event))
    tx.do(Q.instance_status, statuses.RUNNING if row["turns"] else statuses.PENDING, tx.now, row["key"])
    inbox.wake_even_suspended(tx, row)


def terminate(tx: Transaction, request: pb.TerminateRequest) -> None:
    """End the instance at once, and with `recursive` everything it started. Raises NotFoundError.

    No worker is asked, so it works even where none is connected or the orchestrator's code is broken. The answer
    of a turn that a worker has is refused later. Activities that are not completed are dropped.
    """
    text = request.output.value if request.HasField("output") else None
    row = tx.one(Q.instance_by_id, request.instanceId)
    if row is None:
        raise unknown(request.instanceId)
    to_end = [row]
    while to_end:
        row = to_end.pop()
        if request.recursive:
            to_end += [tx.one(Q.instance_by_key, child["key"]) for child in tx.all(Q.children, row["key"])]
        if row["status"] not in statuses.ENDED:
            cause = pb.ExecutionTerminatedEvent(input=wire.text(text), recurse=request.recursive)
            tx.do(Q.activity_delete, row["key"])
            ending = endings.Ending(statuses.TERMINATED, text, None)
            events = [wire.event(tx.now, executionTerminated=cause), endings.completed_event(tx.now, ending)]
            tx.do(Q.history_add, row["key"], row["turns"], wire.history(events))
            endings.end(tx, row, ending, tx.now)


def terminate_at_once(tx: Transaction, request: pb.SkipGracefulOrchestrationTerminationsRequest) -> list[str]:
    """End all of these at once, as `terminate` does; returns the IDs of those that were not running."""
    left = []
    for instance_id in request.instanceBatch.instanceIds:
        row = tx.one(Q.instance_brief, instance_id)
        if row is None or row["status"] in statuses.ENDED:
            left.append(instance_id)
        else:
            reason = request.reason if request.HasField("reason") else None
            terminate(tx, pb.TerminateRequest(instanceId=instance_id, output=reason))
    return left


def state(row: Any, *, payloads: bool) -> pb.OrchestrationState:
    """The instance of this row as clients see it, with input and output only if `payloads`."""
    out = pb.OrchestrationState(
        instanceId=row["id"],
        name=row["name"],
        version=wire.text(row["version"]),
        orchestrationStatus=row["status"],
        createdTimestamp=wire.to_timestamp(row["created_at"]),
        lastUpdatedTimestamp=wire.to_timestamp(row["updated_at"]),
        customStatus=wire.text(row["custom_status"]),
        executionId=wire.text(row["execution"]),
        parentInstanceId=wire.text(row["parent_id"]),
    )
    if payloads and row["input"] is not None:
        out.input.value = row["input"]
    if payloads and row["output"] is not None:
        out.output.value = row["output"]
    if row["completed_at"] is not None:
        out.completedTimestamp.CopyFrom(wire.to_timestamp(row["completed_at"]))
    if row["scheduled_at"] is not None:
        out.scheduledStartTimestamp.CopyFrom(wire.to_timestamp(row["scheduled_at"]))
    if row["failure"] is not None:
        out.failureDetails.CopyFrom(failures.recorded(row["failure"]))
    if row["tags"] is not None:
        with contextlib.suppress(DecodeError):  # a check of the file names it
            out.tags.update(tags(row))
    fit(out)
    return out


def tags(row: Any) -> dict[str, str]:
    """The tags of the instance of this row. Raises DecodeError where the file is damaged."""
    return dict(pb.CreateInstanceRequest.FromString(row["tags"]).tags) if row["tags"] is not None else {}


def find(tx: Transaction, instance_id: str) -> Any:
    """The row of an instance, or None."""
    return tx.one(Q.instance_by_id, instance_id)
