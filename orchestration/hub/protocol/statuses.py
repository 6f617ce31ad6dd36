"""The statuses of an orchestration instance."""

from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb

PENDING: Final = pb.ORCHESTRATION_STATUS_PENDING
RUNNING: Final = pb.ORCHESTRATION_STATUS_RUNNING
SUSPENDED: Final = pb.ORCHESTRATION_STATUS_SUSPENDED
COMPLETED: Final = pb.ORCHESTRATION_STATUS_COMPLETED
FAILED: Final = pb.ORCHESTRATION_STATUS_FAILED
TERMINATED: Final = pb.ORCHESTRATION_STATUS_TERMINATED
CONTINUED_AS_NEW: Final = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
ENDED: Final = frozenset({COMPLETED, FAILED, TERMINATED, pb.ORCHESTRATION_STATUS_CANCELED})


def word(status: "pb.OrchestrationStatus") -> str:
    """The status as one word in lower case, for sentences."""
    return pb.OrchestrationStatus.Name(status).removeprefix("ORCHESTRATION_STATUS_").lower()
