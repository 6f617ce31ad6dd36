"""The hub's figures as metrics. They are read when Prometheus scrapes, and cached for a short time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bot.metrics import catalog
from bot.metrics.catalog import Described
from bot.metrics.meters import OTHER
from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.names import OrchestrationName
from orchestration.service.hub_figures import (
    CommitFigures,
    HubFigures,
    InstanceStage,
    UnfinishedGroup,
    hub_figures,
)
from orchestration.service.hub_health import hub_health

log = logging.getLogger(__name__)

SERVES: Final = 10.0  # seconds for which an answer is cached
WAITED_FOR: Final = 2.0  # seconds to wait for an answer; after that, a scrape gets the previous one
TOO_OLD: Final = 300.0  # seconds after which the previous answer is left out
_KINDS: Final = ("turn", "activity", "entity")


@dataclass(frozen=True)
class _LastAnswer:
    figures: HubFigures
    recording: bool
    at: float


class HubFiguresCollector(Collector):
    """Collects the hub's figures. `policies` are the names that become labels; all other policies are `other`.

    `refresh` belongs to the event loop of the client, and has to be called before the registry is read.
    """

    def __init__(self, client: AsyncTaskHubGrpcClient, policies: Callable[[], Collection[str]]) -> None:
        self._client = client
        self._policies = policies
        self._known: _LastAnswer | None = None
        self._asking: asyncio.Task[None] | None = None
        self._other_hub = False

    async def refresh(self) -> None:
        """Asks the hub, unless its last answer is recent enough. Returns within two seconds, even without an answer."""
        if self._known is not None and time.monotonic() - self._known.at < SERVES:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="ask the hub for its figures")
        await asyncio.wait({self._asking}, timeout=WAITED_FOR)

    async def close(self) -> None:
        """Stops asking the hub. Call it before the client is closed."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            figures = await hub_figures(self._client)
            health = await hub_health(self._client)
        except HubUnavailableError as error:
            log.info("the hub's figures are not known: %s", error)
            return
        self._other_hub = figures is None
        if figures is not None:
            self._known = _LastAnswer(figures, health.problem is None, time.monotonic())

    def describe(self) -> Iterable[Metric]:
        """Returns no metrics. Without this method the registry would call `collect` to find their names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of the last `refresh`."""
        if self._other_hub:
            return
        known = self._known
        if known is None or time.monotonic() - known.at > TOO_OLD:
            yield _gauge(catalog.HUB_UP, {(): 0.0})
            return
        figures = known.figures
        yield _gauge(catalog.HUB_UP, {(): 1.0})
        yield _gauge(catalog.HUB_RECORDING, {(): float(known.recording)})
        yield from self._requests(figures)
        yield from _instances(figures)
        yield _gauge(catalog.HUB_QUEUED, {(kind,): figures.queued.get(kind, 0) for kind in _KINDS})
        yield _gauge(catalog.HUB_HELD, {(kind,): figures.held.get(kind, 0) for kind in _KINDS})
        yield _gauge(catalog.HUB_WORKERS, {(): figures.workers})
        yield _commits(figures.commits)
        sizes: _Samples = {("file",): figures.file.file, ("log",): figures.file.log}
        yield _gauge(catalog.HUB_FILE, sizes)
        yield _gauge(catalog.HUB_DISK_FREE, {(): figures.file.free})
        yield _gauge(catalog.HUB_DISK_SIZE, {(): figures.file.size})

    def _requests(self, figures: HubFigures) -> Iterator[Metric]:
        """Yields the metrics by policy. Each policy of the file has one, even if no request waits."""
        policies = set(self._policies())
        now = figures.time

        def by_policy(
            stage: InstanceStage, of: Callable[[UnfinishedGroup], float], merge: _Merge
        ) -> _Samples:
            found: _Samples = {(policy,): 0.0 for policy in policies}
            for group in figures.unfinished:
                if group.stage is stage:
                    policy = group.policy if group.policy in policies else OTHER
                    found[policy,] = merge(found.get((policy,), 0.0), of(group))
            return found

        def overdue(group: UnfinishedGroup) -> float:
            return _age(now, group.deadline or now)

        def decided(group: UnfinishedGroup) -> float:
            return _age(now, group.decided or now)

        def made(group: UnfinishedGroup) -> float:
            return _age(now, group.created)

        yield _gauge(catalog.WAITING, by_policy(InstanceStage.WAITING, _count, _sum))
        yield _gauge(catalog.WAITING_OLDEST, by_policy(InstanceStage.WAITING, made, max))
        yield _gauge(catalog.OVERDUE, by_policy(InstanceStage.WAITING, overdue, max))
        yield _gauge(catalog.OWING, by_policy(InstanceStage.OWING, _count, _sum))
        yield _gauge(catalog.OWING_OLDEST, by_policy(InstanceStage.OWING, decided, max))


_Samples = dict[tuple[str, ...], float]
_Merge = Callable[[float, float], float]


def _instances(figures: HubFigures) -> Iterator[Metric]:
    """Yields the metrics by orchestration name. Other programs' orchestrations are `other`."""
    names = frozenset(OrchestrationName)
    counts: _Samples = {(name.value,): 0.0 for name in OrchestrationName}
    oldest: _Samples = dict(counts)
    for group in figures.unfinished:
        name = (group.name if group.name in names else OTHER,)
        counts[name] = counts.get(name, 0.0) + group.count
        oldest[name] = max(oldest.get(name, 0.0), _age(figures.time, group.created))
    yield _gauge(catalog.INSTANCES, counts)
    yield _gauge(catalog.INSTANCES_OLDEST, oldest)


def _gauge(described: Described, samples: _Samples) -> Metric:
    family = GaugeMetricFamily(described.name, described.help, labels=described.labels)
    for labels, value in sorted(samples.items()):
        family.add_metric(labels, value)
    return family


def _commits(commits: CommitFigures) -> Metric:
    family = HistogramMetricFamily(catalog.HUB_COMMITS.name, catalog.HUB_COMMITS.help)
    buckets, so_far = [], 0
    for bound, count in zip([*commits.bounds_s, float("inf")], commits.counts, strict=True):
        so_far += count
        buckets.append((floatToGoString(bound), float(so_far)))  # type: ignore[no-untyped-call]  # the library's
    family.add_metric([], buckets, commits.sum_s)
    return family


def _count(group: UnfinishedGroup) -> float:
    return group.count


def _sum(one: float, other: float) -> float:
    return one + other


def _age(now: datetime, since: datetime) -> float:
    return max((now - since).total_seconds(), 0.0)
