"""A hub that stops: its workers come back when it does, and get nothing meanwhile that they could not answer."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as stubs

from orchestration.hub import Hub
from tests.support import PATIENCE_S


def test_a_hub_that_stops_sends_its_workers_away_and_takes_no_other(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub.db")
    hub.start()
    with grpc.insecure_channel(hub.address) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="long"))
        # A call in progress, for which the hub waits before it hangs up.
        waiting = stub.WaitForInstanceCompletion.future(pb.GetInstanceRequest(instanceId="one"))
        work = stub.GetWorkItems(pb.GetWorkItemsRequest())
        assert next(work).HasField("orchestratorRequest")
        stopping = threading.Thread(target=hub.stop)
        stopping.start()
        with pytest.raises(grpc.RpcError, match="The hub is stopping") as sent_away:
            next(work)
        with pytest.raises(grpc.RpcError, match="The hub is stopping") as refused:
            next(stub.GetWorkItems(pb.GetWorkItemsRequest(), timeout=PATIENCE_S))
        stopping.join()
        assert waiting.code() is grpc.StatusCode.UNAVAILABLE
    assert {sent_away.value.code(), refused.value.code()} == {grpc.StatusCode.UNAVAILABLE}
