"""The channel to a hub in the same process: the calls and errors are those of a connection, and no caller hangs."""

from __future__ import annotations

import queue
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub import Hub, HubError
from orchestration.hub.transport import frames
from tests.support.hubs import HubUnderTest

ONE = pb.GetInstanceRequest(instanceId="one")


@pytest.fixture
def stub(hub: Hub) -> TaskHubSidecarServiceStub:
    return TaskHubSidecarServiceStub(hub.channel)


def turns(number: int = 1) -> pb.GetWorkItemsRequest:
    return pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=number)


def test_what_is_answered_is_on_disk_for_everybody(
    ours: HubUnderTest, stub: TaskHubSidecarServiceStub
) -> None:
    stub.Hello(Empty())
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    assert stub.GetInstance(ONE).exists
    assert ours.client.get_orchestration_state("one") is not None


def test_a_refusal_has_its_code_and_its_sentence(stub: TaskHubSidecarServiceStub) -> None:
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    with pytest.raises(grpc.RpcError) as refused:
        stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert "one" in str(refused.value.details())
    with pytest.raises(grpc.RpcError) as stale:
        stub.CompleteActivityTask(pb.ActivityResponse(completionToken="none"))
    assert stale.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_who_does_not_wait_for_ever_is_told_so(stub: TaskHubSidecarServiceStub) -> None:
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    with pytest.raises(grpc.RpcError) as late:
        stub.WaitForInstanceCompletion(ONE, timeout=0.01)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_what_is_larger_than_a_hub_takes_is_refused(stub: TaskHubSidecarServiceStub) -> None:
    large = StringValue(value="x" * (frames.LARGEST_MESSAGE + 1))
    with pytest.raises(grpc.RpcError) as refused:
        stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any", input=large))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not stub.GetInstance(ONE).exists


def test_a_workers_answer_that_is_too_large_fails_its_work(stub: TaskHubSidecarServiceStub) -> None:
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    [token] = [next(stub.GetWorkItems(turns())).completionToken]
    large = StringValue(value="x" * (frames.LARGEST_MESSAGE + 1))
    with pytest.raises(grpc.RpcError, match="at most"):
        stub.CompleteOrchestratorTask(pb.OrchestratorResponse(completionToken=token, customStatus=large))
    state = stub.GetInstance(ONE).orchestrationState
    assert state.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED


def test_work_of_a_call_that_was_cancelled_goes_to_the_next(stub: TaskHubSidecarServiceStub) -> None:
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    first = stub.GetWorkItems(turns())
    assert next(first).orchestratorRequest.instanceId == "one"
    first.cancel()
    with pytest.raises(grpc.RpcError) as ended:
        next(first)
    assert ended.value.code() is grpc.StatusCode.CANCELLED
    assert next(stub.GetWorkItems(turns())).orchestratorRequest.instanceId == "one"


def test_a_call_that_is_cancelled_at_once_holds_no_work(stub: TaskHubSidecarServiceStub) -> None:
    stub.GetWorkItems(turns()).cancel()
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    assert next(stub.GetWorkItems(turns())).orchestratorRequest.instanceId == "one"


def test_what_the_worker_takes_does_not_come_to_the_iterator(
    hub: Hub, stub: TaskHubSidecarServiceStub
) -> None:
    taken, came = [], threading.Event()

    def take(item: pb.WorkItem) -> bool:
        taken.append(item.orchestratorRequest.instanceId)
        came.set()
        return True

    hub.channel.take = take
    stream = stub.GetWorkItems(turns())
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    assert came.wait(10)
    assert taken == ["one"]
    stream.cancel()


def test_an_answer_that_nobody_waits_for_is_on_disk_once_that_is_told(
    hub: Hub, stub: TaskHubSidecarServiceStub
) -> None:
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    [token] = [next(stub.GetWorkItems(turns())).completionToken]
    ended = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED)
    answer = pb.OrchestratorResponse(
        completionToken=token, actions=[pb.OrchestratorAction(completeOrchestration=ended)]
    )
    told: queue.SimpleQueue[grpc.RpcError | None] = queue.SimpleQueue()
    tell: Any = stub.CompleteOrchestratorTask
    tell.tell(answer, told.put)
    assert told.get(timeout=10) is None
    assert stub.GetInstance(ONE).orchestrationState.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
    tell.tell(answer, told.put)
    refused = told.get(timeout=10)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
    hub.stop()
    tell.tell(answer, told.put)
    away = told.get(timeout=10)
    assert away is not None
    assert away.code() is grpc.StatusCode.UNAVAILABLE


def test_a_worker_in_this_process_is_always_alive(tmp_path: Path) -> None:
    """Its lease is short, and it says nothing for many leases."""
    with Hub(tmp_path / "hub.db", lease=timedelta(milliseconds=40)) as hub:
        stub = TaskHubSidecarServiceStub(hub.channel)
        stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
        stream = stub.GetWorkItems(turns())
        item = next(stream)
        with pytest.raises(grpc.RpcError):
            stub.WaitForInstanceCompletion(ONE, timeout=0.4)
        stub.CompleteOrchestratorTask(pb.OrchestratorResponse(completionToken=item.completionToken))
        stream.cancel()


@pytest.fixture
def stopped(tmp_path: Path) -> TaskHubSidecarServiceStub:
    hub = Hub(tmp_path / "stopped.db")
    hub.start()
    stub = TaskHubSidecarServiceStub(hub.channel)
    hub.stop()
    return stub


def test_a_hub_that_has_stopped_is_unavailable(stopped: TaskHubSidecarServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as away:
        stopped.Hello(Empty())
    assert away.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.RpcError) as away:
        next(stopped.GetWorkItems(turns()))
    assert away.value.code() is grpc.StatusCode.UNAVAILABLE


def test_who_waits_for_a_hub_that_stops_is_told_so(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub.db")
    hub.start()
    stub = TaskHubSidecarServiceStub(hub.channel)
    stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any"))
    codes: list[grpc.StatusCode] = []

    def wait() -> None:
        try:
            stub.WaitForInstanceCompletion(ONE)
        except grpc.RpcError as error:
            codes.append(error.code())

    thread = threading.Thread(target=wait)
    thread.start()
    stub.Hello(Empty())
    hub.stop()
    thread.join(10)
    assert codes == [grpc.StatusCode.UNAVAILABLE]


def test_there_is_no_channel_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="has not been started"):
        _ = Hub(tmp_path / "hub.db").channel
