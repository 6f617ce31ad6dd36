"""Another program on the same hub: a client and a worker of the plain SDK, without our secret."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from durabletask.client import OrchestrationState, TaskHubGrpcClient
from durabletask.worker import TaskHubGrpcWorker

from orchestration.runtime.connect import Connection
from orchestration.runtime.converter import PydanticConverter
from tests.support import PATIENCE_S
from tests.support.hub_forms import hub_of, reach

# A request that another program may ask.
REQUEST: Final = {"policy": "deploy", "title": "x", "requester": "U0RITA"}


@contextmanager
def strange_worker(
    connection: Connection, *entities: type[Any], **orchestrators: Callable[..., Any]
) -> Iterator[TaskHubGrpcWorker]:
    """A worker of another program, which takes only the work of these orchestrations and entities."""
    worker = TaskHubGrpcWorker(**reach(hub_of(connection)), data_converter=PydanticConverter())
    for name, orchestrator in orchestrators.items():
        worker._registry.add_named_orchestrator(name, orchestrator)
    for entity in entities:
        worker.add_entity(entity)
    worker.use_work_item_filters()
    worker.start()
    yield worker
    worker.stop()


async def ended(client: TaskHubGrpcClient, instance_id: str) -> OrchestrationState:
    """The instance, once it has ended."""
    found = await asyncio.to_thread(client.wait_for_orchestration_completion, instance_id, timeout=PATIENCE_S)
    assert found is not None
    return found
