"""What a rewind restores of what the failure had dropped."""

import queue
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from durabletask import entities, task
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub
from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, RawWorker, complete, eventually, schedule

ONE = EntityInstanceId("SlowCounter", "one")
TWO = EntityInstanceId("SlowCounter", "two")
FAILED = complete(status=pb.ORCHESTRATION_STATUS_FAILED)


class FailingOnce:
    """An activity that fails at first, and an entity that answers when it may."""

    def __init__(self) -> None:
        self.attempts = 0
        self.answer = threading.Event()
        self.answer.set()

    def work(self, tested_hub: HubUnderTest, *orchestrators: Any) -> None:
        failing_once = self

        def faulty(_ctx: task.ActivityContext, _given: Any) -> str:
            failing_once.attempts += 1
            if failing_once.attempts == 1:
                raise OSError("out of order")
            return "repaired"

        class SlowCounter(entities.DurableEntity):
            def add(self, number: int) -> int:
                assert failing_once.answer.wait(PATIENCE_S)
                self.set_state(self.get_state(int, 0) + number)
                return self.get_state(int, 0)

        tested_hub.work(*orchestrators, activities=(faulty,), entities=(SlowCounter,))


def failed(tested_hub: HubUnderTest, orchestrator: Any) -> str:
    instance = tested_hub.start(orchestrator)
    assert tested_hub.done(instance).runtime_status.name == "FAILED"
    return instance


def timed(ctx: task.OrchestrationContext, _given: Any) -> Any:
    timer = ctx.create_timer(timedelta(days=1))
    yield ctx.call_activity("faulty")
    yield timer
    return "in time"


def counts(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Calls an entity, fails before it answers, and gets the answer after the rewind."""
    call = ctx.call_entity(ONE, "add", 1)
    yield ctx.call_activity("faulty")
    try:
        return (yield call)
    except task.TaskFailedError as error:
        return str(error)


def holds(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Fails inside a critical section, and is in it again after the rewind."""
    with (yield ctx.lock_entities([ONE, TWO])):
        before = yield ctx.call_entity(ONE, "add", 1)
        yield ctx.call_activity("faulty")
        ctx.set_custom_status("holding")
        yield ctx.wait_for_external_event("go")
        return [before, (yield ctx.call_entity(ONE, "add", 1))]


def state(tested_hub: HubUnderTest, entity: EntityInstanceId) -> str:
    request = pb.GetEntityRequest(instanceId=str(entity), includeState=True)
    return tested_hub.stub.GetEntity(request).entity.serializedState.value


def locked_by(tested_hub: HubUnderTest, entity: EntityInstanceId) -> str:
    return tested_hub.stub.GetEntity(pb.GetEntityRequest(instanceId=str(entity))).entity.lockedBy.value


def clean(turn: pb.WorkItem) -> pb.OrchestratorAction:
    """What the SDK's worker answers to a turn that rewinds."""
    request = turn.orchestratorRequest
    assert kinds_of(turn) == ["orchestratorStarted", "executionRewound"]
    failures = {
        event.taskFailed.taskScheduledId for event in request.pastEvents if event.HasField("taskFailed")
    }
    kept = [
        event
        for event in [*request.pastEvents, *request.newEvents]
        if not event.HasField("taskFailed")
        and not event.HasField("executionCompleted")
        and not (event.HasField("taskScheduled") and event.eventId in failures)
    ]
    for event in kept:
        if event.HasField("executionStarted"):
            event.executionStarted.orchestrationInstance.executionId.value = uuid.uuid4().hex
    return pb.OrchestratorAction(id=-1, rewindOrchestration=pb.RewindOrchestrationAction(newHistory=kept))


def next_turn(worker: RawWorker) -> pb.WorkItem:
    """The next turn; activities that come before it are not answered."""
    while not (item := worker.take()).HasField("orchestratorRequest"):
        pass
    return item


def kinds_of(turn: pb.WorkItem) -> list[str | None]:
    return [event.WhichOneof("eventType") for event in turn.orchestratorRequest.newEvents]


def rewind(worker: RawWorker) -> None:
    """Answer the turn that rewinds as the SDK's worker does."""
    turn = next_turn(worker)
    worker.answer(turn, clean(turn))


def results(turn: pb.WorkItem) -> list[str]:
    """The results of activities that a turn brings."""
    events = turn.orchestratorRequest.newEvents
    return [event.taskCompleted.result.value for event in events if event.HasField("taskCompleted")]


def fail(worker: RawWorker, item: pb.WorkItem) -> None:
    failure = pb.TaskFailureDetails(errorType="OSError", errorMessage="out of order")
    worker.stub.CompleteActivityTask(
        pb.ActivityResponse(
            instanceId=item.activityRequest.orchestrationInstance.instanceId,
            taskId=item.activityRequest.taskId,
            failureDetails=failure,
            completionToken=item.completionToken,
        )
    )


def half_failed(tested_hub: HubUnderTest, worker: RawWorker) -> pb.WorkItem:
    """The unanswered activity of an orchestration that failed because of its other activity."""
    tested_hub.start("any", instance_id="one")
    worker.answer(worker.take(), schedule(1), schedule(2))
    slow, fast = worker.take(), worker.take()
    fail(worker, fast)
    worker.answer(worker.take(), FAILED)
    return slow


def test_a_timer_keeps_its_time(hub: Hub, ours: HubUnderTest) -> None:
    failing_once = FailingOnce()
    failing_once.work(ours, timed)
    instance = failed(ours, timed)
    assert hub.next_timer() is None
    hub.advance(timedelta(hours=20))
    ours.client.rewind_orchestration(instance)
    eventually(lambda: failing_once.attempts == 2, "the second attempt")
    eventually(hub.next_timer, "the timer")
    hub.advance(timedelta(hours=3, minutes=59))
    assert ours.state(instance).runtime_status.name == "RUNNING"
    hub.advance(timedelta(minutes=1))
    assert ours.done(instance).serialized_output == '"in time"'


def test_a_result_that_came_to_nobody_is_asked_for_again(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as worker:
        slow = half_failed(ours, worker)
        worker.finish(slow, '"lost"')
        ours.client.rewind_orchestration("one")
        rewind(worker)
        worker.answer(worker.take(), schedule(2))
        again = {item.activityRequest.taskId: item for item in (worker.take(), worker.take())}
        assert sorted(again) == [1, 2]
        worker.finish(again[1], '"heard"')
        assert results(worker.take()) == ['"heard"']


def test_a_result_that_comes_before_the_new_history_is_not_asked_for_twice(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as worker:
        slow = half_failed(ours, worker)
        ours.client.rewind_orchestration("one")
        turn = worker.take()
        worker.finish(slow, '"heard"')
        worker.answer(turn, clean(turn))
        replay = worker.take()
        assert results(replay) == ['"heard"']
        worker.answer(replay, schedule(2))
        assert worker.take().activityRequest.taskId == 2
        with pytest.raises(queue.Empty):
            worker.take(timeout=0.1)


def test_an_activity_that_is_still_out_answers_the_new_execution(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as worker:
        slow = half_failed(ours, worker)
        ours.client.rewind_orchestration("one")
        rewind(worker)
        worker.answer(worker.take())
        worker.finish(slow, '"heard"')
        assert results(worker.take()) == ['"heard"']


@pytest.mark.parametrize("suspended", [False, True])
def test_a_rewind_outlives_the_hub(tmp_path: Path, suspended: bool) -> None:
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        with RawWorker(hub.address) as worker:
            half_failed(tested_hub, worker)
        tested_hub.client.rewind_orchestration("one")
        if suspended:
            tested_hub.client.suspend_orchestration("one")
        tested_hub.close()
    with Hub(tmp_path / "hub.db") as hub, RawWorker(hub.address) as worker:
        rewind(worker)
    with Hub(tmp_path / "hub.db") as hub, RawWorker(hub.address) as worker:
        kinds = kinds_of(next_turn(worker))
    assert kinds == ["orchestratorStarted", *["executionSuspended"] * suspended, "executionRewound"]


def test_the_word_to_rewind_is_dispatched_alone(ours: HubUnderTest) -> None:
    """The SDK's worker refuses to rewind if there are other events."""
    with RawWorker(ours.address) as worker:
        half_failed(ours, worker)
    ours.client.rewind_orchestration("one")
    ours.client.raise_orchestration_event("one", "go")
    with RawWorker(ours.address) as worker:
        rewind(worker)
        kinds = kinds_of(next_turn(worker))
    assert kinds == ["orchestratorStarted", "eventRaised", "executionRewound"]


def test_a_rewound_orchestration_can_be_suspended_before_it_goes_on(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as worker:
        half_failed(ours, worker)
        ours.client.rewind_orchestration("one")
        ours.client.suspend_orchestration("one")
        rewind(worker)
        worker.answer(worker.take())
        assert ours.state("one").runtime_status.name == "SUSPENDED"
        ours.client.resume_orchestration("one")
        worker.answer(worker.take(), complete())
    assert ours.done("one").serialized_output == '"end"'


def test_a_worker_that_was_not_asked_to_cannot_write_history(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        turn = worker.take()
        history = pb.RewindOrchestrationAction(newHistory=turn.orchestratorRequest.newEvents)
        worker.answer(turn, pb.OrchestratorAction(id=1, rewindOrchestration=history))
    details = ours.done("one").failure_details
    assert details is not None
    assert "rewindOrchestration" in details.message


def test_an_operation_that_no_entity_has_answered_yet_answers_the_new_execution(ours: HubUnderTest) -> None:
    failing_once = FailingOnce()
    failing_once.work(ours, counts)
    failing_once.answer.clear()
    instance = failed(ours, counts)
    ours.client.rewind_orchestration(instance)
    eventually(lambda: failing_once.attempts == 2, "the second attempt")
    failing_once.answer.set()
    assert ours.done(instance).serialized_output == "1"


def test_an_operation_whose_answer_was_lost_is_not_run_twice(ours: HubUnderTest) -> None:
    failing_once = FailingOnce()
    failing_once.work(ours, counts)
    failing_once.answer.clear()
    instance = failed(ours, counts)
    failing_once.answer.set()
    eventually(lambda: state(ours, ONE) == "1", "the operation")
    ours.client.rewind_orchestration(instance)
    assert "the answer was not kept" in (ours.done(instance).serialized_output or "")
    assert state(ours, ONE) == "1"


def test_locks_are_taken_again(ours: HubUnderTest) -> None:
    failing_once = FailingOnce()
    failing_once.work(ours, holds)
    instance = failed(ours, holds)
    assert [locked_by(ours, entity) for entity in (ONE, TWO)] == ["", ""]
    ours.client.signal_entity(ONE, "add", 10)
    eventually(lambda: state(ours, ONE) == "11", "the signal")
    ours.client.rewind_orchestration(instance)
    ours.custom(instance, '"holding"')
    assert [locked_by(ours, entity) for entity in (ONE, TWO)] == [instance, instance]
    ours.client.signal_entity(ONE, "add", 100)
    ours.client.raise_orchestration_event(instance, "go")
    assert ours.done(instance).serialized_output == "[1, 12]"
    eventually(lambda: state(ours, ONE) == "112", "the signal that had to wait")
    assert [locked_by(ours, entity) for entity in (ONE, TWO)] == ["", ""]


def locks(section: str) -> pb.OrchestratorAction:
    """The action that asks for the lock of an entity."""
    asked = pb.EntityLockRequestedEvent(criticalSectionId=section, lockSet=[str(ONE)])
    return pb.OrchestratorAction(
        id=1, sendEntityMessage=pb.SendEntityMessageAction(entityLockRequested=asked)
    )


def calls(request: str) -> pb.OrchestratorAction:
    """The action that calls that entity."""
    called = pb.EntityOperationCalledEvent(requestId=request, operation="add")
    called.targetInstanceId.value = str(ONE)
    return pb.OrchestratorAction(
        id=2, sendEntityMessage=pb.SendEntityMessageAction(entityOperationCalled=called)
    )


def test_a_lock_that_is_granted_before_the_new_history_goes_to_the_new_execution(ours: HubUnderTest) -> None:
    """If the old execution kept the lock, the calls of the new one would wait for ever."""
    with RawWorker(ours.address) as worker:
        ours.start("any", instance_id="holder")
        worker.answer(worker.take(), locks("theirs"))
        worker.answer(worker.take())
        ours.start("any", instance_id="one")
        worker.answer(worker.take(), locks("its own"))
        ours.client.raise_orchestration_event("one", "go")
        worker.answer(worker.take(), FAILED)
    ours.client.rewind_orchestration("one")
    ours.client.terminate_orchestration("holder")
    assert locked_by(ours, ONE) == "one"
    with RawWorker(ours.address) as worker:
        rewind(worker)
        turn = worker.take()
        kinds = kinds_of(turn)
        worker.answer(turn, calls("its own"))
        while not (item := worker.take()).HasField("entityRequestV2"):
            kinds += kinds_of(item)
            worker.answer(item)
    assert kinds.count("entityLockGranted") == 1
    assert item.entityRequestV2.operationRequests[0].entityOperationCalled.requestId == "its own"
