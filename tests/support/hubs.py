"""The hubs under test and the programs that run on them: real servers, real clients, real workers."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import pytest
from durabletask.client import OrchestrationState, TaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as stubs
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

from orchestration.hub import Hub, token_file
from orchestration.hub.upkeep.check import check
from tests.support import PATIENCE_S
from tests.support.looking import pause_after

_STOPPING: list[threading.Thread] = []


def stopped() -> None:
    """Wait until every worker that was told to stop has stopped."""
    while _STOPPING:
        _STOPPING.pop().join()


@contextmanager
def sdk_hub() -> Iterator[str]:
    """The SDK's testing backend on a free port; yields its address."""
    backend = InMemoryOrchestrationBackend()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    stubs.add_TaskHubSidecarServiceServicer_to_server(backend, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        backend.stop()
        server.stop(None).wait()


@contextmanager
def our_hub(path: Path) -> Iterator[str]:
    """Our hub on this file; yields its address. At the end the file is checked."""
    with Hub(path) as hub:
        yield hub.address
    sound(path)


def sound(path: Path) -> None:
    """Fails where a check of the hub's file at `path` finds a fault."""
    report = check(path)
    assert not report.count, report.text()


def eventually(check: Callable[..., Any], what: str = "it") -> Any:
    """The first truthy result of `check`, polled; fails after PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while (began := time.monotonic()) < until:
        result = check()
        if result:
            return result
        time.sleep(pause_after(time.monotonic() - began))
    raise AssertionError(f"{what} did not happen within {PATIENCE_S} s")


def bearer(file: Path) -> list[tuple[str, str]]:
    """The metadata that a hub on this file requires of calls over TCP."""
    return [("authorization", f"Bearer {token_file(file).read_text(encoding='ascii').strip()}")]


class HubUnderTest:
    """A client, and workers that stop with the test."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = TaskHubGrpcClient(host_address=address)
        self.channel = grpc.insecure_channel(address)
        self.stub = stubs.TaskHubSidecarServiceStub(self.channel)
        self._workers: list[TaskHubGrpcWorker] = []

    def work(
        self,
        *orchestrators: Callable[..., Any],
        activities: tuple[Callable[..., Any], ...] = (),
        entities: tuple[Callable[..., Any], ...] = (),
        configure: Callable[[TaskHubGrpcWorker], None] = lambda _worker: None,
        **options: Any,
    ) -> TaskHubGrpcWorker:
        """Start a worker that serves these functions, and those that `configure` adds."""
        concurrency = ConcurrencyOptions(
            maximum_concurrent_activity_work_items=8,
            maximum_concurrent_orchestration_work_items=8,
            maximum_thread_pool_workers=8,
        )
        worker = TaskHubGrpcWorker(host_address=self.address, concurrency_options=concurrency, **options)
        for orchestrator in orchestrators:
            worker.add_orchestrator(orchestrator)
        for activity in activities:
            worker.add_activity(activity)
        for entity in entities:
            worker.add_entity(entity)
        configure(worker)
        worker.start()
        self._workers.append(worker)
        return worker

    def start(self, orchestrator: Callable[..., Any] | str, given: Any = None, **options: Any) -> str:
        """Start an instance; its ID."""
        return self.client.schedule_new_orchestration(orchestrator, input=given, **options)

    def state(self, instance_id: str) -> OrchestrationState:
        """The instance's state, with payloads."""
        state = self.client.get_orchestration_state(instance_id)
        assert state is not None
        return state

    def raw_state(self, instance_id: str) -> pb.OrchestrationState:
        """The state as a protocol message."""
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        return self.stub.GetInstance(request).orchestrationState

    def done(self, instance_id: str, timeout: float = PATIENCE_S) -> OrchestrationState:
        """The state once the instance has ended."""
        state = self.client.wait_for_orchestration_completion(instance_id, timeout=timeout)
        assert state is not None
        return state

    def status(self, instance_id: str, status: str) -> None:
        """Wait until the instance has this runtime status."""
        eventually(lambda: self.state(instance_id).runtime_status.name == status, f"{instance_id} {status}")

    def custom(self, instance_id: str, custom: str) -> None:
        """Wait until the instance has this serialized custom status."""
        eventually(
            lambda: self.state(instance_id).serialized_custom_status == custom, f"{instance_id} {custom}"
        )

    def close(self) -> None:
        """Tell the workers to stop, and close the connections.

        The SDK's worker always takes a second to stop; `stopped` waits for all of them at the end
        of the run.
        """
        for worker in self._workers:
            thread = threading.Thread(target=worker.stop)
            thread.start()
            _STOPPING.append(thread)
        self.client.close()
        self.channel.close()


class RawWorker:
    """A worker played by the test: it takes items one by one and answers them, or does not."""

    def __init__(self, address: str, request: pb.GetWorkItemsRequest | None = None) -> None:
        self._channel = grpc.insecure_channel(address)
        self.stub = stubs.TaskHubSidecarServiceStub(self._channel)
        self._stream = self.stub.GetWorkItems(request or pb.GetWorkItemsRequest())
        self._items: queue.Queue[pb.WorkItem] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.hang_up()
        self._channel.close()

    def _read(self) -> None:
        try:
            for item in self._stream:
                if not item.HasField("healthPing"):
                    self._items.put(item)
        except grpc.RpcError:
            return

    def take(self, timeout: float = PATIENCE_S) -> pb.WorkItem:
        """The next item; raises queue.Empty where none comes."""
        return self._items.get(timeout=timeout)

    def hang_up(self) -> None:
        """Close the stream; answers may still be sent."""
        self._stream.cancel()
        self._thread.join()

    def answer(self, item: pb.WorkItem, *actions: pb.OrchestratorAction, status: str | None = None) -> None:
        """Complete a turn with these actions."""
        response = pb.OrchestratorResponse(
            instanceId=item.orchestratorRequest.instanceId,
            actions=actions,
            completionToken=item.completionToken,
        )
        if status is not None:
            response.customStatus.value = status
        self.stub.CompleteOrchestratorTask(response)

    def finish(self, item: pb.WorkItem, result: str = '"done"') -> None:
        """Complete an activity."""
        response = pb.ActivityResponse(
            instanceId=item.activityRequest.orchestrationInstance.instanceId,
            taskId=item.activityRequest.taskId,
            completionToken=item.completionToken,
        )
        response.result.value = result
        self.stub.CompleteActivityTask(response)


class RecordingStream:
    """A worker's stream without a worker: keeps what is written to it."""

    def __init__(self) -> None:
        self.items: list[pb.WorkItem] = []
        self.blocked = False
        self.waiting = 0
        self.heard = 0
        self.pings = 0
        self.peer: object = self

    def send(self, answer: bytes) -> None:
        self.items.append(pb.WorkItem.FromString(answer))

    def ping(self) -> None:
        self.pings += 1

    def flush(self) -> None:
        pass

    async def drain(self) -> None:
        pass

    def taken(self) -> list[pb.WorkItem]:
        """What was sent since the last call."""
        items, self.items = self.items, []
        return items


def schedule(task_id: int, name: str = "act") -> pb.OrchestratorAction:
    """The action that asks for an activity."""
    return pb.OrchestratorAction(id=task_id, scheduleTask=pb.ScheduleTaskAction(name=name))


def complete(
    task_id: int = 99,
    status: "pb.OrchestrationStatus" = pb.ORCHESTRATION_STATUS_COMPLETED,
    result: str = '"end"',
) -> pb.OrchestratorAction:
    """The action that ends an execution."""
    done = pb.CompleteOrchestrationAction(orchestrationStatus=status)
    done.result.value = result
    return pb.OrchestratorAction(id=task_id, completeOrchestration=done)


def refused(call: Callable[[], Any]) -> grpc.StatusCode:
    """The status with which a call was refused."""
    with pytest.raises(grpc.RpcError) as refusal:
        call()
    assert isinstance(refusal.value, grpc.Call)
    assert refusal.value.details(), "a refusal says why"
    return refusal.value.code()
