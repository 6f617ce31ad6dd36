"""Entities: small states with an ID each. Their operations run one batch at a time, in the order they came.

A lock request visits the entities of its set one after the other, and waits in the inbox of each like an
operation. While an entity is locked, only calls by the lock's owner are dispatched, and everything else waits.
"""

import uuid
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import inbox
from orchestration.hub.errors import InvalidError
from orchestration.hub.protocol import limits, statuses, wire
from orchestration.hub.protocol.fitting import fit
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind


def name_of(entity_id: str) -> str:
    """The entity's name in `@name@key`. Raises InvalidError."""
    parts = entity_id.split("@", 2)
    if len(parts) != 3 or parts[0] or not parts[1] or not parts[2]:
        raise InvalidError(
            f"The entity ID {entity_id[:120]!r} is not allowed: it must look like '@name@key'."
        )
    return parts[1]


def _is_id(entity_id: str) -> bool:
    try:
        name_of(entity_id)
    except InvalidError:
        return False
    return True


def _entity(tx: Transaction, entity_id: str, at: int) -> Any:
    row = tx.one(Q.entity_by_id, entity_id)
    if row is None:
        tx.add(Q.entity_add, entity_id, at)
        row = tx.one(Q.entity_by_id, entity_id)
    return row


def _put(
    tx: Transaction,
    entity_id: str,
    at: int,
    event: bytes,
    *,
    caller: str | None = None,
    execution: str | None = None,
    section: str | None = None,
) -> None:
    row = _entity(tx, entity_id, at)
    tx.add(Q.entity_inbox_add, row["key"], at, caller, execution, section, event)
    process_inbox(tx, row["key"], entity_id)


def process_inbox(tx: Transaction, key: int, entity_id: str) -> None:
    """Grant the lock request at the head of the inbox, if the entity is not locked; dispatch operations.

    No lock is granted while a worker has a batch: its operations came before the lock request, and they change
    the state.
    """
    row = tx.one(Q.entity_by_key, key)
    head = tx.one(Q.entity_inbox_head, key)
    while head is not None and head["section"] is not None and row["lock_section"] is None:
        tx.do(Q.entity_inbox_take, head["seq"])
        # An owner that ended while its request waited would hold the lock for ever.
        if is_alive(tx, head["caller"], head["caller_execution"]):
            tx.do(Q.entity_lock, head["section"], head["caller"], head["caller_execution"], head["at"], key)
            request = pb.HistoryEvent.FromString(head["event"]).entityLockRequested
            _next_lock(tx, request, head["caller"], head["caller_execution"], head["at"])
            row = tx.one(Q.entity_by_key, key)
        head = tx.one(Q.entity_inbox_head, key)
    if head is not None and (row["lock_section"] is None or eligible(tx, row, 1)):
        tx.after_commit.ready.append(ReadyWork(WorkItemKind.ENTITY, key, name_of(entity_id), None))


def is_alive(tx: Transaction, owner: str, execution: str) -> bool:
    """Whether this execution of the orchestration is still running, and so may hold a lock."""
    row = tx.one(Q.instance_brief, owner)
    return row is not None and row["execution"] == execution and row["status"] not in statuses.ENDED


def eligible(tx: Transaction, row: Any, size: int) -> list[Any]:
    """The messages that may be dispatched now: of the lock's owner while locked, else up to the next lock request.

    At most `size` bytes of them are returned, but always the first one.
    """
    room = limits.Room(size)
    statement, *values = Q.entity_inbox_of, row["key"]
    if row["lock_section"] is not None:
        statement, *values = Q.entity_inbox_by, row["key"], row["lock_owner"], row["lock_owner_execution"]
    return tx.until(lambda one: one["section"] is not None or room.is_over(one["event"]), statement, *values)


def _next_lock(
    tx: Transaction, request: pb.EntityLockRequestedEvent, owner: str, execution: str, at: int
) -> None:
    """Send the lock request to the next entity of its set, or tell the owner that all are locked."""
    request.position += 1
    if request.position < len(request.lockSet):
        event = wire.event(at, entityLockRequested=request)
        target = request.lockSet[request.position]
        _put(tx, target, at, event, caller=owner, execution=execution, section=request.criticalSectionId)
        return
    granted = wire.event(
        at, entityLockGranted=pb.EntityLockGrantedEvent(criticalSectionId=request.criticalSectionId)
    )
    row = tx.one(Q.instance_by_id, owner)
    if not inbox.put_bound(tx, row, execution, at, granted):
        # The execution that asked is over, so nothing would ever unlock.
        for entity_id in request.lockSet:
            unlock(tx, entity_id, request.criticalSectionId, at)


def lock(tx: Transaction, row: Any, section: str, wanted: list[str], at: int) -> None:
    """Request locks on these entities, one after the other, for the orchestration of this row.

    A malformed entity ID is left out: there is no such entity to call.
    """
    request = pb.EntityLockRequestedEvent(
        criticalSectionId=section,
        lockSet=[entity_id for entity_id in wanted if _is_id(entity_id)],
        position=-1,
        parentInstanceId=wire.text(row["id"]),
    )
    _next_lock(tx, request, row["id"], row["execution"], at)


def unlock(tx: Transaction, entity_id: str, section: str, at: int) -> None:
    """Release this critical section's lock on the entity, if it holds it, and dispatch what waited."""
    freed = tx.one(Q.entity_unlock, at, entity_id, section)
    if freed is not None:
        process_inbox(tx, freed["key"], freed["id"])


def release_all(tx: Transaction, owner: str, execution: str, at: int) -> None:
    """Release every lock that an execution holds."""
    for row in tx.all(Q.entity_locks_of, owner, execution):
        unlock(tx, row["id"], row["lock_section"], at)


def send(tx: Transaction, row: Any, message: pb.SendEntityMessageAction, at: int) -> None:
    """Carry out what the orchestration of this row sent to an entity."""
    owner, execution = row["id"], row["execution"]
    if message.HasField("entityOperationSignaled"):
        signaled = message.entityOperationSignaled
        due = wire.from_timestamp(signaled.scheduledTime) if signaled.HasField("scheduledTime") else None
        post_signal(tx, signaled.targetInstanceId.value, signaled, due, at)
    elif message.HasField("entityOperationCalled"):
        called = message.entityOperationCalled
        target = called.targetInstanceId.value
        if not _is_id(target):
            answer(tx, (called.requestId, owner, execution), failure(f"{target!r} is not an entity ID."), at)
            return
        called.parentInstanceId.value = owner
        called.parentExecutionId.value = execution
        _put(tx, target, at, wire.event(at, entityOperationCalled=called), caller=owner, execution=execution)
    elif message.HasField("entityLockRequested"):
        request = message.entityLockRequested
        lock(tx, row, request.criticalSectionId, list(request.lockSet), at)
    else:
        freed = message.entityUnlockSent
        unlock(tx, freed.targetInstanceId.value, freed.criticalSectionId, at)


def post_signal(
    tx: Transaction, target: str, signaled: pb.EntityOperationSignaledEvent, due: int | None, at: int
) -> None:
    """Put a signal into its target's inbox, now or when it is due."""
    if not _is_id(target):
        return  # a signal has no caller who could be told
    event = wire.event(at, entityOperationSignaled=signaled)
    if due is not None and due > tx.now:
        tx.add(Q.entity_later_add, due, target, event)
        tx.timer_set(due)
    else:
        _put(tx, target, at if due is None else tx.as_of(due), event)


def signal(tx: Transaction, request: pb.SignalEntityRequest) -> None:
    """Send a client's signal. Raises InvalidError."""
    name_of(request.instanceId)
    signaled = pb.EntityOperationSignaledEvent(
        requestId=request.requestId or str(uuid.uuid4()),
        operation=request.name,
        targetInstanceId=wire.text(request.instanceId),
    )
    if request.HasField("input"):
        signaled.input.CopyFrom(request.input)
    due = wire.from_timestamp(request.scheduledTime) if request.HasField("scheduledTime") else None
    post_signal(tx, request.instanceId, signaled, due, tx.now)


def signal_due(tx: Transaction, until: int) -> None:
    """Deliver the delayed signals that are due by `until`, up to a batch of them, or of their bytes."""
    room = limits.Room(limits.BATCH)
    for row in tx.until(lambda one: room.is_over(one["event"]), Q.entity_later_due, until):
        tx.do(Q.entity_later_take, row["seq"])
        _put(tx, row["entity"], tx.as_of(row["fire_at"]), row["event"])


def failure(message: str, kind: str = "InvalidEntityID") -> pb.OperationResult:
    """The result of an operation that the hub itself fails."""
    details = pb.TaskFailureDetails(errorType=kind, errorMessage=message, isNonRetriable=True)
    return pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=details))


def answer(tx: Transaction, caller: tuple[str, str, str], result: pb.OperationResult, at: int) -> None:
    """Give an operation's result to its caller (request ID, instance ID, execution)."""
    request_id, instance_id, execution = caller
    if result.HasField("failure"):
        failed = pb.EntityOperationFailedEvent(
            requestId=request_id, failureDetails=result.failure.failureDetails
        )
        event = wire.event(at, entityOperationFailed=failed)
    else:
        done = pb.EntityOperationCompletedEvent(requestId=request_id)
        if result.success.HasField("result"):
            done.output.CopyFrom(result.success.result)
        event = wire.event(at, entityOperationCompleted=done)
    inbox.put_bound(tx, tx.one(Q.instance_by_id, instance_id), execution, at, event)


def metadata(tx: Transaction, row: Any, *, state: bool) -> pb.EntityMetadata:
    """The entity of this row as clients see it."""
    out = pb.EntityMetadata(
        instanceId=row["id"],
        lastModifiedTime=wire.to_timestamp(row["updated_at"]),
        backlogQueueSize=tx.one(Q.entity_inbox_size, row["key"])[0],
        lockedBy=wire.text(row["lock_owner"]),
    )
    if state and row["state"] is not None:
        out.serializedState.value = row["state"]
    fit(out)
    return out


def get(tx: Transaction, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
    """The entity, if it was ever sent anything."""
    row = tx.one(Q.entity_by_id, request.instanceId)
    if row is None:
        return pb.GetEntityResponse(exists=False)
    return pb.GetEntityResponse(exists=True, entity=metadata(tx, row, state=request.includeState))
