"""How an instance ends, and how it is deleted."""

from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities, inbox
from orchestration.hub.protocol import statuses, wire
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

# How many payload bytes count as one row of work. Measured: to delete a page of 4 KiB takes as long as about four rows.
_BYTES_PER_ROW: Final = 1024


class Ending(NamedTuple):
    """How an execution ended, other than by continue-as-new."""

    status: pb.OrchestrationStatus
    output: str | None
    failure: pb.TaskFailureDetails | None


def end(tx: Transaction, row: Any, ending: Ending, at: int) -> None:
    """Record the end of the instance of this row, drop what it waited for, and notify its parent.

    The parent is notified only in the execution that started the instance. The caller writes the history. Entity
    locks that the instance still holds are released, because nothing else could release them.
    """
    key = row["key"]
    failure = ending.failure.SerializeToString() if ending.failure is not None else None
    tx.do(Q.instance_end, ending.status, at, at, ending.output, failure, key)
    tx.do(Q.inbox_delete, key)
    tx.do(Q.timer_delete, key)
    tx.after_commit.changed_instances.add(row["id"])
    entities.release_all(tx, row["id"], row["execution"], at)
    if row["parent"] is not None:
        _notify_parent(tx, row, ending, at)


def _notify_parent(tx: Transaction, row: Any, ending: Ending, at: int) -> None:
    task = row["parent_task"]
    if ending.status == pb.ORCHESTRATION_STATUS_COMPLETED:
        event = child_completed(at, task, ending.output)
    else:
        event = child_failed(at, task, ending.failure or unexplained(row["id"], statuses.word(ending.status)))
    parent = tx.one(Q.instance_by_key, row["parent"])
    inbox.put_bound(tx, parent, row["parent_execution"], at, event)


def completed_event(at: int, ending: Ending) -> bytes:
    """The last event of an execution's history."""
    done = pb.ExecutionCompletedEvent(
        orchestrationStatus=ending.status, result=wire.text(ending.output), failureDetails=ending.failure
    )
    return wire.event(at, executionCompleted=done)


def unexplained(instance_id: str, how: str) -> pb.TaskFailureDetails:
    """The failure of a sub-orchestration that ended without one. `how` it ended is a word such as `terminated`."""
    return pb.TaskFailureDetails(
        errorType="SubOrchestrationEnded",
        errorMessage=f"The sub-orchestration {instance_id!r} was {how}.",
    )


def child_completed(at: int, task: int, output: str | None) -> bytes:
    """The event that gives a parent the output of its sub-orchestration."""
    done = pb.SubOrchestrationInstanceCompletedEvent(taskScheduledId=task, result=wire.text(output))
    return wire.event(at, subOrchestrationInstanceCompleted=done)


def child_failed(at: int, task: int, failure: pb.TaskFailureDetails) -> bytes:
    """The event that reports a sub-orchestration's failure to its parent, with all causes."""
    failed = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task, failureDetails=failure)
    return wire.event(at, subOrchestrationInstanceFailed=failed)


def delete(tx: Transaction, key: int) -> int:
    """Delete an instance and everything that belongs to it, whatever its status; returns the work done, in rows.

    Payloads count as rows too, because each page that they filled is written once more when it is freed.
    """
    size = tx.one(Q.instance_size, key)
    statements = (Q.history_delete, Q.inbox_delete, Q.timer_delete, Q.activity_delete, Q.instance_delete)
    return sum(tx.do(statement, key) for statement in statements) + (size[0] // _BYTES_PER_ROW if size else 0)
