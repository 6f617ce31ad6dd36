"""What a scenario says when a step fails, and what counts as seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.demo.access import BotApi, Programs
from bot.demo.headless import _play_all as play_all
from bot.demo.headless import chosen, play
from bot.demo.scenarios.player import Player
from bot.demo.scenarios.reading import words_of
from bot.demo.scenarios.script import Scenario
from bot.demo.supervisor import RunningDemo
from bot.simulator import Person, Simulator, SmsAccount, Workspace
from orchestration.domain.errors import CountersignError
from orchestration.runtime.connect import HUB_FILE

SMS = SmsAccount("AC" + "0" * 32, "token")
NOBODY = BotApi("http://127.0.0.1:9", "csn_nobody")


@pytest.fixture
async def quiet() -> AsyncIterator[Simulator]:
    """A workspace whose app is never there."""
    workspace = Workspace.open(None)
    simulator = Simulator(workspace, bot_token="xoxb-1", app_token="xapp-1", signing_secret="s", sms=SMS)
    await simulator.start()
    yield simulator
    await simulator.stop()
    workspace.close()


def scenario(*do: dict[str, Any], words: tuple[str, ...] = ("Approved by",), see: str = "card") -> Scenario:
    step = {
        "who": "U0ADA",
        "at": "C0PURCHASES",
        "tell": "Ada approves.",
        "hand": "Approve.",
        "do": do,
        "sees": [{"see": see, "words": words}],
    }
    return Scenario.model_validate({"name": "test", "title": "A test", "why": "Because.", "steps": [step]})


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            scenario({"act": "command", "text": "/request-approval"}),
            "with “Approved by”; nothing was there. The workspace said: /request-approval failed because the app",
        ),
        (
            scenario(see="sms", words=("Thanks", "confirmed")),
            "within 0.2 s Ada did not see a text on the phone with “Thanks” and “confirmed”; nothing was there.",
        ),
        (
            scenario({"act": "press", "button": "approve"}),
            "Ada finds no card here with that button (approve).",
        ),
        (
            scenario({"act": "fill", "form": "ask", "values": {}}),
            "no form (ask) opened for Ada within 0.2 s.",
        ),
        (scenario({"act": "text", "read": "reply ([0-9]+)"}), "Ada finds no text with a code on the phone."),
        (
            scenario({"act": "report", "event": "Shipped"}),
            "nobody has asked for anything that Shipped could be",
        ),
        (scenario({"act": "ask", "policy": "payment", "title": "Refund"}), "The bot does not answer"),
    ],
)
async def test_a_step_that_does_not_come_out_ends_it_with_a_sentence(
    quiet: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: Scenario, sentence: str
) -> None:
    log = tmp_path / "bot.log"
    log.write_text("The bot's last words\n")
    async with NOBODY as api:
        status = await play([told], RunningDemo(quiet.url, Programs(api, api)), log, budget=0.2)
    assert status == 1
    said = capsys.readouterr().err
    assert said.startswith("  The bot's last words\ncountersign: A test, step 1 of 1: ")
    assert sentence in said


async def test_what_was_said_before_the_play_is_not_what_it_led_to(quiet: Simulator) -> None:
    """A demo keeps its state, and the same scenario may have been played in it yesterday."""
    told = scenario(words=("Hello",), see="message")
    async with NOBODY as api, Person(quiet.url, "U0RITA") as rita:
        await rita.say("C0PURCHASES", "Hello")
        async with Player.of(told, quiet.url, Programs(api, api), 0.2) as player:
            assert not await player.seen(0)
            await rita.say("C0PURCHASES", "Hello again")
            assert await player.seen(0)


def test_one_that_there_is_not_is_named() -> None:
    assert [one.name for one in chosen("agent, laptop")] == ["agent", "laptop"]
    with pytest.raises(
        CountersignError, match="--scenario: there is no 'lapto'; there are all, laptop, deploy"
    ):
        chosen("laptop,lapto")


def test_a_message_is_read_as_a_person_reads_it() -> None:
    blocks = [
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "✓ *Manager* · <@U0ADA>\nin <https://x.example|the card>"},
        }
    ]
    message = {"text": "fallback", "blocks": blocks, "metadata": None}
    assert words_of(message, {"U0ADA": "Ada Okafor"}) == "✓ Manager · @Ada Okafor in the card"


async def test_a_bot_that_does_not_start_leaves_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log is also printed: where no directory was chosen, the log file is deleted with the temporary one."""
    (tmp_path / "bot").mkdir(mode=0o700)
    (tmp_path / "bot" / HUB_FILE).write_text("no hub at all " * 100)
    with pytest.raises(CountersignError, match="The bot did not start"):
        await play_all([], tmp_path)
    assert "hub.db" in capsys.readouterr().err
