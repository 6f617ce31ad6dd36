"""The cost of a year of history: the same calls on a file that is almost empty, and on a full one."""

import sqlite3
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as stubs

from orchestration.hub.upkeep.backup import backup
from orchestration.hub.upkeep.check import check
from tests.bench import crowd, measure, processes

FEW = 100
LONG_AGO_US = 500 * 86_400 * 1_000_000

_Figures = Iterator[tuple[str, float]]


def figures(path: Path, sample: int) -> _Figures:
    """Milliseconds of each call on the file at `path`. Uses up `sample` waiting instances."""
    with processes.our_hub(path) as (_, address), processes.worker(address):
        driver = measure.Driver(address)
        with grpc.insecure_channel(address) as channel:
            stub = stubs.TaskHubSidecarServiceStub(channel)
            waiting = [crowd.name(number) for number in range(sample)]
            yield from _quantiles("event → completed", measure.each(driver.finish, waiting))
            starts = measure.each(driver.start_one, [f"start-{number}" for number in range(sample)])
            yield "start acknowledged, median ms", statistics.median(starts)
            listed = measure.each(lambda _: stub.QueryInstances(_WAITING), waiting)
            yield "page of 50 that wait, median ms", statistics.median(listed)
            listed = measure.each(lambda _: stub.QueryInstances(_ALL), waiting)
            yield "page of the 50 oldest, median ms", statistics.median(listed)
            ended = [crowd.ended_name(number) for number in range(FEW)]
            exported = measure.each(driver.client.get_orchestration_history, ended)
            yield "history of one that ended, median ms", statistics.median(exported)
        driver.close()


def housekeeping(path: Path, sample: int) -> _Figures:
    """Milliseconds from event to completed while all that ended in the file at `path` is being purged.

    Uses up the next `sample` waiting instances.
    """
    db = sqlite3.connect(path)
    db.execute(
        "UPDATE instance SET completed_at = completed_at - ? WHERE completed_at IS NOT NULL", (LONG_AGO_US,)
    )
    db.commit()
    db.close()
    with processes.our_hub(path) as (_, address), processes.worker(address):
        driver = measure.Driver(address)
        times = measure.each(driver.finish, [crowd.name(number) for number in range(sample, 2 * sample)])
        driver.close()
    yield from _quantiles("event → completed while what ended is purged", times)


def upkeep(path: Path, _sample: int) -> _Figures:
    """Seconds to check and to back up the file at `path`."""
    began = time.perf_counter()
    check(path)
    yield "check of the file, s", time.perf_counter() - began
    began = time.perf_counter()
    backup(path, path.with_suffix(".backup"))
    yield "backup of the file, its check included, s", time.perf_counter() - began


def _quantiles(what: str, times: list[float]) -> _Figures:
    yield f"{what}, median ms", statistics.median(times)
    yield f"{what}, 99th percentile ms", statistics.quantiles(times, n=100)[98]


_ALL = pb.QueryInstancesRequest(query=pb.InstanceQuery(maxInstanceCount=50, fetchInputsAndOutputs=True))
_WAITING = pb.QueryInstancesRequest(
    query=pb.InstanceQuery(
        maxInstanceCount=50, fetchInputsAndOutputs=True, runtimeStatus=[pb.ORCHESTRATION_STATUS_RUNNING]
    )
)
