"""Programs share a hub: what one has not registered waits for another, and fails only where nobody may know it."""

import logging
import queue
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub
from orchestration.hub.engine.known_work import REMEMBERED
from tests.support.hubs import HubUnderTest, RawWorker, complete, schedule, sound

KINDS: Final = ("orchestration", "activity", "entity")
A_WHILE: Final = 0.1
ONE_OF_EACH: Final = pb.GetWorkItemsRequest(
    maxConcurrentOrchestrationWorkItems=1, maxConcurrentActivityWorkItems=1, maxConcurrentEntityWorkItems=1
)


def announcing(*names: str) -> pb.GetWorkItemsRequest:
    """The request of a worker that announces that it runs all of this name, and nothing else."""
    return pb.GetWorkItemsRequest(
        workItemFilters=pb.WorkItemFilters(
            orchestrations=[pb.OrchestrationFilter(name=name) for name in names],
            activities=[pb.ActivityFilter(name=name) for name in names],
            entities=[pb.EntityFilter(name=name) for name in names],
        )
    )


def was_there(hub: HubUnderTest) -> None:
    """A worker that announced all that is called `mine` has been there and gone, as one does that restarts."""
    hub.start("another", instance_id="zero")
    with RawWorker(hub.address, announcing("mine", "another")) as worker:
        worker.answer(worker.take(), complete())


class Work:
    """Work of one kind, called `mine`: left to whoever takes it, and what became of it."""

    def __init__(self, hub: HubUnderTest, kind: str) -> None:
        self.kind = kind
        self._hub = hub
        self._given = 0
        self._turns = RawWorker(hub.address, announcing("any"))

    def close(self) -> None:
        self._turns.__exit__(None, None, None)

    def give(self) -> None:
        self._given += 1
        if self.kind == "entity":
            signal = pb.SignalEntityRequest(instanceId="@Mine@key", name="add", requestId=f"{self._given}")
            self._hub.stub.SignalEntity(signal)
        elif self.kind == "orchestration":
            self._hub.start("mine", instance_id=f"{self._given}")
        else:
            self._hub.start("any", instance_id=f"{self._given}")
            self._turns.answer(self._turns.take(), schedule(1, "mine"))

    def became(self) -> str:
        """What became of the last that was given: it "waits", is "done", or the message of its failure."""
        if self.kind == "entity":
            entity = self._hub.stub.GetEntity(pb.GetEntityRequest(instanceId="@Mine@key")).entity
            return "waits" if entity.backlogQueueSize else "done"
        if self.kind == "orchestration":
            state = self._hub.raw_state(f"{self._given}")
            ended = state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
            return state.failureDetails.errorMessage or ("done" if ended else "waits")
        try:
            turn = self._turns.take(timeout=A_WHILE).orchestratorRequest
        except queue.Empty:
            return "waits"
        return turn.newEvents[-1].taskFailed.failureDetails.errorMessage or "done"


@pytest.fixture(params=KINDS)
def work(ours: HubUnderTest, request: pytest.FixtureRequest) -> Iterator[Work]:
    given = Work(ours, request.param)
    yield given
    given.close()


def kind_of(item: pb.WorkItem) -> str:
    return {
        "orchestratorRequest": "orchestration",
        "activityRequest": "activity",
        "entityRequestV2": "entity",
    }[item.WhichOneof("request") or ""]


def does_not_know(worker: RawWorker, item: pb.WorkItem) -> None:
    """Answer as the SDK for Python does where `mine` is not registered."""
    kind = kind_of(item)
    named = {"orchestration": "Orchestrator", "activity": "Activity", "entity": "Entity"}[kind]
    failure = pb.TaskFailureDetails(
        errorType=f"durabletask.worker.{named}NotRegisteredError", errorMessage="'mine' was not registered!"
    )
    if kind == "orchestration":
        action = complete(status=pb.ORCHESTRATION_STATUS_FAILED)
        action.completeOrchestration.failureDetails.CopyFrom(failure)
        worker.answer(item, action)
    elif kind == "activity":
        answer = pb.ActivityResponse(taskId=item.activityRequest.taskId, failureDetails=failure)
        answer.completionToken = item.completionToken
        worker.stub.CompleteActivityTask(answer)
    else:
        result = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))
        worker.stub.CompleteEntityTask(
            pb.EntityBatchResult(results=[result], completionToken=item.completionToken)
        )


def does(worker: RawWorker, item: pb.WorkItem) -> None:
    """Do the work."""
    kind = kind_of(item)
    if kind == "orchestration":
        worker.answer(item, complete())
    elif kind == "activity":
        worker.finish(item)
    else:
        done = pb.OperationResult(success=pb.OperationResultSuccess())
        worker.stub.CompleteEntityTask(
            pb.EntityBatchResult(results=[done], completionToken=item.completionToken)
        )


def nothing_for(worker: RawWorker) -> None:
    with pytest.raises(queue.Empty):
        worker.take(timeout=A_WHILE)


def test_what_one_worker_does_not_know_waits_for_one_that_announced_it(
    ours: HubUnderTest, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    was_there(ours)
    work.give()
    with RawWorker(ours.address) as other, caplog.at_level(logging.WARNING):
        does_not_know(other, other.take())
        nothing_for(other)
        assert work.became() == "waits"
        (line,) = [one for one in caplog.messages if "has not registered" in one]
        assert f"{work.kind} 'mine'" in line
        with RawWorker(ours.address, announcing("mine")) as back:
            does(back, back.take())
        assert work.became() == "done"


def test_what_one_worker_does_not_know_waits_for_one_that_has_done_such_work(
    ours: HubUnderTest, work: Work
) -> None:
    work.give()
    with RawWorker(ours.address) as knowing:
        does(knowing, knowing.take())
    assert work.became() == "done"
    work.give()
    with RawWorker(ours.address) as other:
        does_not_know(other, other.take())
        nothing_for(other)
        assert work.became() == "waits"


def test_each_worker_is_asked_once_and_the_last_answer_counts(ours: HubUnderTest, work: Work) -> None:
    """Nobody has ever said to know it: a name that was misspelled fails as ever, and does not go round for ever."""
    work.give()
    with RawWorker(ours.address, ONE_OF_EACH) as one:
        first = one.take()
        if work.kind != "orchestration":
            ours.start("another", instance_id="fills it")
            one.take()
        with RawWorker(ours.address) as other:
            ours.start("another", instance_id="another")
            other.take()  # so it is there
            does_not_know(one, first)
            second = other.take()
            assert work.became() == "waits"
            does_not_know(other, second)
            assert work.became() == ("done" if work.kind == "entity" else "'mine' was not registered!")
            nothing_for(one)


def test_it_waits_for_as_long_as_a_long_weekend_and_then_fails(hub: Hub, ours: HubUnderTest) -> None:
    was_there(ours)
    ours.start("mine", instance_id="one")
    with RawWorker(ours.address) as other:
        does_not_know(other, other.take())
        hub.advance(timedelta(microseconds=REMEMBERED) - timedelta(minutes=1))
        nothing_for(other)
        hub.advance(timedelta(minutes=1))
        does_not_know(other, other.take())
        assert ours.raw_state("one").failureDetails.errorMessage == "'mine' was not registered!"


def test_what_a_worker_did_not_know_it_gets_no_more_of(ours: HubUnderTest) -> None:
    was_there(ours)
    with RawWorker(ours.address) as other:
        ours.start("mine", instance_id="one")
        does_not_know(other, other.take())
        ours.start("mine", instance_id="two")
        nothing_for(other)
        ours.start("theirs", instance_id="three")
        assert other.take().orchestratorRequest.instanceId == "three"


def test_work_goes_to_who_announced_it_before_it_goes_to_who_never_did_any(ours: HubUnderTest) -> None:
    """A person who presses a button is not to wait until another program has said that it knows nothing of it."""
    with RawWorker(ours.address) as other, RawWorker(ours.address, announcing("mine")) as knowing:
        for number in range(5):
            ours.start("mine", instance_id=f"{number}")
        for _ in range(5):
            does(knowing, knowing.take())
        nothing_for(other)


def test_a_program_that_comes_back_again_and_again_fails_nothing_and_fills_no_log(
    ours: HubUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    was_there(ours)
    for number in range(3):
        ours.start("mine", instance_id=f"{number}")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with RawWorker(ours.address) as other:
                for item in [other.take() for _ in range(3)]:
                    does_not_know(other, item)
                nothing_for(other)
    assert len([line for line in caplog.messages if "has not registered" in line]) == 1
    with RawWorker(ours.address, announcing("mine")) as back:
        for item in [back.take() for _ in range(3)]:
            does(back, item)
    assert [ours.done(f"{number}").runtime_status.name for number in range(3)] == ["COMPLETED"] * 3


def test_a_worker_that_shuts_down_hands_in_what_another_did_not_know(ours: HubUnderTest, work: Work) -> None:
    """It closes its stream and ends what it has begun. What it did would be done again otherwise."""
    with RawWorker(ours.address, announcing("mine")) as leaving:
        work.give()
        item = leaving.take()
        with RawWorker(ours.address) as other:
            leaving.hang_up()
            does_not_know(other, other.take())
            does(leaving, item)
            assert work.became() == "done"
            nothing_for(other)
    with RawWorker(ours.address, announcing("mine")) as back:
        nothing_for(back)


def test_an_answer_that_comes_after_its_worker_hung_up_fails_nothing(ours: HubUnderTest) -> None:
    was_there(ours)
    ours.start("mine", instance_id="one")
    with RawWorker(ours.address) as other:
        item = other.take()
        other.hang_up()
        does_not_know(other, item)
    with RawWorker(ours.address, announcing("mine")) as back:
        does(back, back.take())
    assert ours.done("one").serialized_output == '"end"'


def test_a_child_and_an_activity_of_another_program_are_called_while_it_is_away(ours: HubUnderTest) -> None:
    """With the SDK's own workers. Neither announces anything, and each restarts while the other works."""

    def theirs(ctx: task.OrchestrationContext, _given: Any) -> Any:
        result = yield ctx.call_activity("measure", input=2)
        return result + (yield ctx.call_sub_orchestrator("mine", input=3))

    def mine(_ctx: task.OrchestrationContext, given: int) -> int:
        return given * 10

    def measure(_ctx: task.ActivityContext, given: int) -> int:
        return given

    def program() -> Callable[[], None]:
        return ours.work(mine, activities=(measure,)).stop

    stop = program()
    ours.work(theirs)
    for _ in range(5):  # the second may not be connected yet, and the first knows of no other then
        if (first := ours.done(ours.start(theirs)).serialized_output) is not None:
            break
    assert first == "32"
    stop()
    asked = [ours.start(theirs), ours.start(mine, 1)]
    ours.work(theirs)  # a worker that was asked nothing yet, and knows neither
    assert ours.done(ours.start("nobody_knows")).runtime_status.name == "FAILED"
    for instance_id, status in zip(asked, ("RUNNING", "PENDING"), strict=True):
        ours.status(instance_id, status)
    program()
    assert [ours.done(one).serialized_output for one in asked] == ["32", "10"]


@pytest.mark.parametrize("announced", [True, False])
def test_a_hub_that_starts_again_knows_what_workers_ran(tmp_path: Path, announced: bool) -> None:
    """Programs come back to it in any order, and one that announces nothing may be the first."""
    with Hub(tmp_path / "hub.db") as hub:
        before = HubUnderTest(hub.address)
        before.start("mine", instance_id="one")
        with RawWorker(hub.address, announcing("mine") if announced else None) as knowing:
            does(knowing, knowing.take())
            before.done("one")
        before.close()
    with Hub(tmp_path / "hub.db") as hub:
        after = HubUnderTest(hub.address)
        after.start("mine", instance_id="two")
        with RawWorker(hub.address) as other:
            does_not_know(other, other.take())
            nothing_for(other)
            with RawWorker(hub.address, announcing("mine")) as back:
                does(back, back.take())
        assert after.done("two").serialized_output == '"end"'
        after.close()
    sound(tmp_path / "hub.db")
