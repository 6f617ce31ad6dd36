"""A batch of an entity's operations: what is dealt to a worker, and what its answer changes."""

import uuid
from typing import NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities, instances
from orchestration.hub.errors import StaleError
from orchestration.hub.protocol import limits, wire
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Transaction


class Batch(NamedTuple):
    """Operations as dealt. A caller is (request ID, instance ID); a signal has None."""

    key: int
    batches: int
    at: int
    seqs: list[int]
    callers: list[tuple[str, str] | None]


def deal(tx: Transaction, key: int, token: str) -> tuple[bytes, Batch] | None:
    """The work item of the entity's next batch, or None where there is nothing to do."""
    row = tx.one(Q.entity_by_key, key)
    if row is None:
        return None
    batch = entities.eligible(tx, row)
    if not batch:
        return None
    events = [pb.HistoryEvent.FromString(one["event"]) for one in batch]
    callers = [
        (event.entityOperationCalled.requestId, one["caller"]) if one["caller"] else None
        for event, one in zip(events, batch, strict=True)
    ]
    request = pb.EntityRequest(
        instanceId=row["id"], entityState=wire.text(row["state"]), operationRequests=events
    )
    dealt = Batch(key, row["batches"], batch[0]["at"], [one["seq"] for one in batch], callers)
    return wire.entity_item(token, request.SerializeToString()), dealt


def complete(tx: Transaction, dealt: Batch, result: pb.EntityBatchResult) -> None:
    """Apply a batch: state, answers, and what its operations sent, in one transaction. Raises StaleError.

    Fewer results than operations means that the worker stopped there: the rest stays in the inbox and is
    dealt again.
    """
    row = tx.one(Q.entity_by_key, dealt.key)
    at = tx.as_of(dealt.at)
    state = result.entityState.value if result.HasField("entityState") else None
    results = list(result.results)
    size = limits.too_large(state)
    if size is not None:
        refused = entities.failure(limits.too_large_words("entity's state", size), "PayloadTooLarge")
        state = row["state"]
        results = [refused] * len(dealt.seqs)
    elif result.HasField("failureDetails") and not results:
        state = row["state"]
        results = [
            pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=result.failureDetails))
        ] * len(dealt.seqs)
    if not tx.do(Q.entity_applied, state or None, at, dealt.key, dealt.batches):
        raise StaleError("This batch was completed before; the answer is ignored.")
    for seq, caller, one in zip(dealt.seqs, dealt.callers, results, strict=False):
        taken = tx.one(Q.entity_inbox_answer, seq)
        if caller is not None:
            entities.answer(tx, (*caller, taken["caller_execution"]), one, at)
    if size is None:
        for action in result.actions:
            _act(tx, action, at)
    entities.pump(tx, dealt.key, row["id"])


def _act(tx: Transaction, action: pb.OperationAction, at: int) -> None:
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
        due = wire.unstamp(sending.scheduledTime) if sending.HasField("scheduledTime") else None
        entities.post_signal(tx, sending.instanceId, signaled, due, at)
    elif action.HasField("startNewOrchestration"):
        instances.start_for_entity(tx, action.startNewOrchestration, at)
