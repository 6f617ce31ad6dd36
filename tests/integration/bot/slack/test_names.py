"""What a page outside Slack calls a channel: by name only where everybody may know of it."""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Workspace
from bot.simulator.workspace.seed import SEED, Seed, SeedChannel
from bot.slack.api.groups import Groups
from bot.slack.api.names import ASKED_FOR, Names
from tests.support.simulated import BOT_TOKEN, running_simulator

HERE = tuple(person.id for person in SEED.people)


async def test_a_private_channel_keeps_its_id_and_so_does_one_that_is_not_there() -> None:
    """Though the app is in it, and has every scope: whoever reads the page may not know of it."""
    private = SeedChannel("C0BOARD", "board", members=HERE, is_private=True)
    seed = Seed(SEED.name, SEED.domain, SEED.team_id, SEED.people, SEED.groups, (*SEED.channels, private))
    async with running_simulator(Workspace.open(None, seed=seed)) as simulator:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=simulator.api_url)
        assert (await client.conversations_info(channel="C0BOARD"))["channel"]["name"] == "board"
        names = await Names(client, Groups(client), patience=20).of(
            [*["C0BOARD"] * ASKED_FOR, "C0PURCHASES", "C0NOWHERE", "D0ADA", "U0ADA", "S0FINANCE"]
        )
    assert names == {"C0PURCHASES": "purchases", "U0ADA": "Ada Okafor", "S0FINANCE": "Finance"}
