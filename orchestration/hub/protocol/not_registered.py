"""How the workers of the SDKs say that they have not registered what they were given to run.

A worker answers as if the work had failed. It is told apart by the type of the error, and by the name in its text: an
orchestration that fails because somebody else's work is not registered says another type, or another name.
"""

from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb

# The last part of the error's type: Python and JavaScript say the first, .NET and Go the second.
_ORCHESTRATOR: Final = frozenset({"OrchestratorNotRegisteredError", "OrchestratorTaskNotFound"})
_ACTIVITY: Final = frozenset({"ActivityNotRegisteredError", "ActivityTaskNotFound"})
_ENTITY: Final = frozenset({"EntityNotRegisteredError", "EntityTaskNotFound"})
# Java has no error type of its own for this.
_JAVA_TYPE: Final = "IllegalStateException"
_JAVA_TEXT: Final = (
    "No orchestration factory registered for orchestration type '{}'.",
    "No activity task named '{}' is registered.",
)


def turn(response: pb.OrchestratorResponse, name: str) -> bool:
    """Whether this answer to a turn says that the worker has not registered the orchestration of this name."""
    if len(response.actions) != 1:
        return False
    done = response.actions[0].completeOrchestration
    return done.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED and _says(
        done.failureDetails, _ORCHESTRATOR, name
    )


def activity(response: pb.ActivityResponse, name: str) -> bool:
    """Whether this answer says that the worker has not registered the activity of this name."""
    return _says(response.failureDetails, _ACTIVITY, name)


def entity(result: pb.EntityBatchResult, name: str) -> bool:
    """Whether this answer says, for each operation, that the worker has not registered the entity of this name."""
    return (
        bool(result.results)
        and not result.actions
        and all(_says(one.failure.failureDetails, _ENTITY, name) for one in result.results)
    )


def _says(failure: pb.TaskFailureDetails, types: frozenset[str], name: str) -> bool:
    kind = failure.errorType.rpartition(".")[2]
    if kind == _JAVA_TYPE:
        return failure.errorMessage.startswith(tuple(text.format(name) for text in _JAVA_TEXT))
    return kind in types and f"'{name}'".casefold() in failure.errorMessage.casefold()
