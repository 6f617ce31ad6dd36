"""The hub's figures as metrics by policy and name, for any content of the hub; omitted while it is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from durabletask.client import AsyncTaskHubGrpcClient
from prometheus_client import CollectorRegistry, generate_latest

from bot.metrics.hub_figures import HubFiguresCollector
from orchestration.hub import FIGURES
from orchestration.service.hub_figures import HubFigures
from tests.support.metrics import value_of

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
EVIL = 'evil"} 1\nU0MALLORY'


def moment(**ago: float) -> int:
    return round((NOW - timedelta(**ago)).timestamp() * 1_000_000)


def group(name: str, policy: str | None, status: str | None, count: int = 1, **what: Any) -> dict[str, Any]:
    given = {"created_at": moment(hours=1), "times": [None, None, None], **what}
    return {"name": name, "said": [policy, status], "count": count, **given}


def figures(*groups: dict[str, Any]) -> HubFigures:
    return HubFigures.model_validate(
        {
            "now": moment(),
            "unfinished": groups,
            "queued": {"turn": 3, EVIL: 4},
            "held": {"activity": 2},
            "workers": 2,
            "commits": {"bounds_s": [0.001, 0.01], "counts": [5, 2, 1], "sum_s": 0.5},
            "file": {"file": 4096, "log": 0, "size": 100, "free": 40},
        }
    )


class KnownHub:
    """A client's channel to a hub that returns these figures, or this status."""

    def __init__(self, says: HubFigures | grpc.StatusCode) -> None:
        self._channel = self
        self._says = says

    def unary_unary(self, method: str) -> Any:
        async def call(_request: bytes, **_: Any) -> bytes:
            if isinstance(self._says, grpc.StatusCode):
                metadata = grpc.aio.Metadata()
                raise grpc.aio.AioRpcError(self._says, metadata, metadata)
            return (
                self._says.model_dump_json().encode()
                if method == FIGURES
                else b'{"problem": null, "warnings": []}'
            )

        return call


async def scraped(says: HubFigures | grpc.StatusCode) -> str:
    client: Any = KnownHub(says)
    typed: AsyncTaskHubGrpcClient = client
    collector = HubFiguresCollector(typed, lambda: ["purchase", "deploy"])
    registry = CollectorRegistry()
    registry.register(collector)
    await collector.refresh()
    return generate_latest(registry).decode()


async def test_what_waits_and_what_is_owed_is_told_by_policy() -> None:
    text = await scraped(
        figures(
            group("approval", "purchase", "pending", 3, created_at=moment(hours=30)),
            group("approval", "purchase", "escalated", 2, times=["2026-11-10T11:50:00Z", None, None]),
            group("approval", "purchase", None, 5),
            group("gathering", "deploy", "collecting", 1),
            group("approval", "deploy", "approved", 4, times=[None, "2026-11-10T10:00:00+00:00", None]),
            group("owed_answer", None, None, 2, created_at=moment(minutes=20)),
        )
    )

    def value(name: str, **labels: str) -> float:
        return value_of(text, f"countersign_{name}", **labels)

    assert value("requests_waiting", policy="purchase") == 10
    assert value("requests_waiting_oldest_seconds", policy="purchase") == 30 * 3600
    assert value("requests_overdue_seconds", policy="purchase") == 600
    assert value("requests_waiting", policy="deploy") == 1
    assert value("requests_owing", policy="deploy") == 4
    assert value("requests_owing_oldest_seconds", policy="deploy") == 2 * 3600
    assert value("requests_owing", policy="purchase") == 0
    assert value("instances", orchestration="owed_answer") == 2
    assert value("instances_oldest_seconds", orchestration="owed_answer") == 1200
    assert value("hub_work_queued", kind="turn") == 3
    assert value("hub_work_queued", kind="entity") == 0
    assert value("hub_commit_seconds_bucket", le="0.01") == 7
    assert value("hub_commit_seconds_count") == 8


async def test_whatever_stands_on_the_hub_makes_no_new_label() -> None:
    text = await scraped(
        figures(
            group("approval", EVIL, EVIL, 2, times=[EVIL, EVIL, None]),
            group(EVIL, EVIL, EVIL, 3, created_at=moment(hours=-5)),
            group("approval", "other", "pending"),
        )
    )
    assert "evil" not in text.lower()
    assert "U0" not in text
    assert value_of(text, "countersign_requests_waiting", policy="other") == 1
    assert value_of(text, "countersign_requests_owing", policy="other") == 2
    assert value_of(text, "countersign_instances", orchestration="other") == 3
    assert value_of(text, "countersign_instances_oldest_seconds", orchestration="other") == 0


async def test_a_hub_that_is_away_is_told_and_nothing_else_of_it() -> None:
    text = await scraped(grpc.StatusCode.UNAVAILABLE)
    assert value_of(text, "countersign_hub_up") == 0
    assert "countersign_hub_up 0.0" in text
    assert "requests_waiting" not in text


async def test_of_another_kind_of_hub_nothing_is_said() -> None:
    assert await scraped(grpc.StatusCode.UNIMPLEMENTED) == ""
