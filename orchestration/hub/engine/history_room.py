"""How much more the history of an instance may grow: a worker is sent all of it with every turn, in one message.

What does not fit is refused when it is offered: an event to whoever sends it, a result to whoever waits for it, and a
turn's decisions to the instance itself.
"""

from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.protocol import limits
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

# Bytes. A result up to this size is always kept: a work item has room for many of them beyond the history's limit.
_SMALL: Final = 4096
# For how many instances the sizes are cached.
_KNOWN: Final = 10_000


def excess(tx: Transaction, key: int, added: int) -> int | None:
    """The size of this instance's history and inbox with `added` more bytes, if that is over the limit, else None."""
    size = tx.sizes.get(key)
    if size is None:
        # Counted once, and not for each event: ten thousand events may wait, and each would be counted again.
        size = tx.one(Q.history_size, key, key)[0]
        if len(tx.sizes) >= _KNOWN:
            tx.sizes.clear()
        tx.sizes[key] = size
    return size + added if size + added > limits.HISTORY else None


def note(tx: Transaction, key: int, added: int) -> None:
    """Note that the inbox of this instance has grown by `added` bytes."""
    if key in tx.sizes:
        tx.sizes[key] += added


def forget(tx: Transaction, key: int) -> None:
    """Have the history and inbox of this instance counted again when their size is next needed."""
    tx.sizes.pop(key, None)


def fitting(tx: Transaction, key: int, event: bytes) -> bytes:
    """The result's event as it is stored: a result that does not fit is replaced by a failure that says so."""
    size = excess(tx, key, len(event)) if len(event) > _SMALL else None
    return event if size is None else _refused(pb.HistoryEvent.FromString(event), size) or event


def _refused(event: pb.HistoryEvent, size: int) -> bytes | None:
    failure = pb.TaskFailureDetails(
        errorType="HistoryTooLong",
        errorMessage=f"This result was not kept: {limits.too_long_message(size)}",
        isNonRetriable=True,
    )
    out = pb.HistoryEvent(eventId=event.eventId, timestamp=event.timestamp)
    result: Any = getattr(event, event.WhichOneof("eventType") or "", None)
    if event.HasField("taskCompleted") or event.HasField("taskFailed"):
        out.taskFailed.taskScheduledId = result.taskScheduledId
        out.taskFailed.failureDetails.CopyFrom(failure)
    elif event.HasField("subOrchestrationInstanceCompleted") or event.HasField(
        "subOrchestrationInstanceFailed"
    ):
        out.subOrchestrationInstanceFailed.taskScheduledId = result.taskScheduledId
        out.subOrchestrationInstanceFailed.failureDetails.CopyFrom(failure)
    elif event.HasField("entityOperationCompleted") or event.HasField("entityOperationFailed"):
        out.entityOperationFailed.requestId = result.requestId
        out.entityOperationFailed.failureDetails.CopyFrom(failure)
    else:
        return None
    return out.SerializeToString()
