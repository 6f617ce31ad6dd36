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

PATIENCE: Final = 30.0  # seconds; nobody waits but whatever keeps the figures

# What is asked of the custom statuses, and where the answers are then. An ID of a request ends with a dash and eight
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


class Standing(StrEnum):
    """Where an instance stands that has not ended."""

    WAITING = "waiting"  # a request that is not decided
    OWING = "owing"  # a request that is decided, and whose effects are not all done
    RUNNING = "running"  # anything else


class UnfinishedGroup(Recorded):
    """Instances that have not ended, of one orchestration, and of what they say of themselves.

    `times` are of the oldest: its deadline, and when it was decided.
    """

    name: str
    said: list[str | None]
    count: int
    created_at: int
    times: list[str | None]

    @property
    def policy(self) -> str | None:
        """The name of the policy; whatever stands there, as anybody on the hub may have written it."""
        return self.said[0]

    @property
    def standing(self) -> Standing:
        """Where they stand. Those whose status was not read count as waiting."""
        if self.name not in _ASKED:
            return Standing.RUNNING
        return Standing.WAITING if self.said[1] in _OPEN else Standing.OWING

    @property
    def created(self) -> datetime:
        """When the oldest was made."""
        return datetime.fromtimestamp(self.created_at / 1_000_000, UTC)

    @property
    def deadline(self) -> datetime | None:
        """The earliest deadline, where there is one."""
        return next(_times(self.times[:1]), None)

    @property
    def decided(self) -> datetime | None:
        """When the first of them was decided, where it is."""
        return min(_times(self.times[1:]), default=None)


class CommitFigures(Recorded):
    """How many commits took up to each of these seconds, and how long all of them took."""

    bounds_s: list[float]
    counts: list[int]
    sum_s: float


class FileFigures(Recorded):
    """Bytes: of the hub's file and of its log; of their disk, and what is free there."""

    file: int
    log: int
    size: int
    free: int


class HubFigures(Recorded):
    """All of it. `now` is the hub's time, in microseconds since the epoch; work is counted by its kind."""

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
    """The figures; None where the hub is not ours (the scheduler). Raises `HubUnavailableError`."""
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
    """Those that are times: whoever is on the hub may have written anything."""
    for text in texts:
        with contextlib.suppress(ValueError):
            if text is not None:
                found = datetime.fromisoformat(text)
                yield found if found.tzinfo else found.replace(tzinfo=UTC)
