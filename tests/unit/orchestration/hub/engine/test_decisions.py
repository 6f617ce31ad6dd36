"""A decision that the hub cannot carry out fails the orchestration with a reason, and changes nothing else."""

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine.decisions import decisions_in
from orchestration.hub.protocol import statuses

TURN = pb.HistoryEvent(orchestratorStarted=pb.OrchestratorStartedEvent())
START = pb.HistoryEvent(executionStarted=pb.ExecutionStartedEvent(name="any"))
RAISED = pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name="go"))
END = pb.HistoryEvent(executionCompleted=pb.ExecutionCompletedEvent())
REWOUND = pb.HistoryEvent(executionRewound=pb.ExecutionRewoundEvent())


def carrying(*events: pb.HistoryEvent) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(
        completeOrchestration=pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, carryoverEvents=events
        )
    )


def rewriting(*events: pb.HistoryEvent) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(rewindOrchestration=pb.RewindOrchestrationAction(newHistory=events))


def failure(*actions: pb.OrchestratorAction) -> pb.TaskFailureDetails | None:
    decided = decisions_in(pb.OrchestratorResponse(actions=actions), 1)
    if decided.ending is None:
        return None
    assert decided.ending.status == statuses.FAILED
    assert not any([decided.activities, decided.continue_as_new, decided.rewritten])
    return decided.ending.failure


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (carrying(RAISED, START), "carries executionStarted over"),
        (carrying(END), "carries executionCompleted over"),
        (carrying(pb.HistoryEvent()), "carries an event of no kind over"),
        (rewriting(TURN, RAISED, START, TURN, REWOUND), "begins with eventRaised"),
        (rewriting(TURN, START, TURN, START, TURN, REWOUND), "starts twice"),
        (rewriting(TURN, START, END, RAISED, TURN, REWOUND), "goes on after its end, with eventRaised"),
        (rewriting(TURN, REWOUND), "does not start"),
        (rewriting(REWOUND), "does not start"),
    ],
)
def test_no_worker_breaks_the_order_of_a_history(action: pb.OrchestratorAction, words: str) -> None:
    failed = failure(action)
    assert failed is not None
    assert words in failed.errorMessage


@pytest.mark.parametrize(
    "action",
    [
        carrying(),
        carrying(RAISED, RAISED),
        rewriting(TURN, START, RAISED, TURN, REWOUND),
        rewriting(START, END, TURN, REWOUND, RAISED, REWOUND),
    ],
)
def test_what_keeps_the_order_is_carried_out(action: pb.OrchestratorAction) -> None:
    assert failure(action) is None


def test_what_the_worker_adds_after_the_end_is_left_but_for_the_locks_that_are_freed() -> None:
    """The SDK adds the timer of a retry, where a task fails in the turn that ends. `check` would find it damaged."""
    ended = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED)
    freed = pb.SendEntityMessageAction(entityUnlockSent=pb.EntityUnlockSentEvent(criticalSectionId="one"))
    decided = decisions_in(
        pb.OrchestratorResponse(
            actions=[
                pb.OrchestratorAction(id=8, completeOrchestration=ended),
                pb.OrchestratorAction(id=9, createTimer=pb.CreateTimerAction()),
                pb.OrchestratorAction(id=10, scheduleTask=pb.ScheduleTaskAction(name="again")),
                pb.OrchestratorAction(id=11, sendEntityMessage=freed),
            ]
        ),
        1,
    )
    assert decided.ending is not None
    assert (decided.timers, decided.activities, decided.messages) == ([], [], [freed])
