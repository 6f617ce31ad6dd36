"""The command as a shell sees it: what it prints, and where, and with which status it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.setting_sources import SECRETS

COMMAND = (sys.executable, "-m", "bot")
SETTINGS = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "secret",
    "COUNTERSIGN_POLICIES": "bot/policies.toml",
    "COUNTERSIGN_LISTEN": "127.0.0.1:0",
    "COUNTERSIGN_SLACK_API_URL": "http://127.0.0.1:9/",  # nobody is there
}


def environment(data: Path, **changed: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return kept | SETTINGS | {"COUNTERSIGN_DATA_DIR": str(data)} | changed


def refusal(*arguments: str, data: Path, **changed: str) -> str:
    """The one line on standard error with which the command refuses to start."""
    ended = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(data, **changed),
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    [line] = ended.stderr.splitlines()
    return line


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        yield port


def test_a_port_in_use_is_one_line(tmp_path: Path, taken: int) -> None:
    line = refusal("run", data=tmp_path, COUNTERSIGN_LISTEN=f"127.0.0.1:{taken}")
    assert line == (
        f"countersign: COUNTERSIGN_LISTEN: cannot listen on 127.0.0.1:{taken} (Address already in use); "
        "choose another port or address."
    )


def test_the_demo_s_port_in_use_is_one_line(tmp_path: Path, taken: int) -> None:
    line = refusal("demo", "--data", str(tmp_path), "--port", str(taken), data=tmp_path)
    assert line == f"countersign: Port {taken} is in use; stop what uses it, or choose another with --port."


def test_a_place_the_demo_cannot_have_is_one_line(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    line = refusal("demo", "--data", str(place), "--port", "0", data=tmp_path)
    assert line == f"countersign: {place} cannot be made (File exists); choose another with --data."


def test_a_scenario_for_the_page_is_one_line(tmp_path: Path) -> None:
    line = refusal("demo", "--scenario", "laptop", data=tmp_path)
    assert line == "countersign: --scenario: goes with --headless; in the page, press Guided."


def test_the_hub_s_options_reach_it(tmp_path: Path) -> None:
    """A subparser would parse them as its own options and refuse them."""
    line = refusal("hub", "--db", str(tmp_path / "hub.db"), "--listen", "0.0.0.0:0", data=tmp_path)
    assert line.startswith("The hub does not listen on")


def test_slack_out_of_reach_keeps_it_serving_until_ctrl_c(tmp_path: Path) -> None:
    """The bot says once what is wrong, and no message of a library comes before that."""
    with subprocess.Popen(
        [*COMMAND, "run"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path) | {"COUNTERSIGN_LOG_FORMAT": "text"},
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert re.search(r"INFO    bot\.app  listening on http://127\.0\.0\.1:\d+$", lines[0])
    assert "WARNING bot.slack.api.health  auth.test: Slack did not answer" in lines[1]
    assert "WARNING bot.slack.api.connection  Slack cannot be reached" in lines[2]


def test_a_policy_file_that_wants_sms_is_no_fault_of_the_file(tmp_path: Path) -> None:
    """The shell that checks the file need not have the bot's credentials."""
    file = tmp_path / "policies.toml"
    file.write_text(
        '[people.U0ADA]\nphone = "+12025550142"\n[policies.payment]\ntitle = "Payment"\nchannel = "C0PURCHASES"\n'
        '[[policies.payment.levels]]\nname = "Finance"\napprovers = ["U0ADA"]\ntimeout = "1d"\nsms = true\n'
    )
    ended = subprocess.run(
        [*COMMAND, "policies", "check", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(tmp_path),
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "payment sends codes by SMS, so `countersign run` will need" in ended.stdout
