"""Activities: the work item that a worker gets, and what its answer changes."""

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import inbox
from orchestration.hub.errors import StaleError
from orchestration.hub.protocol import limits, wire
from orchestration.hub.protocol.field_limits import excess
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction


def work_item(tx: Transaction, key: int, token: str, *, first: bool) -> bytes | None:
    """The work item of the activity with this key, or None where the activity was dropped.

    `first`: as of `wire.activity_item`.
    """
    row = tx.one(Q.activity_request, key)
    return None if row is None else wire.activity_item(token, row["request"], first=first)


def complete(tx: Transaction, key: int, response: pb.ActivityResponse) -> bool:
    """Record an activity's result and wake its orchestration.

    Returns False where the execution that asked for it has continued as new. Raises StaleError where the activity has a
    result already, or was dropped with its execution. If the orchestration has ended meanwhile, the result is dropped
    without an error.
    """
    activity = tx.one(Q.activity_take, key)
    if activity is None:
        raise StaleError(
            "This activity has a result already, or its execution is over; the answer is ignored."
        )
    at = tx.as_of(activity["at"])
    row = tx.one(Q.instance_by_key, activity["instance"])
    delivered = inbox.put_bound(tx, row, activity["execution"], at, _event(activity["task"], response, at))
    return delivered or row is None or row["execution"] == activity["execution"]


def _event(task: int, response: pb.ActivityResponse, at: int) -> bytes:
    over = excess(response)
    if response.HasField("failureDetails"):
        failure = response.failureDetails
    elif over is None:
        done = pb.TaskCompletedEvent(taskScheduledId=task)
        if response.HasField("result"):
            done.result.CopyFrom(response.result)
        return wire.event(at, taskCompleted=done)
    else:
        words = f"The activity's answer: {over}"
        failure = pb.TaskFailureDetails(errorType=limits.TOO_LARGE, errorMessage=words, isNonRetriable=True)
    return wire.event(at, taskFailed=pb.TaskFailedEvent(taskScheduledId=task, failureDetails=failure))
