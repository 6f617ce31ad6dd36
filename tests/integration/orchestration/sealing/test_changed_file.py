"""Whoever changes rows of the hub's file shows nobody a false outcome, and has nothing done for one."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from durabletask.client import OrchestrationStatus, TaskHubGrpcClient
from durabletask.task import OrchestrationContext

from orchestration.approval.state import ApprovalInput
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.request import ApprovalRequest, Outcome, Status
from orchestration.runtime.connect import Connection
from orchestration.sealing import envelope
from orchestration.service.operations import Operations
from orchestration.service.sweep import ReconcileSweep, reconcile_id
from tests.support.board import Board, BoardOutcomes
from tests.support.core_world import CoreWorld
from tests.support.other_program import REQUEST, ended, strange_worker


class File:
    """The hub's file, open for somebody else."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, timeout=10, isolation_level=None)
        self._file.row_factory = sqlite3.Row

    def row(self, instance_id: str) -> dict[str, Any]:
        found = self._file.execute(
            "SELECT status, input, output, custom_status, completed_at FROM instance WHERE id = ?",
            (instance_id,),
        )
        return dict(found.fetchone())

    def change(self, instance_id: str, **values: Any) -> None:
        for column, value in values.items():
            update = f"UPDATE instance SET {column} = ? WHERE id = ?"  # noqa: S608 - a column of ours
            self._file.execute(update, (value, instance_id))

    def replace_in_history(self, instance_id: str, old: bytes, new: bytes) -> None:
        """In place, so of the same length."""
        assert len(old) == len(new)
        asked = (
            "SELECT h.instance, h.turn, h.events FROM history AS h JOIN instance AS i ON i.key = h.instance "
            "WHERE i.id = ?"
        )
        for instance, turn, events in self._file.execute(asked, (instance_id,)).fetchall():
            self._file.execute(
                "UPDATE history SET events = ? WHERE instance = ? AND turn = ?",
                (events.replace(old, new), instance, turn),
            )

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def file(tmp_path: Path, connection: Connection) -> Iterator[File]:  # noqa: ARG001 - the hub has made it
    opened = File(tmp_path / "hub.db")
    yield opened
    opened.close()


@pytest.fixture
async def operations(connection: Connection, board: Board) -> AsyncIterator[Operations]:
    client = connection.client()
    yield Operations(client, BoardOutcomes(board))
    await client.close()


async def test_the_outcome_of_another_request_is_not_shown(world: CoreWorld, file: File) -> None:
    """All that the hub has of a request that was approved, under the ID of one that was not."""
    yes, other = await world.ask("deploy"), await world.ask("deploy")
    await world.decide(yes, "U0ADA")
    await world.completed(yes)
    file.change(other, **file.row(yes))
    with pytest.raises(UnknownRequestError):
        await world.service.status(other)


async def test_an_earlier_start_of_the_same_id_says_nothing_of_this_one(
    world: CoreWorld, file: File, operations: Operations, stranger: TaskHubGrpcClient
) -> None:
    """A request for an amount of 5 was approved by rule and purged. Now 5000 is asked under the same key."""

    async def ask(amount: int) -> str:
        given = {"policy": "budget", "title": "Beamers", "requester": "U0RITA", "amount": amount}
        return await world.service.start(ApprovalRequest.model_validate(given | {"idempotency_key": "k"}))

    request_id = await ask(5)
    await world.completed(request_id)
    before = file.row(request_id)
    await operations.purge(request_id, "U0OPS")
    assert await ask(5000) == request_id
    await world.until(request_id, lambda progress: len(progress.cards) == 1)
    done = len(world.board.acted)
    for status in (OrchestrationStatus.COMPLETED, OrchestrationStatus.TERMINATED):
        file.change(
            request_id,
            custom_status=before["custom_status"],
            completed_at=before["completed_at"],
            status=status.value,
        )
        progress = await operations.with_reconciled(await world.service.status(request_id))
        assert progress.status in {Status.FAILED, Status.TERMINATED}
    assert await swept(world) == 1
    reconciled = await ended(stranger, reconcile_id(request_id, progress.nonce))
    assert reconciled.runtime_status is OrchestrationStatus.COMPLETED
    assert len(world.board.acted) == done


async def test_a_start_with_a_policy_of_its_own_is_neither_run_nor_reconciled(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    """It fails for want of a seal. The sweep looks at what has failed, and would start `reconcile` under our seal."""
    policy = {
        "title": "Theirs",
        "channel": "C0THEIRS",
        "levels": [{"name": "x", "approvers": ["U0MAL"], "timeout": "1d"}],
        "on": {"failed": [{"post": "https://theirs.example"}]},
        "key": "deploy",
    }
    given = {"request": REQUEST, "policy": policy, "nonce": "A" * 22}
    ApprovalInput.model_validate(given)  # else it would be refused for its shape
    stranger.schedule_new_orchestration("approval", input=given, instance_id="theirs")
    assert (await ended(stranger, "theirs")).runtime_status is OrchestrationStatus.FAILED
    assert await swept(world) == 0


async def test_an_outcome_under_the_id_of_reconcile_is_that_of_reconcile(
    world: CoreWorld, connection: Connection, stranger: TaskHubGrpcClient, operations: Operations
) -> None:
    request_id = await world.ask("deploy")
    identity = await world.service.identity(request_id)
    stranger.terminate_orchestration(request_id)

    def theirs(ctx: OrchestrationContext, _: Any) -> Any:
        now = ctx.current_utc_datetime.replace(tzinfo=UTC)
        outcome = Outcome(
            request_id=request_id,
            status=Status.APPROVED,
            processed_at=now,
            receipt="forged",
            **identity.model_dump(),
        )
        return outcome.model_dump(mode="json")

    with strange_worker(connection, theirs=theirs):
        under = reconcile_id(request_id, identity.nonce)
        stranger.schedule_new_orchestration("theirs", instance_id=under)
        assert (await ended(stranger, under)).runtime_status is OrchestrationStatus.COMPLETED
    progress = await operations.with_reconciled(await world.service.status(request_id))
    assert progress.outcome is not None
    assert progress.outcome.status is Status.TERMINATED
    assert progress.outcome.receipt is None
    assert len(await operations.whole_history(progress)) == len(await operations.history(request_id))


async def test_an_input_without_a_seal_is_not_shown(world: CoreWorld, file: File) -> None:
    """Otherwise a person would read an amount of 5, and decide on 5000."""
    request_id = await world.ask(amount=5000)
    seal, text = envelope.take(file.row(request_id)["input"])
    assert seal
    file.change(request_id, input=text.replace('"5000"', '"5"'))
    with pytest.raises(UnknownRequestError):
        await world.service.view(request_id)


async def test_a_history_that_is_said_to_be_of_another_orchestration_is_not_told(
    world: CoreWorld, file: File, operations: Operations
) -> None:
    """Of other orchestrations nothing is sealed, so all that stands there would be told."""
    request_id = await world.ask("deploy")
    progress = await world.service.status(request_id)
    assert await operations.whole_history(progress)
    file.replace_in_history(request_id, b"approval", b"approva1")
    assert await operations.whole_history(progress) == []


async def swept(world: CoreWorld) -> int:
    """How many the sweep has begun to reconcile."""
    client = world.connection.client()
    found = await ReconcileSweep(client).sweep()
    await client.close()
    return found
