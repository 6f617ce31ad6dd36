"""The demo refuses with a sentence. No browser here: it would report each refusal in its console."""

from __future__ import annotations

import aiohttp
import pytest

from bot.simulator import ActionRefusedError, Person
from tests.e2e.demo.conftest import Demo

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("skip", [{"seconds": 3600}, {"to": "next_deadline"}])
async def test_time_stands_still_while_the_bot_is_killed(shared: Demo, skip: dict[str, object]) -> None:
    """The hub that keeps the time is inside the bot. This once took ten seconds and ended with a 500."""
    async with aiohttp.ClientSession(shared.url) as http:
        assert (await http.post("/sim/app/kill", json={})).status == 200
        answer = await http.post("/sim/clock/advance", json=skip, timeout=aiohttp.ClientTimeout(5))
        assert answer.status == 400
        assert (await answer.json())["error"] == (
            "Time is kept by the bot's hub, and the bot is stopped. Start it first."
        )


async def test_a_command_that_no_app_has_is_refused_by_slack(shared: Demo) -> None:
    """As in a real workspace: the bot never hears of it."""
    async with Person(shared.url, "U0RITA") as rita:
        with pytest.raises(ActionRefusedError, match="/request-aproval is not a valid command"):
            await rita.command("C0GENERAL", "/request-aproval")
