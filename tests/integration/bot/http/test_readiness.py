"""What `/readyz` says of the hub: who can reach it and its clock are warnings, and the process goes on serving."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from orchestration.hub import Hub, SystemClock
from tests.support.machine import FakeMachine
from tests.support.world import World, policies


async def test_a_clock_that_is_behind_is_a_warning(tmp_path: Path) -> None:
    """By a hub of its own, over the wire."""
    machine = FakeMachine()
    path = tmp_path / "elsewhere.db"
    with Hub(path, clock=SystemClock(machine)):
        pass
    machine.reboots(hours=-2)
    with Hub(path, listen="127.0.0.1:0", authenticate=False, clock=SystemClock(machine)) as hub:
        async with World(tmp_path, policies("bot"), hub=hub) as world, aiohttp.ClientSession() as http:
            async with http.get(world.url + "/readyz") as answer:
                body = await answer.json()
            assert answer.status == 200
            assert (body["hub"], body["slack"]) == ("up", "up")
            everybody, warning = body["warnings"]
            assert everybody.startswith("open: 127.0.0.1:")
            assert warning.startswith("clock: this machine's clock is 2:00:00 behind")
