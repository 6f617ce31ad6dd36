"""Whoever waits for a verdict is woken by the worker's turn. What another process's worker did is found by looking."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestration.domain.commands import Reason
from orchestration.domain.request import Choice, Status, Via
from orchestration.runtime.turns import Turns
from orchestration.service.approvals import Actor, ApprovalService
from tests.support import PATIENCE_S
from tests.support.book import CORE as BOOK
from tests.support.core_world import SLACK, CoreWorld, request_ids
from tests.support.counting import CountingClient

NEVER = 3600.0  # seconds


def service(client: Any, turns: Turns) -> ApprovalService:
    return ApprovalService(client, lambda: BOOK, SLACK, request_ids("core"), turns=turns)


@pytest.mark.parametrize("own_worker", [True, False])
async def test_a_verdict_comes_with_its_turn_or_is_looked_for(world: CoreWorld, own_worker: bool) -> None:
    request_id = await world.ask("deploy")
    await world.until(request_id, lambda progress: bool(progress.cards))
    turns = world.connection.turns if own_worker else Turns()
    if own_worker:
        turns.first_look = NEVER
    client = world.connection.client()
    counting = CountingClient(client)
    approvals = service(counting, turns)
    shown = await approvals.identity(request_id)
    ticket = await approvals.decide(
        request_id, Actor("U0ADA", Via.CHAT), Choice.APPROVE, shown=shown, round=1
    )
    counting.calls.clear()
    async with asyncio.timeout(PATIENCE_S):
        assert (await approvals.verdict(ticket, timeout=PATIENCE_S)).reason is Reason.RECORDED
    assert not own_worker or not counting.calls  # the turn itself said it, once it was on disk
    await client.close()


async def test_an_outcome_that_is_waited_for_is_seen_at_its_turn(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    world.connection.turns.first_look = NEVER
    waiting = asyncio.create_task(world.service.wait(request_id, timeout=PATIENCE_S))
    await world.until(request_id, lambda progress: bool(progress.cards))
    await world.decide(request_id, "U0ADA")
    async with asyncio.timeout(PATIENCE_S):
        outcome = await waiting
    assert outcome is not None
    assert outcome.status is Status.APPROVED


async def test_a_watch_is_woken_by_its_own_instance_alone_and_forgotten_after() -> None:
    turns = Turns(first_look=NEVER)
    with turns.watch("one") as one, turns.watch("two") as two:
        await asyncio.to_thread(turns.taken, "one", "{}")
        assert await one.next(NEVER) == "{}"
        assert await one.next(0) is None
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.next(NEVER), 0.01)
    turns.taken("one")
    assert not turns.watched
