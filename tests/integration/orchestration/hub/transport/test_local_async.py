"""The asynchronous channel to a hub in the same process: calls, errors and interceptors as over a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import HEALTH, Hub
from orchestration.hub.transport import frames


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub.db") as hub:
        yield hub


def client_of(hub: Hub, *interceptors: grpc.aio.ClientInterceptor) -> AsyncTaskHubGrpcClient:
    return AsyncTaskHubGrpcClient(channel=hub.async_channel(interceptors), emit_trace_spans=False)


async def test_what_is_answered_is_on_disk_and_a_history_comes_whole(one: Hub) -> None:
    client = client_of(one)
    async with asyncio.TaskGroup() as group:
        for number in range(300):
            group.create_task(client.schedule_new_orchestration("any", instance_id=f"i{number}"))
    found = await client.get_orchestration_state("i299")
    assert found is not None
    assert found.runtime_status is OrchestrationStatus.PENDING
    assert await client.get_orchestration_history("i0") == []  # it has had no turn
    one.stop()
    one.start()
    assert await client_of(one).get_orchestration_state("i299") is not None


async def test_refusals_have_their_codes(one: Hub) -> None:
    client = client_of(one)
    await client.schedule_new_orchestration("any", instance_id="one")
    with pytest.raises(grpc.aio.AioRpcError) as twice:
        await client.schedule_new_orchestration("any", instance_id="one")
    assert twice.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert "one" in str(twice.value.details())
    with pytest.raises(grpc.aio.AioRpcError) as large:
        await client.raise_orchestration_event("one", "any", data="x" * frames.LARGEST_MESSAGE)
    assert large.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await one.async_channel().unary_unary("/any.Service/Any")(b"")
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.aio.AioRpcError) as absent:
        await client.get_orchestration_history("none")
    assert absent.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_hub_says_how_it_is(one: Hub) -> None:
    assert b"problem" in await one.async_channel().unary_unary(HEALTH)(b"", wait_for_ready=False)


async def test_who_waits_no_longer_holds_nothing_at_the_hub(one: Hub) -> None:
    client = client_of(one)
    await client.schedule_new_orchestration("any", instance_id="one")
    stub: Any = client._get_stub()
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await stub.WaitForInstanceCompletion(pb.GetInstanceRequest(instanceId="one"), timeout=0.05)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    waiting = asyncio.create_task(stub.WaitForInstanceCompletion(pb.GetInstanceRequest(instanceId="one")))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting])
    await client.terminate_orchestration("one")
    assert one._loop is not None
    left = asyncio.run_coroutine_threadsafe(_waiting(), one._loop).result(5)
    assert left == []


async def _waiting() -> list[str]:
    await asyncio.sleep(0)
    return [
        str(task) for task in asyncio.all_tasks() if "_wait(" in str(task) and "TaskHubService" in str(task)
    ]


class Noted(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, name: str, told: list[str]) -> None:
        self._name, self._told = name, told

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self._told.append(f"{self._name} > {type(request).__name__} {client_call_details.wait_for_ready}")
        answer = await (await continuation(client_call_details, request))
        self._told.append(f"{self._name} < {type(answer).__name__}")
        return answer


async def test_interceptors_are_passed_in_order(one: Hub) -> None:
    told: list[str] = []
    await client_of(one, Noted("a", told), Noted("b", told)).get_orchestration_state("none")
    assert told == [
        "a > GetInstanceRequest None",
        "b > GetInstanceRequest None",
        "b < GetInstanceResponse",
        "a < GetInstanceResponse",
    ]


async def test_a_hub_that_stops_leaves_nobody_waiting(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "stopped.db")
    hub.start()
    client = client_of(hub)
    await client.schedule_new_orchestration("any", instance_id="one")
    stub: Any = client._get_stub()
    waiting = asyncio.create_task(stub.WaitForInstanceCompletion(pb.GetInstanceRequest(instanceId="one")))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(hub.stop)
    with pytest.raises(grpc.aio.AioRpcError) as stopped:
        await waiting
    assert stopped.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError) as after:
        await client.get_orchestration_state("one")
    assert after.value.code() is grpc.StatusCode.UNAVAILABLE
