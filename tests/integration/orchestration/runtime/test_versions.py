"""Two releases on one hub: the newer continues the older one's work; the older leaves the newer one's work alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from durabletask.client import OrchestrationStatus

from orchestration.domain.names import OrchestrationName, call_result_id
from orchestration.domain.request import Choice, Status
from orchestration.held_calls.result import CallResult
from orchestration.hub import Hub, SkippableClock
from orchestration.runtime import worker
from orchestration.runtime.connect import connect
from tests.support.board import Board
from tests.support.core_world import SEAL_KEYS, CoreWorld, opened

NEWER = "99.0.0"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0", authenticate=False, clock=SkippableClock()) as found:
        yield found


@asynccontextmanager
async def release(hub: Hub, data: Path, board: Board) -> AsyncIterator[CoreWorld]:
    async with opened(connect(f"grpc://{hub.address}", data, SEAL_KEYS), board, board) as world:
        yield world


async def test_what_an_older_release_asked_goes_on_at_a_newer_one(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board()
    async with release(hub, tmp_path, board) as old:
        request_id = await old.ask("vote")
    monkeypatch.setattr(worker, "VERSION", NEWER)
    async with release(hub, tmp_path, board) as new:
        for person in ("U0ADA", "U0FAY"):
            await new.decide(request_id, person, Choice.APPROVE)
        assert (await new.outcome(request_id)).status is Status.APPROVED


async def test_what_a_newer_release_began_is_left_to_it_and_fails_at_no_older_one(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, instance = Board(), call_result_id("deploy-00000000", "n" * 22)
    async with release(hub, tmp_path, board) as old:
        client = old.connection.client()
        given = CallResult(at=old.connection.now(), encrypted="x")
        await client.schedule_new_orchestration(
            OrchestrationName.CALL_RESULT, input=given, instance_id=instance, version=NEWER
        )
        # What was asked later is done, so the old worker was offered it, and has left it.
        await old.decide(await old.ask("deploy"), "U0ADA", Choice.APPROVE)
        assert (await old.runtime(instance)).runtime_status is OrchestrationStatus.PENDING
        monkeypatch.setattr(worker, "VERSION", NEWER)
        async with release(hub, tmp_path, board) as new:
            await new.completed(instance)
        await client.close()
