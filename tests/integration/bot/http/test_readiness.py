"""What `/readyz` says of the hub: who can reach it and its clock are warnings, and a full disk is a problem."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.simulator import Person
from orchestration.hub import Hub, SystemClock
from orchestration.hub.storage.file import log_of
from tests.support import PATIENCE_S
from tests.support.machine import FakeMachine
from tests.support.room import room_for
from tests.support.simulated import fault
from tests.support.slack import PURCHASES, ask, decided, ephemeral
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


async def test_a_dead_token_is_told_where_operators_look_with_its_remedy(tmp_path: Path) -> None:
    async with World(tmp_path, policies("bot")) as world, aiohttp.ClientSession() as http:

        async def ready() -> tuple[int, dict[str, Any]]:
            async with http.get(world.url + "/readyz") as answer:
                return answer.status, await answer.json()

        for method in ("chat.postMessage", "chat.postEphemeral", "conversations.open"):
            await fault(world.simulator, method, "token_revoked", count=-1)
        async with Person(world.simulator.url, "U0RITA") as rita:
            await rita.command(PURCHASES, "/request-approval purchase 4200 New laptops")

            async def told() -> bool:
                status, body = await ready()
                return status == 503 and "token_revoked" in str(body.get("problem"))

            async with asyncio.timeout(PATIENCE_S):
                while not await told():
                    await asyncio.sleep(0.02)
            assert (await ready())[1]["slack"] == "down"
            async with http.get(world.url + "/metrics") as answer:
                assert answer.status == 404  # no token is set that opens it


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "over TCP"])
async def test_a_full_disk_is_503_with_the_reason_until_there_is_room(
    tmp_path: Path, *, embedded: bool
) -> None:
    """What was asked before is kept, what is asked meanwhile is refused in words, and what comes after counts."""
    with ExitStack() as stack:
        path = tmp_path / ("hub.db" if embedded else "elsewhere.db")
        hub = None
        if not embedded:
            hub = stack.enter_context(Hub(path, listen="127.0.0.1:0", authenticate=False))
        async with World(tmp_path, policies("bot"), hub=hub) as world, aiohttp.ClientSession() as http:

            async def problem() -> str | None:
                async with http.get(world.url + "/readyz") as answer:
                    found = (await answer.json()).get("problem")
                    assert answer.status == (503 if found else 200)
                    return found

            async with world.person("U0RITA") as rita, world.person("U0ADA") as ada:
                card = await ask(rita)
                assert await problem() is None
                with room_for(log_of(path), 0):
                    await rita.command(PURCHASES, "/request-approval purchase 4300 More laptops")
                    await ephemeral(rita, PURCHASES, "disk is full")
                    assert "disk is full" in (await problem() or "")
                async with asyncio.timeout(PATIENCE_S):
                    while await problem() is not None:
                        await asyncio.sleep(0.05)
                await ada.click(PURCHASES, card["ts"], "approve")
                await ada.wait_for_message(PURCHASES, decided)
