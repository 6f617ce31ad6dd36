"""The reconciler's sweep, on a hub whose clock is not this machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.hub import Hub, SystemClock
from orchestration.runtime.connect import Connection
from orchestration.service.sweep import ReconcileSweep
from tests.support.board import Board
from tests.support.core_world import SEAL_KEYS, opened
from tests.support.machine import FakeMachine


@pytest.mark.parametrize("days", [-300, 300])
async def test_what_ended_is_found_whatever_this_machines_clock_says(tmp_path: Path, days: int) -> None:
    """By this machine's time, the sweep would never find what ended after its first look."""
    machine = FakeMachine(datetime.now(UTC) + timedelta(days=days))
    with Hub(tmp_path / "hub.db", clock=SystemClock(machine)) as hub:
        connection, board = Connection(hub.address, SEAL_KEYS), Board()
        async with opened(connection, board, board) as world:
            client = connection.client()
            sweep = ReconcileSweep(client)
            for number in range(3):
                request_id = await world.ask("deploy", title=f"number {number}")
                await client.terminate_orchestration(request_id)
                assert await sweep.sweep() == 1
                assert await sweep.sweep() == 0
                machine.runs(hub.clock, minutes=15)
            await client.close()
            await world.eventually(lambda: not any(card.open for card in board.cards.values()))
            await world.stop_worker()
