"""Lets the SDK's worker take its work straight from a hub in this process.

The SDK reads the stream of its work items on a thread, and passes each item through a second thread and an event
loop to the thread that does the work. Here the hub hands the item directly to the working thread. That thread
returns its answer without waiting until the answer is on disk. The parts of the worker used here are private to the
SDK; its version is pinned.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from durabletask.worker import TaskHubGrpcWorker

from orchestration.hub import LocalChannel
from orchestration.sealing.worker import SealingWorker


def take_directly(worker: TaskHubGrpcWorker, channel: LocalChannel) -> None:
    """Has the worker take its items straight from the hub of this channel. The worker must not be started yet.

    Its manager must take items from any thread. Other answers on the stream, such as a ping, are handled by the
    SDK.
    """
    stub = TaskHubSidecarServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
    manager = worker._async_worker_manager  # noqa: SLF001
    handlers: dict[str | None, tuple[Any, Any]] = {
        "orchestratorRequest": (worker._execute_orchestrator, worker._cancel_orchestrator),  # noqa: SLF001
        "activityRequest": (worker._execute_activity, worker._cancel_activity),  # noqa: SLF001
        "entityRequest": (worker._execute_entity_batch, worker._cancel_entity_batch),  # noqa: SLF001
        "entityRequestV2": (worker._execute_entity_batch, worker._cancel_entity_batch),  # noqa: SLF001
    }

    def take(item: pb.WorkItem) -> bool:
        kind = item.WhichOneof("request")
        if kind not in handlers:
            return False
        with suppress(RuntimeError):  # it is stopping: the hub gives the item out again when the stream ends
            manager.submit_activity(*handlers[kind], getattr(item, kind), stub, item.completionToken)
        return True

    channel.take = take
    if isinstance(worker, SealingWorker):
        worker.give = _tell


def _tell(call: Any, message: Any, told: Callable[[Exception | None], None]) -> None:
    """Sends an answer by `tell` of the channel, which does not wait."""
    call.tell(message, told)
