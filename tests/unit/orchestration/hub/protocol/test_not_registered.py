"""How each SDK's worker says that it has not registered something, in the words of its source."""

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.protocol import not_registered

# The SDK, and what it says of the orchestration, the activity and the entity that are called `mine`.
SAID = {
    "Python": (
        ("durabletask.worker.OrchestratorNotRegisteredError", "A 'mine' orchestrator was not registered."),
        (
            "durabletask.worker.ActivityNotRegisteredError",
            "Activity function named 'mine' was not registered!",
        ),
        ("durabletask.worker.EntityNotRegisteredError", "Entity function named 'mine' was not registered!"),
    ),
    "Python, before it named the module": (
        ("OrchestratorNotRegisteredError", "A 'mine' orchestrator was not registered."),
        ("ActivityNotRegisteredError", "Activity function named 'mine' was not registered!"),
        ("EntityNotRegisteredError", "Entity function named 'mine' was not registered!"),
    ),
    "JavaScript": (
        ("OrchestratorNotRegisteredError", "Orchestrator 'mine' does not exist."),
        ("ActivityNotRegisteredError", "Activity function 'mine' is not registered."),
        ("EntityTaskNotFound", "No entity task named 'mine' was found."),
    ),
    ".NET": (
        ("OrchestratorTaskNotFound", "No orchestrator task named 'mine' was found."),
        ("ActivityTaskNotFound", "No activity task named 'mine' was found."),
        ("EntityTaskNotFound", "No entity task named 'mine' was found."),
    ),
    "Go": (
        ("OrchestratorTaskNotFound", "No orchestrator task named 'mine' with version '2' was found."),
        ("ActivityTaskNotFound", "No activity task named 'mine' with version '2' was found."),
        ("EntityTaskNotFound", "No entity task named 'mine' was found."),
    ),
    "Java": (
        (
            "java.lang.IllegalStateException",
            "No orchestration factory registered for orchestration type 'mine'. This usually means that",
        ),
        ("java.lang.IllegalStateException", "No activity task named 'mine' is registered."),
        None,
    ),
}
# Failures of the work itself, which count.
FAILED = (
    ("builtins.ValueError", "A 'mine' orchestrator was not registered."),
    ("java.lang.IllegalStateException", "I wanted 'mine'."),
    ("durabletask.task.TaskFailedError", "Activity function named 'mine' was not registered!"),
    ("durabletask.worker.OrchestratorNotRegisteredError", "A 'theirs' orchestrator was not registered."),
    ("ActivityTaskNotFound", "No activity task named 'mine2' was found."),
    ("EntityTaskNotFound", "Invalid entity instance id format: '@other@mine'"),
    ("", ""),
)

Words = tuple[str, str]


def details(words: Words) -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(errorType=words[0], errorMessage=words[1])


def turn(
    words: Words, status: "pb.OrchestrationStatus" = pb.ORCHESTRATION_STATUS_FAILED, more: int = 0
) -> pb.OrchestratorResponse:
    done = pb.CompleteOrchestrationAction(orchestrationStatus=status, failureDetails=details(words))
    actions = [pb.OrchestratorAction(id=1, completeOrchestration=done)]
    return pb.OrchestratorResponse(actions=actions + [pb.OrchestratorAction(id=2)] * more)


def batch(*words: Words | None, acted: bool = False) -> pb.EntityBatchResult:
    results = [
        pb.OperationResult(success=pb.OperationResultSuccess())
        if one is None
        else pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=details(one)))
        for one in words
    ]
    return pb.EntityBatchResult(results=results, actions=[pb.OperationAction()] if acted else [])


@pytest.mark.parametrize("sdk", SAID)
def test_each_sdk_is_understood(sdk: str) -> None:
    orchestration, activity, entity = SAID[sdk]
    assert not_registered.turn(turn(orchestration), "mine")
    assert not_registered.activity(pb.ActivityResponse(failureDetails=details(activity)), "mine")
    if entity is not None:
        assert not_registered.entity(batch(entity, entity), "mine")
        assert not_registered.entity(batch(entity), "MINE"), "the SDKs write entities in small letters"


@pytest.mark.parametrize("words", FAILED)
def test_a_failure_of_the_work_itself_is_none_of_it(words: Words) -> None:
    assert not not_registered.turn(turn(words), "mine")
    assert not not_registered.activity(pb.ActivityResponse(failureDetails=details(words)), "mine")
    assert not not_registered.entity(batch(words), "mine")


def test_an_answer_that_did_something_counts() -> None:
    orchestration, _, entity = SAID["Python"]
    assert entity is not None
    assert not not_registered.turn(turn(orchestration, pb.ORCHESTRATION_STATUS_COMPLETED), "mine")
    assert not not_registered.turn(turn(orchestration, more=1), "mine")
    assert not not_registered.turn(pb.OrchestratorResponse(), "mine")
    assert not not_registered.entity(batch(entity, None), "mine")
    assert not not_registered.entity(batch(entity, acted=True), "mine")
    assert not not_registered.entity(batch(), "mine")
    assert not not_registered.activity(pb.ActivityResponse(), "mine")
