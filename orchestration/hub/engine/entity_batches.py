"""Batches of an entity's operations: the work item that a worker gets, and what its answer changes."""

import logging
import uuid
from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities, instances
from orchestration.hub.errors import StaleError
from orchestration.hub.protocol import limits, wire
from orchestration.hub.protocol.field_limits import excess
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

_log: Final = logging.getLogger(__name__)
_STALE: Final = "This batch was completed before; the answer is ignored."


class EntityBatch(NamedTuple):
    """The operations of one work item.

    `batches` is how many batches the entity had before. `at` is when the first operation arrived. `callers` has
    (request ID, instance ID) for each call and None for each signal.
    """

    key: int
    batches: int
    at: int
    seqs: list[int]
    callers: list[tuple[str, str] | None]


def work_item(
    tx: Transaction, key: int, token: str, alone_until: int = -1
) -> tuple[bytes, EntityBatch] | None:
    """The work item of the entity's next batch, or None where there is nothing to do.

    Messages up to the number `alone_until` come one by one.
    """
    row = tx.one(Q.entity_by_key, key)
    if row is None:
        return None
    batch = entities.eligible(tx, row, limits.BATCH - len((row["state"] or "").encode()))
    if not batch:
        return None
    if batch[0]["seq"] <= alone_until:
        batch = batch[:1]
    events = [pb.HistoryEvent.FromString(one["event"]) for one in batch]
    callers = [
        (event.entityOperationCalled.requestId, one["caller"]) if one["caller"] else None
        for event, one in zip(events, batch, strict=True)
    ]
    request = pb.EntityRequest(
        instanceId=row["id"], entityState=wire.text(row["state"]), operationRequests=events
    )
    dispatched = EntityBatch(key, row["batches"], batch[0]["at"], [one["seq"] for one in batch], callers)
    return wire.entity_item(token, request.SerializeToString()), dispatched


def complete(tx: Transaction, dispatched: EntityBatch, result: pb.EntityBatchResult) -> None:
    """Apply a batch: state, answers, and what its operations sent, in one transaction. Raises StaleError.

    Fewer results than operations mean that the worker stopped there: the rest stays in the inbox and is
    dispatched again.
    """
    _fail_large_results(result)
    over = excess(result)
    if over is not None:
        failed = entities.failure(f"The entity's answer: {over}", limits.TOO_LARGE)
        refuse(tx, dispatched, failed.failure.failureDetails)
        return
    state = result.entityState.value if result.HasField("entityState") else None
    if result.HasField("failureDetails") and not result.results:
        _fail(tx, dispatched, result.failureDetails)
        return
    _apply(tx, dispatched, state, list(result.results), list(result.actions))


def _fail_large_results(result: pb.EntityBatchResult) -> None:
    """Replace each result that is too large with a failure. The changes that the operation made are kept."""
    for one in result.results:
        over = excess(one)
        if over is not None:
            one.CopyFrom(entities.failure(f"The operation's result: {over}", limits.TOO_LARGE))


def refuse(tx: Transaction, dispatched: EntityBatch, failure: pb.TaskFailureDetails) -> None:
    """Apply nothing of a batch's answer. Raises StaleError.

    A single operation fails with this failure. Several are dispatched again, one by one: perhaps only one of them asked
    for too much, and the others must take effect.
    """
    if len(dispatched.seqs) == 1:
        _log.warning("An operation of an entity was refused: %s", failure.errorMessage)
        _fail(tx, dispatched, failure)
        return
    row = _current(tx, dispatched)
    tx.after_commit.one_by_one[dispatched.key] = dispatched.seqs[-1]
    entities.process_inbox(tx, dispatched.key, row["id"])


def _fail(tx: Transaction, dispatched: EntityBatch, failure: pb.TaskFailureDetails) -> None:
    """Let every operation of the batch fail; the state stays as it was."""
    failed = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))
    _apply(tx, dispatched, _current(tx, dispatched)["state"], [failed] * len(dispatched.seqs), [])


def _current(tx: Transaction, dispatched: EntityBatch) -> Any:
    """The entity of the batch. Raises StaleError."""
    row = tx.one(Q.entity_by_key, dispatched.key)
    if row is None or row["batches"] != dispatched.batches:
        raise StaleError(_STALE)
    return row


def _apply(
    tx: Transaction,
    dispatched: EntityBatch,
    state: str | None,
    results: list[pb.OperationResult],
    actions: list[pb.OperationAction],
) -> None:
    at = tx.as_of(dispatched.at)
    row = tx.one(Q.entity_by_key, dispatched.key)
    if not tx.do(Q.entity_apply_batch, state or None, at, dispatched.key, dispatched.batches):
        raise StaleError(_STALE)
    for seq, caller, one in zip(dispatched.seqs, dispatched.callers, results, strict=False):
        taken = tx.one(Q.entity_inbox_answer, seq)
        if caller is not None:
            entities.answer(tx, (*caller, taken["caller_execution"]), one, at)
    for action in actions:
        _carry_out(tx, action, at)
    entities.process_inbox(tx, dispatched.key, row["id"])


def _carry_out(tx: Transaction, action: pb.OperationAction, at: int) -> None:
    """Carry out what an operation asked for: a signal to another entity, or the start of an orchestration."""
    if action.HasField("sendSignal"):
        sending = action.sendSignal
        signaled = pb.EntityOperationSignaledEvent(
            requestId=str(uuid.uuid4()),
            operation=sending.name,
            targetInstanceId=wire.text(sending.instanceId),
        )
        if sending.HasField("input"):
            signaled.input.CopyFrom(sending.input)
        due = wire.from_timestamp(sending.scheduledTime) if sending.HasField("scheduledTime") else None
        entities.post_signal(tx, sending.instanceId, signaled, due, at)
    elif action.HasField("startNewOrchestration"):
        instances.start_for_entity(tx, action.startNewOrchestration, at)
