"""The inbox of an instance: what is put there, and when that earns the instance a turn."""

from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.protocol import wire
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Kind, Ready, Transaction

PENDING: Final = pb.ORCHESTRATION_STATUS_PENDING
RUNNING: Final = pb.ORCHESTRATION_STATUS_RUNNING
SUSPENDED: Final = pb.ORCHESTRATION_STATUS_SUSPENDED
ENDED: Final = frozenset(
    {
        pb.ORCHESTRATION_STATUS_COMPLETED,
        pb.ORCHESTRATION_STATUS_FAILED,
        pb.ORCHESTRATION_STATUS_TERMINATED,
        pb.ORCHESTRATION_STATUS_CANCELED,
    }
)

# Kinds of events, see the schema: from outside; bound to one execution; suspend and resume; and the word to
# rewind, which is dealt before all else and alone. The last two reach a suspended instance as well.
OUTSIDE: Final = 0
BOUND: Final = 1
CONTROL: Final = 2
REWIND: Final = 3


def word(status: "pb.OrchestrationStatus") -> str:
    """The status in a word, for sentences."""
    return pb.OrchestrationStatus.Name(status).removeprefix("ORCHESTRATION_STATUS_").lower()


def wake(tx: Transaction, row: Any) -> None:
    """Deal a turn to the instance of this row, unless it has ended, is suspended, or has yet to start."""
    if row["status"] not in ENDED and row["status"] != SUSPENDED:
        wake_anyway(tx, row)


def wake_anyway(tx: Transaction, row: Any) -> None:
    """Deal a turn to the instance of this row, suspended or not, unless its start lies ahead."""
    if row["turns"] == 0 and (row["scheduled_at"] or 0) > tx.now:
        return
    tx.effects.ready.append(Ready(Kind.TURN, row["key"], row["name"], row["version"]))


def put(tx: Transaction, row: Any, kind: int, at: int, event: bytes) -> None:
    """Put an event, arrived at `at`, into the inbox of the instance of this row, unless it has ended."""
    if row["status"] in ENDED:
        return
    tx.add(Q.inbox_add, row["key"], at, kind, event)
    wake(tx, row)


def put_bound(tx: Transaction, row: Any, execution: str, at: int, event: bytes) -> bool:
    """Put the result of something that `execution` asked for; False where that execution is over.

    This is the fence of continue-as-new: a result that the old generation waited for never reaches the new
    one.
    """
    if row is None or row["execution"] != execution or row["status"] in ENDED:
        return False
    put(tx, row, BOUND, at, event)
    return True


def raise_event(tx: Transaction, row: Any, raised: pb.EventRaisedEvent, at: int) -> None:
    """Put a named event, sent at `at`, into the inbox; an instance that has ended takes it in silence."""
    put(tx, row, OUTSIDE, at, wire.event(at, eventRaised=raised))
