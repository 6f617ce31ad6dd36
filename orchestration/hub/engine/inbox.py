"""The inbox of an instance: what is put there, and when the instance gets a turn because of it."""

from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import history_room
from orchestration.hub.errors import NotReadyError
from orchestration.hub.protocol import limits, statuses, wire
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind

# Kinds of events, as in the schema. An event from outside survives continue-as-new; one that is bound belongs to
# one execution. Control events (suspend, resume) and the rewind event reach a suspended instance too. A rewind
# event gets a turn of its own, before all others.
EXTERNAL: Final = 0
BOUND: Final = 1
CONTROL: Final = 2
REWIND: Final = 3


def wake(tx: Transaction, row: Any, *, ahead: bool = False) -> None:
    """Give the instance of this row a turn, unless it has ended, is suspended, or is to start later."""
    if row["status"] not in statuses.ENDED and row["status"] != statuses.SUSPENDED:
        wake_even_suspended(tx, row, ahead=ahead)


def wake_even_suspended(tx: Transaction, row: Any, *, ahead: bool = False) -> None:
    """Give the instance of this row a turn, suspended or not, unless it is to start later."""
    if row["turns"] == 0 and (row["scheduled_at"] or 0) > tx.now:
        return
    ready = ReadyWork(WorkItemKind.TURN, row["key"], row["name"], row["version"], ahead)
    tx.after_commit.ready.append(ready)


def put(tx: Transaction, row: Any, kind: int, at: int, event: bytes) -> None:
    """Put an event that arrived at `at` into the inbox of the instance of this row, unless it has ended."""
    if row["status"] in statuses.ENDED:
        return
    tx.add(Q.inbox_add, row["key"], at, kind, event)
    history_room.note(tx, row["key"], len(event))
    wake(tx, row, ahead=kind == EXTERNAL)


def put_bound(tx: Transaction, row: Any, execution: str, at: int, event: bytes) -> bool:
    """Put a result that `execution` asked for into the inbox; returns False where that execution is over.

    So after continue-as-new, a result for the old execution never reaches the new one. A result that does not fit into
    the history is replaced by a failure.
    """
    if row is None or row["execution"] != execution or row["status"] in statuses.ENDED:
        return False
    put(tx, row, BOUND, at, history_room.fitting(tx, row["key"], event))
    return True


def raise_event(tx: Transaction, row: Any, raised: pb.EventRaisedEvent, at: int) -> None:
    """Put a named event, sent at `at`, into the inbox. It is dropped without an error where the instance has ended.

    Raises NotReadyError where it does not fit into the history.
    """
    event = wire.event(at, eventRaised=raised)
    size = None if row["status"] in statuses.ENDED else history_room.excess(tx, row["key"], len(event))
    if size is not None:
        raise NotReadyError(f"{row['id']!r} cannot take this event. {limits.too_long_message(size)}")
    put(tx, row, EXTERNAL, at, event)
