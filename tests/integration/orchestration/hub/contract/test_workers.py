"""The contract of every durable task hub: workers."""

import queue
from typing import Any

import pytest
from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.worker import TaskHubGrpcWorker
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub import DISPATCH_TAG
from tests.support.hubs import HubUnderTest, RawWorker, complete, schedule

TRACE = pb.TraceContext(traceParent=f"00-{'1' * 32}-{'2' * 16}-01", spanID="2" * 16)


def filters(**names: list[str]) -> pb.GetWorkItemsRequest:
    """A worker's request for these orchestrations, activities and entities, and nothing else."""
    return pb.GetWorkItemsRequest(
        workItemFilters=pb.WorkItemFilters(
            orchestrations=[pb.OrchestrationFilter(name=name) for name in names.get("orchestrations", [])],
            activities=[pb.ActivityFilter(name=name) for name in names.get("activities", [])],
            entities=[pb.EntityFilter(name=name) for name in names.get("entities", [])],
        )
    )


def start(tested_hub: HubUnderTest) -> None:
    tested_hub.start("any", instance_id="one")


def test_a_hub_says_hello(tested_hub: HubUnderTest) -> None:
    assert tested_hub.stub.Hello(Empty()) == Empty()


def test_a_worker_gets_the_orchestrations_and_versions_that_it_asked_for(tested_hub: HubUnderTest) -> None:
    for name, version in (("other", "1"), ("chosen", "1"), ("chosen", "2")):
        tested_hub.start(name, version=version, instance_id=f"{name}-{version}")
    request = filters()
    request.workItemFilters.orchestrations.add(name="chosen", versions=["2"])
    with RawWorker(tested_hub.address, request) as choosy:
        assert choosy.take().orchestratorRequest.instanceId == "chosen-2"
        with pytest.raises(queue.Empty):
            choosy.take(timeout=0.1)


def test_who_continues_as_a_new_version_goes_to_a_worker_that_takes_that_version(
    tested_hub: HubUnderTest,
) -> None:
    requests = [filters(), filters()]
    for request, version in zip(requests, ("1", "2"), strict=True):
        request.workItemFilters.orchestrations.add(name="grows", versions=[version])
    tested_hub.start("grows", version="1", instance_id="one")
    with RawWorker(tested_hub.address, requests[0]) as old, RawWorker(tested_hub.address, requests[1]) as new:
        done = pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, newVersion=StringValue(value="2")
        )
        old.answer(old.take(), pb.OrchestratorAction(completeOrchestration=done))
        assert new.take().orchestratorRequest.instanceId == "one"
        with pytest.raises(queue.Empty):
            old.take(timeout=0.1)


def test_a_worker_gets_the_activities_that_it_asked_for(tested_hub: HubUnderTest) -> None:
    start(tested_hub)
    with RawWorker(tested_hub.address, filters(orchestrations=["any"])) as turns:
        turns.answer(turns.take(), schedule(1, "other"), schedule(2, "chosen"))
        with pytest.raises(queue.Empty):
            turns.take(timeout=0.1)
        with RawWorker(tested_hub.address, filters(activities=["chosen"])) as choosy:
            assert choosy.take().activityRequest.name == "chosen"
            with pytest.raises(queue.Empty):
                choosy.take(timeout=0.1)


def test_a_worker_gets_the_sub_orchestrations_that_it_asked_for(tested_hub: HubUnderTest) -> None:
    start(tested_hub)
    with RawWorker(tested_hub.address, filters(orchestrations=["any", "chosen"])) as choosy:
        children = [
            pb.OrchestratorAction(
                id=number,
                createSubOrchestration=pb.CreateSubOrchestrationAction(name=name, instanceId=name),
            )
            for number, name in enumerate(("other", "chosen"), 1)
        ]
        choosy.answer(choosy.take(), *children)
        assert choosy.take().orchestratorRequest.instanceId == "chosen"
        with pytest.raises(queue.Empty):
            choosy.take(timeout=0.1)


def test_a_worker_gets_the_entities_that_it_asked_for(tested_hub: HubUnderTest) -> None:
    for name in ("other", "chosen"):
        tested_hub.stub.SignalEntity(
            pb.SignalEntityRequest(instanceId=f"@{name}@key", name="add", requestId=name)
        )
    with RawWorker(tested_hub.address, filters(entities=["chosen"])) as choosy:
        assert choosy.take().entityRequestV2.instanceId == "@chosen@key"
        with pytest.raises(queue.Empty):
            choosy.take(timeout=0.1)


def test_a_worker_with_filters_runs_what_it_registered(tested_hub: HubUnderTest) -> None:
    def double(_ctx: task.ActivityContext, number: int) -> int:
        return number * 2

    def doubles(ctx: task.OrchestrationContext, number: int) -> Any:
        return (yield ctx.call_activity(double, input=number))

    tested_hub.start("somebody_elses", instance_id="other")
    tested_hub.work(doubles, activities=(double,), configure=TaskHubGrpcWorker.use_work_item_filters)
    assert tested_hub.done(tested_hub.start(doubles, 2)).serialized_output == "4"
    assert tested_hub.state("other").runtime_status.name == "PENDING"


@pytest.mark.sdk_wrong("forgets it")
def test_an_abandoned_activity_is_dispatched_again(tested_hub: HubUnderTest) -> None:
    start(tested_hub)
    with RawWorker(tested_hub.address) as worker:
        worker.answer(worker.take(), schedule(1))
        first = worker.take()
        request = pb.AbandonActivityTaskRequest(completionToken=first.completionToken)
        worker.stub.AbandonTaskActivityWorkItem(request)
        again = worker.take(timeout=1)
        for item in (again, first):
            item.activityRequest.tags.pop(DISPATCH_TAG, None)  # it alone tells them apart
        assert again.activityRequest == first.activityRequest
        worker.finish(again)
        worker.answer(worker.take(), complete())
    assert tested_hub.done("one").serialized_output == '"end"'


def test_an_abandoned_batch_of_an_entity_is_dispatched_again(tested_hub: HubUnderTest) -> None:
    tested_hub.stub.SignalEntity(pb.SignalEntityRequest(instanceId="@any@key", name="add", requestId="1"))
    with RawWorker(tested_hub.address) as worker:
        first = worker.take()
        request = pb.AbandonEntityTaskRequest(completionToken=first.completionToken)
        worker.stub.AbandonTaskEntityWorkItem(request)
        again = worker.take()
    assert again.entityRequestV2.operationRequests == first.entityRequestV2.operationRequests


@pytest.mark.sdk_wrong("loses the trace on the way to an activity")
def test_an_activity_carries_the_span_that_asked_for_it(tested_hub: HubUnderTest) -> None:
    start(tested_hub)
    asking = schedule(1)
    asking.scheduleTask.parentTraceContext.CopyFrom(TRACE)
    with RawWorker(tested_hub.address) as worker:
        worker.answer(worker.take(), asking)
        activity = worker.take()
        assert activity.activityRequest.parentTraceContext == TRACE
        worker.finish(activity)
        past = worker.take().orchestratorRequest.pastEvents
    assert [one.taskScheduled.parentTraceContext for one in past if one.HasField("taskScheduled")] == [TRACE]


@pytest.mark.sdk_wrong("loses the trace on the way to a sub-orchestration")
def test_a_sub_orchestration_carries_the_span_that_asked_for_it(tested_hub: HubUnderTest) -> None:
    start(tested_hub)
    child = pb.CreateSubOrchestrationAction(instanceId="child", name="other", parentTraceContext=TRACE)
    with RawWorker(tested_hub.address) as worker:
        worker.answer(worker.take(), pb.OrchestratorAction(id=1, createSubOrchestration=child))
        events = worker.take().orchestratorRequest.newEvents
    started = next(event.executionStarted for event in events if event.HasField("executionStarted"))
    assert started.parentTraceContext == TRACE


@pytest.mark.sdk_wrong("forgets the span of an orchestration between its turns")
def test_an_orchestration_keeps_its_span_between_its_turns(tested_hub: HubUnderTest) -> None:
    start(tested_hub)
    span = pb.OrchestrationTraceContext(spanStartTime=Timestamp(seconds=1, nanos=5))
    span.spanID.value = "3" * 16
    with RawWorker(tested_hub.address) as worker:
        turn = worker.take()
        response = pb.OrchestratorResponse(
            instanceId="one", completionToken=turn.completionToken, orchestrationTraceContext=span
        )
        worker.stub.CompleteOrchestratorTask(response)
        tested_hub.client.raise_orchestration_event("one", "go")
        assert worker.take().orchestratorRequest.orchestrationTraceContext == span
