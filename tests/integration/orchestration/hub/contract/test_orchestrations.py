"""The contract of every durable task hub: orchestrators."""

import json
from datetime import timedelta
from typing import Any

import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.support.hubs import HubUnderTest, RawWorker, complete, eventually, schedule


def double(_ctx: task.ActivityContext, number: int) -> int:
    return number * 2


def broken(_ctx: task.ActivityContext, _given: Any) -> Any:
    try:
        dict[str, str]()["cause"]
    except KeyError as cause:
        raise ValueError("the failure") from cause


def chain(ctx: task.OrchestrationContext, number: int) -> Any:
    for _ in range(3):
        number = yield ctx.call_activity(double, input=number)
    return number


def fan(ctx: task.OrchestrationContext, count: int) -> Any:
    return (yield task.when_all([ctx.call_activity(double, input=number) for number in range(count)]))


def fails(ctx: task.OrchestrationContext, _given: Any) -> Any:
    ctx.set_custom_status("about to fail")
    return (yield ctx.call_activity(broken))


def parent(ctx: task.OrchestrationContext, number: int) -> Any:
    return (yield ctx.call_sub_orchestrator(chain, input=number, instance_id=f"{ctx.instance_id}-sub"))


def family(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.call_sub_orchestrator(whose))


def whose(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return ctx.parent_instance_id


def parent_of_failure(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.call_sub_orchestrator(fails))


def sleeper(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Two timers, the longer one first; then the orchestrator's own clock."""
    before = ctx.current_utc_datetime
    longer, shorter = (ctx.create_timer(timedelta(milliseconds=ms)) for ms in (120, 40))
    first = yield task.when_any([longer, shorter])
    yield longer
    return [first is shorter, (ctx.current_utc_datetime - before) >= timedelta(milliseconds=120)]


def sender(ctx: task.OrchestrationContext, target: str) -> Any:
    ctx.send_event(target, "go", data={"from": ctx.instance_id})
    ctx.send_event("nobody", "go")
    return "sent"
    yield  # a generator: `send_event` needs no answer, and so no turn


def receiver(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.wait_for_external_event("go"))


def rounds(ctx: task.OrchestrationContext, number: int) -> Any:
    """Takes one event in each execution, and carries the other events over."""
    ctx.set_custom_status(number) if number == 0 else None
    got = yield ctx.wait_for_external_event("item")
    if got == "last":
        return number
    ctx.continue_as_new(number + 1, save_events=True)
    return None


def test_activities_run_one_after_the_other(tested_hub: HubUnderTest) -> None:
    tested_hub.work(chain, activities=(double,))
    assert tested_hub.done(tested_hub.start(chain, 1)).serialized_output == "8"


def test_activities_run_side_by_side(tested_hub: HubUnderTest) -> None:
    tested_hub.work(fan, activities=(double,))
    assert json.loads(tested_hub.done(tested_hub.start(fan, 20)).serialized_output or "") == [
        2 * n for n in range(20)
    ]


def test_a_failed_activity_tells_why(tested_hub: HubUnderTest) -> None:
    tested_hub.work(fails, activities=(broken,))
    state = tested_hub.done(tested_hub.start(fails))
    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.serialized_custom_status == '"about to fail"'
    details = tested_hub.raw_state(state.instance_id).failureDetails
    inner = details.innerFailure
    assert (inner.errorType.rpartition(".")[2], inner.errorMessage) == ("ValueError", "the failure")
    assert inner.innerFailure.errorType.rpartition(".")[2] == "KeyError"
    assert "broken" in inner.stackTrace.value


def test_a_retry_policy_tries_again(tested_hub: HubUnderTest) -> None:
    seen: list[int] = []

    def flaky(_ctx: task.ActivityContext, _given: Any) -> int:
        seen.append(1)
        if len(seen) < 3:
            raise OSError("not yet")
        return len(seen)

    def retries(ctx: task.OrchestrationContext, _given: Any) -> Any:
        policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=3)
        return (yield ctx.call_activity(flaky, retry_policy=policy))

    tested_hub.work(retries, activities=(flaky,))
    assert tested_hub.done(tested_hub.start(retries)).serialized_output == "3"


def test_a_retry_policy_restarts_a_sub_orchestration(tested_hub: HubUnderTest) -> None:
    """The SDK retries under the same instance ID, so the hub must allow that."""
    seen: list[int] = []

    def unsteady(_ctx: task.OrchestrationContext, _given: Any) -> int:
        seen.append(1)
        if len(seen) < 2:
            raise OSError("not yet")
        return len(seen)

    def retries(ctx: task.OrchestrationContext, _given: Any) -> Any:
        policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=3)
        return (yield ctx.call_sub_orchestrator(unsteady, retry_policy=policy))

    tested_hub.work(retries, unsteady)
    assert tested_hub.done(tested_hub.start(retries)).serialized_output == "2"


def test_timers_fire_in_their_order_and_never_early(tested_hub: HubUnderTest) -> None:
    tested_hub.work(sleeper)
    assert tested_hub.done(tested_hub.start(sleeper)).serialized_output == "[true, true]"


def test_a_sub_orchestration_answers_its_parent(tested_hub: HubUnderTest) -> None:
    tested_hub.work(parent, chain, activities=(double,))
    state = tested_hub.done(tested_hub.start(parent, 2, instance_id="one"))
    assert state.serialized_output == "16"
    assert tested_hub.state("one-sub").serialized_output == "16"


@pytest.mark.sdk_wrong("does not tell a sub-orchestration who its parent is")
def test_a_sub_orchestration_knows_its_parent(tested_hub: HubUnderTest) -> None:
    tested_hub.work(family, whose)
    state = tested_hub.done(tested_hub.start(family, instance_id="one"))
    assert state.serialized_output == '"one"'


@pytest.mark.sdk_wrong("keeps the outermost message of a sub-orchestration's failure only")
def test_a_failed_sub_orchestration_tells_all_its_causes(tested_hub: HubUnderTest) -> None:
    tested_hub.work(parent_of_failure, fails, activities=(broken,))
    state = tested_hub.done(tested_hub.start(parent_of_failure))
    details = tested_hub.raw_state(state.instance_id).failureDetails
    chain_of_types = []
    while details.errorType:
        chain_of_types.append(details.errorType.rpartition(".")[2])
        details = details.innerFailure
    assert chain_of_types == ["TaskFailedError", "TaskFailedError", "ValueError", "KeyError"]


@pytest.mark.sdk_wrong("leaves the parent of a terminated sub-orchestration with no cause")
def test_a_terminated_sub_orchestration_fails_its_parent_in_words(tested_hub: HubUnderTest) -> None:
    def waits(ctx: task.OrchestrationContext, _given: Any) -> Any:
        return (yield ctx.call_sub_orchestrator(receiver, instance_id="child"))

    tested_hub.work(waits, receiver)
    instance = tested_hub.start(waits)
    eventually(lambda: tested_hub.client.get_orchestration_state("child"), "the child")
    tested_hub.client.terminate_orchestration("child")
    details = tested_hub.done(instance).failure_details
    assert details is not None
    assert "'child' was terminated" in details.message


def test_an_orchestration_can_raise_an_event_on_another(tested_hub: HubUnderTest) -> None:
    tested_hub.work(sender, receiver)
    target = tested_hub.start(receiver)
    source = tested_hub.start(sender, target)
    assert json.loads(tested_hub.done(target).serialized_output or "") == {"from": source}
    assert tested_hub.done(source).serialized_output == '"sent"'


def test_continue_as_new_carries_the_events_that_nobody_took(tested_hub: HubUnderTest) -> None:
    instance = tested_hub.start(rounds, 0)
    for item in ("a", "b", "c", "last"):
        tested_hub.client.raise_orchestration_event(instance, "item", data=item)
    tested_hub.work(rounds)
    assert tested_hub.done(instance).serialized_output == "3"


@pytest.mark.sdk_wrong("empties the custom status in each generation")
def test_continue_as_new_keeps_the_custom_status(tested_hub: HubUnderTest) -> None:
    tested_hub.work(rounds)
    instance = tested_hub.start(rounds, 0)
    tested_hub.client.raise_orchestration_event(instance, "item", data="a")
    tested_hub.client.raise_orchestration_event(instance, "item", data="last")
    assert tested_hub.done(instance).serialized_custom_status == "0"


@pytest.mark.sdk_wrong("hands an activity's result to whichever generation is there")
def test_a_result_of_a_past_generation_is_rejected(tested_hub: HubUnderTest) -> None:
    """The old execution asked for activity 1. The new one does too, and must get its own answer."""
    tested_hub.start("loop", instance_id="one")
    renew = complete(status=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)
    with RawWorker(tested_hub.address) as worker:
        worker.answer(worker.take(), schedule(1))
        old = worker.take()
        tested_hub.client.raise_orchestration_event("one", "again")
        worker.answer(worker.take(), renew)
        worker.answer(worker.take(), schedule(1))
        new = worker.take()
        with pytest.raises(Exception, match="execution is over"):
            worker.finish(old, '"old"')
        worker.finish(new, '"new"')
        turn = worker.take().orchestratorRequest
    results = [
        event.taskCompleted.result.value for event in turn.newEvents if event.HasField("taskCompleted")
    ]
    assert results == ['"new"']


@pytest.mark.sdk_wrong("takes an activity's result as often as it is sent")
def test_a_completion_counts_once(tested_hub: HubUnderTest) -> None:
    tested_hub.start("loop", instance_id="one")
    with RawWorker(tested_hub.address) as worker:
        turn = worker.take()
        worker.answer(turn, schedule(1))
        with pytest.raises(Exception, match="no longer valid"):
            worker.answer(turn, schedule(2))
        activity = worker.take()
        worker.finish(activity)
        with pytest.raises(Exception, match="no longer valid"):
            worker.finish(activity)


@pytest.mark.sdk_wrong("forgets the trace context of a start")
def test_the_trace_context_of_a_start_reaches_the_worker(tested_hub: HubUnderTest) -> None:
    trace = pb.TraceContext(traceParent="00-" + "1" * 32 + "-" + "2" * 16 + "-01", spanID="2" * 16)
    tested_hub.stub.StartInstance(
        pb.CreateInstanceRequest(instanceId="one", name="any", parentTraceContext=trace)
    )
    with RawWorker(tested_hub.address) as worker:
        events = worker.take().orchestratorRequest.newEvents
    started = next(event.executionStarted for event in events if event.HasField("executionStarted"))
    assert started.parentTraceContext == trace


def test_an_abandoned_turn_is_dispatched_again(tested_hub: HubUnderTest) -> None:
    tested_hub.start("any", instance_id="one")
    with RawWorker(tested_hub.address) as worker:
        first = worker.take()
        request = pb.AbandonOrchestrationTaskRequest(completionToken=first.completionToken)
        worker.stub.AbandonTaskOrchestratorWorkItem(request)
        again = worker.take()
        kinds = [event.WhichOneof("eventType") for event in again.orchestratorRequest.newEvents]
        assert kinds == ["orchestratorStarted", "executionStarted"]
        worker.answer(again, complete())
    assert tested_hub.done("one").runtime_status is OrchestrationStatus.COMPLETED


def test_the_history_tells_what_happened(tested_hub: HubUnderTest) -> None:
    tested_hub.work(chain, activities=(double,))
    instance = tested_hub.done(tested_hub.start(chain, 1)).instance_id
    names = [type(event).__name__ for event in tested_hub.client.get_orchestration_history(instance)]
    assert names[:3] == ["OrchestratorStartedEvent", "ExecutionStartedEvent", "TaskScheduledEvent"]
    assert names.count("TaskScheduledEvent") == names.count("TaskCompletedEvent") == 3


def test_the_history_of_nobody_is_refused(tested_hub: HubUnderTest) -> None:
    with pytest.raises(Exception, match="nobody"):
        tested_hub.client.get_orchestration_history("nobody")


def test_an_unregistered_orchestrator_fails_in_words(tested_hub: HubUnderTest) -> None:
    tested_hub.work(chain)
    details = tested_hub.done(tested_hub.start("no_such_thing")).failure_details
    assert details is not None
    assert "no_such_thing" in details.message


def test_a_timer_beyond_all_that_a_clock_can_say_harms_nobody(ours: HubUnderTest) -> None:
    """Another SDK may ask for such a time; Python cannot express it."""
    ours.start("any", instance_id="one")
    timer = pb.OrchestratorAction(id=1, createTimer=pb.CreateTimerAction())
    timer.createTimer.fireAt.seconds = (1 << 63) - 1
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), timer)
        ours.client.raise_orchestration_event("one", "go")
        worker.answer(worker.take(), complete())
    assert ours.done("one").serialized_output == '"end"'
