"""Asks the hub for its figures: how many requests wait and since when, what is owed, the hub's own work and disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient
from pydantic import ValidationError

from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.gathering import GatheringStatus
from orchestration.domain.names import OrchestrationName
from orchestration.domain.request import Recorded, Status
from orchestration.hub import FIGURES

PATIENCE: Final = 30.0  # seconds; only the collector of the figures waits

# What is read from the custom statuses, and under which names. An ID of a request ends with a dash and eight
# characters, behind the name of its policy.
_WANTED: Final = json.dumps(
    {
        "said": ["$.policy", "$.status"],
        "times": ["$.deadline", "$.outcome.processed_at", "$.result.collected_at"],
        "suffix": 9,
    }
).encode()
_OPEN: Final = frozenset({Status.PENDING, Status.ESCALATED, GatheringStatus.COLLECTING, None})
_ASKED: Final = frozenset({OrchestrationName.APPROVAL, OrchestrationName.GATHERING})


class InstanceStage(StrEnum):
    """The stage of an instance that has not ended."""

    WAITING = "waiting"  # a request that is not decided yet
    OWING = "owing"  # a decided request whose effects are not all done
    RUNNING = "running"  # anything else


class UnfinishedGroup(Recorded):
    """The unfinished instances of one orchestration whose custom statuses have the same values.

    `times` are the earliest deadline and decision.
    """

    name: str
    said: list[str | None]
    count: int
    created_at: int
    times: list[str | None]

    @property
    def policy(self) -> str | None:
        """The name of the policy, unchecked: any program on the hub may have written it."""
        return self.said[0]

    @property
    def stage(self) -> InstanceStage:
        """The stage of the instances. Those whose status was not read count as waiting."""
        if self.name not in _ASKED:
            return InstanceStage.RUNNING
        return InstanceStage.WAITING if self.said[1] in _OPEN else InstanceStage.OWING

    @property
    def created(self) -> datetime:
        """When the oldest instance was made."""
        return datetime.fromtimestamp(self.created_at / 1_000_000, UTC)

    @property
    def deadline(self) -> datetime | None:
        """The earliest deadline, or None."""
        return next(_times(self.times[:1]), None)

    @property
    def decided(self) -> datetime | None:
        """When the first of them was decided, or None."""
        return min(_times(self.times[1:]), default=None)


class CommitFigures(Recorded):
    """How many commits took up to each of these seconds, and how long all of them took."""

    bounds_s: list[float]
    counts: list[int]
    sum_s: float


class FileFigures(Recorded):
    """Sizes in bytes: the hub's file, its log, their disk, and the free space there."""

    file: int
    log: int
    size: int
    free: int


class HubFigures(Recorded):
    """All figures. `now` is the hub's time, in microseconds since the epoch; work is counted by its kind."""

    now: int
    unfinished: list[UnfinishedGroup]
    queued: dict[str, int]
    held: dict[str, int]
    workers: int
    commits: CommitFigures
    file: FileFigures

    @property
    def time(self) -> datetime:
        """The hub's time."""
        return datetime.fromtimestamp(self.now / 1_000_000, UTC)


async def hub_figures(client: AsyncTaskHubGrpcClient) -> HubFigures | None:
    """The figures; None if the hub is the scheduler and not ours. Raises `HubUnavailableError`."""
    channel: Any = client._channel  # noqa: SLF001 - a channel of our own would need the same credentials
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await channel.unary_unary(FIGURES)(_WANTED, wait_for_ready=False)
        return HubFigures.model_validate_json(answer)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return None
        raise HubUnavailableError from error
    except (TimeoutError, ValidationError) as error:
        raise HubUnavailableError from error


def _times(texts: list[str | None]) -> Iterator[datetime]:
    """The values that are times: any program on the hub may have written others."""
    for text in texts:
        with contextlib.suppress(ValueError):
            if text is not None:
                found = datetime.fromisoformat(text)
                yield found if found.tzinfo else found.replace(tzinfo=UTC)
