"""The cost of seals: the processor time of an approval with them and without.

Hub, worker and client are in this process, and its processor time is what counts: it hardly depends on what else the
machine does. Two hubs stand side by side and take turns, of which each is short, and the ratio is taken of each pair.
"""

import asyncio
import gc
import logging
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

from orchestration.domain.commands import Progress
from orchestration.domain.names import OrchestrationName
from orchestration.domain.request import ApprovalRequest, Choice
from orchestration.hub.server import Hub
from orchestration.runtime.connect import HUB_FILE, THREADS, Connection
from orchestration.runtime.converter import PydanticConverter
from orchestration.runtime.direct import take_directly
from orchestration.runtime.ours import OURS
from orchestration.runtime.prompt_stop import stop_promptly
from orchestration.runtime.sdk_log import SDK_LOG
from orchestration.sealing.actions import Sealer
from orchestration.sealing.history import HistoryReader
from orchestration.sealing.keys import SealKeys
from orchestration.sealing.scope import Scope
from orchestration.sealing.worker import SealingWorker, _Answers
from tests.support import core_world
from tests.support.board import Board
from tests.support.core_world import CoreWorld

AT_ONCE = 16  # approvals at once; they make one step
_LOOK_S = 0.05
_END_S = 60


class _UncheckedReader(HistoryReader):
    """Accepts every event without a check."""

    def read(self, event: pb.HistoryEvent) -> bool:
        """Accept the event."""
        return True


class _UncheckedSealer(Sealer):
    """Makes no seal."""

    def turn(self, response: pb.OrchestratorResponse, read: HistoryReader) -> None:
        """Leave the response as it is."""


class _OpenWorker(SealingWorker):
    """A worker of the same kind that checks no seal and makes none."""

    def sealing(self, keys: SealKeys, ours: Scope) -> None:
        """Makes the worker do the work that is `ours` without seals."""
        super().sealing(keys, ours)
        self._sealer = _UncheckedSealer(keys, ours)

    def _reader(self, instance_id: str, name: str) -> HistoryReader:
        return _UncheckedReader(self._keys, self._ours, instance_id, name)

    def _execute_activity(self, req: pb.ActivityRequest, stub: Any, completionToken: Any) -> None:  # noqa: N803
        answers = _Answers(stub, _no_seal, "CompleteActivityTask", partial(self._tell, "an activity"))
        TaskHubGrpcWorker._execute_activity(self, req, answers, completionToken)

    def _execute_entity_batch(self, req: Any, stub: Any, completionToken: Any) -> pb.EntityBatchResult:  # noqa: N803
        answers = _Answers(stub, _no_seal, "CompleteEntityTask", partial(self._tell, req.instanceId))
        return TaskHubGrpcWorker._execute_entity_batch(self, req, answers, completionToken)


def _no_seal(_answer: Any) -> None:
    """Leaves an answer as it is."""


class _OpenConnection(Connection):
    """A connection to a hub on which nothing is sealed."""

    def client(self) -> AsyncTaskHubGrpcClient:
        """A client that seals nothing."""
        return self.client_as_stored()

    def worker(self) -> SealingWorker:
        """A worker that seals nothing."""
        concurrency = ConcurrencyOptions(
            maximum_concurrent_activity_work_items=THREADS,
            maximum_concurrent_orchestration_work_items=THREADS,
            maximum_thread_pool_workers=THREADS,
        )
        if self.hub is None:
            raise RuntimeError("the hub is in this process")
        made = _OpenWorker(
            channel=self.hub.channel,
            data_converter=PydanticConverter(),
            concurrency_options=concurrency,
            logger=SDK_LOG,
            emit_trace_spans=False,
        )
        made.sealing(self.keys, OURS)
        stop_promptly(made)
        take_directly(made, self.hub.channel)
        return made


def figures(directory: Path, steps: int) -> tuple[float, float, float]:
    """Medians: ms of processor time for an approval with seals, without them, and the ratio of the two."""
    SDK_LOG.setLevel(logging.CRITICAL)  # drops the message that a worker was stopped
    return asyncio.run(_figures(directory, steps))


async def _figures(directory: Path, steps: int) -> tuple[float, float, float]:
    async with AsyncExitStack() as stack:
        worlds = [
            await stack.enter_async_context(_world(directory, kind)) for kind in (Connection, _OpenConnection)
        ]
        for world in worlds:  # one step that is not measured
            await _step(world)
        times: list[list[float]] = [[], []]
        for step in range(steps):
            for side in (0, 1) if step % 2 else (1, 0):  # so that neither is always first
                times[side].append(await _step(worlds[side]))
    sealed, unsealed = times
    ratios = [one / other for one, other in zip(sealed, unsealed, strict=True)]
    return statistics.median(sealed), statistics.median(unsealed), statistics.median(ratios)


@asynccontextmanager
async def _world(directory: Path, kind: type[Connection]) -> AsyncIterator[CoreWorld]:
    place = directory / kind.__name__
    place.mkdir(mode=0o700, parents=True)
    hub = Hub(place / HUB_FILE, run_once=list(OrchestrationName), embedded=True)
    hub.start()
    connection = kind(hub.address, core_world.SEAL_KEYS, hub=hub)
    board = Board()
    async with core_world.opened(connection, board, board) as world:
        yield world
    connection.close()


async def _step(world: CoreWorld) -> float:
    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(_approve(world) for _ in range(AT_ONCE)))
    return (time.process_time() - began) / AT_ONCE * 1000


async def _approve(world: CoreWorld) -> None:
    asked = ApprovalRequest(
        policy="purchase",
        title="New laptops",
        description="Three of them. " * 30,
        amount=Decimal(4200),
        requester="U0RITA",
    )
    request_id = await world.service.start(asked)
    await _until(world, request_id, lambda progress: bool(progress.cards))
    verdict = await world.decide(request_id, "U0ADA", Choice.APPROVE)
    if not verdict.accepted:
        raise RuntimeError(f"{request_id}: {verdict.reason}")
    await _until(world, request_id, _is_signed)


def _is_signed(progress: Progress) -> bool:
    return progress.outcome is not None and progress.outcome.receipt is not None


async def _until(world: CoreWorld, request_id: str, true: Callable[[Progress], bool]) -> None:
    """Waits with few looks, as looks take processor time as well; they differ only by their own seals."""
    async with asyncio.timeout(_END_S):
        while not true(await world.service.status(request_id)):
            await asyncio.sleep(_LOOK_S)
