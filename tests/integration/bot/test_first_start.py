"""From nothing to an approval: `init`, the tokens filled in, `doctor`, the server, and people who ask and decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.main import main
from bot.doctor.examination import examine
from bot.slack.api.scopes import METHODS
from tests.support.messages import text_of
from tests.support.simulated import BOT_TOKEN, SIGNING_SECRET, calls
from tests.support.slack import PURCHASES, decided, is_card
from tests.support.world import World

# The settings that a world gives by itself, and that have to come from the file here.
FROM_THE_FILE = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "COUNTERSIGN_POLICIES", "COUNTERSIGN_DATA_DIR")


@pytest.mark.embedded_hub("with any other hub a warning asks for COUNTERSIGN_RECORDS_STORE")
async def test_a_new_set_up_asks_and_decides(tmp_path: Path) -> None:
    """Each Slack method called meanwhile is in the table on which the doctor and the manifest rely."""
    set_up = tmp_path / "set-up"
    arguments = [
        "--yes",
        "--channel",
        PURCHASES,
        "--approver",
        "S0MANAGERS",
        "--data-dir",
        str(tmp_path / "data"),
    ]
    assert main(["init", *arguments, "--public-url", "http://127.0.0.1:9", "--into", str(set_up)]) == 0
    policies, file = (set_up / "policies.toml").read_text(), set_up / "countersign.env"
    settings = dict.fromkeys(FROM_THE_FILE, "") | {
        "COUNTERSIGN_CONFIG": str(file),
        "COUNTERSIGN_HUB_CLOCK": "system",
    }
    (tmp_path / "world").mkdir(mode=0o700)
    world = World(tmp_path / "world", policies, settings=settings)
    filled = (
        file.read_text()
        .replace('SLACK_BOT_TOKEN=""', f'SLACK_BOT_TOKEN="{BOT_TOKEN}"')
        .replace('SLACK_SIGNING_SECRET=""', f'SLACK_SIGNING_SECRET="{SIGNING_SECRET}"')
        .replace("http://127.0.0.1:9", world.url)
    )
    file.write_text(filled)
    async with world, world.person("U0RITA") as rita, world.person("U0ADA") as ada:
        given = {name: value for name, value in world.settings().items() if value}
        assert [one for one in await examine(given) if one.severity != "ok"] == []
        await rita.command(PURCHASES, "/request-approval request New laptops")
        card = await rita.wait_for_message(PURCHASES, is_card)
        await ada.click(PURCHASES, card["ts"], "approve")
        assert "Approved" in text_of(await rita.wait_for_message(PURCHASES, decided))
        called = {call["method"] for call in await calls(world.simulator)}
        assert {"chat.postMessage", "chat.update", "usergroups.users.list"} <= called <= set(METHODS)
