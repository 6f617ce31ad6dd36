"""The entry of the hook in a settings file, and what `gate check` warns of."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bot.cli.hook_settings import OURS
from bot.cli.main import main
from tests.support.hook import GATE


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    file.write_text(GATE)
    return file


def init(gate: Path, *more: str) -> int:
    return main(["hook", "init", "claude-code", "--gate", str(gate), *more])


def test_the_entry_blocks_when_it_fails_and_ends_before_its_time_limit(
    gate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(gate, "--wait", "2m") == 0
    [made] = json.loads(capsys.readouterr().out)["hooks"]["PreToolUse"]
    [hook] = made["hooks"]
    assert made["matcher"] == "*"
    assert (hook["type"], hook["command"], hook["onFailure"]) == ("command", sys.executable, "block")
    assert hook["args"] == ["-I", "-m", "bot", *OURS, "--gate", str(gate), "--wait", "120s"]
    assert hook["timeout"] == 150
    # Not "0s", which the hook refuses.
    assert init(gate, "--wait", "PT0.5S") == 0
    assert '"1s"' in capsys.readouterr().out


def test_it_is_put_beside_what_is_there_and_in_the_place_of_its_earlier_self(
    gate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "settings.json"
    assert init(gate, "--write", str(file)) == 0
    settings = json.loads(file.read_text())
    other = {"matcher": "Bash", "hooks": [{"type": "command", "command": "true"}]}
    settings["hooks"]["PreToolUse"].insert(0, other)
    settings |= {"model": "é", "disableAllHooks": True}
    file.write_text(json.dumps(settings))
    file.chmod(0o600)
    assert init(gate, "--write", str(file), "--wait", "1m") == 0
    said = capsys.readouterr().out
    assert f"Written to {file}." in said
    assert "Warning: the file has disableAllHooks, so no hook runs." in said
    assert ("can write this file" in said) is (os.geteuid() != 0)
    file.chmod(0o620)
    assert init(gate, "--write", str(file), "--wait", "1m") == 0
    assert "Warning: others than root can write this file" in capsys.readouterr().out
    file.chmod(0o600)
    found = json.loads(file.read_text())
    assert found["model"] == "é"
    first, second = found["hooks"]["PreToolUse"]
    assert (first, second["hooks"][0]["timeout"]) == (other, 90)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["settings.json"]


def test_a_new_file_can_be_read_by_the_one_who_runs_the_agent(gate: Path, tmp_path: Path) -> None:
    file = tmp_path / "claude-code" / "managed-settings.json"
    before = os.umask(0o077)
    try:
        assert init(gate, "--write", str(file)) == 0
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.parent.stat().st_mode & 0o777 == (0o755 if os.geteuid() == 0 else 0o700)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is no object"),
        ('{"hooks": []}', "hooks.PreToolUse is no list"),
        ('{"hooks": {"PreToolUse": 1}}', "hooks.PreToolUse is no list"),
    ],
)
def test_a_file_that_it_does_not_understand_is_left_alone(
    gate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    assert init(gate, "--write", str(file)) == 4
    assert words in capsys.readouterr().err
    assert file.read_text() == text


def test_check_finds_faults_and_warns_of_what_an_agent_could_use(
    gate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", "check", str(gate)]) == 0
    said = capsys.readouterr().out
    assert f"{gate}: OK (4 rules for claude-code)" in said
    assert "what no rule names is asked under deploy" in said
    assert "COUNTERSIGN_URL" in said
    assert "Warning: mask env.* hides every value there" in said
    gate.write_text(
        'agent = "a"\nserver = "http://approvals.example"\n'
        '[[rules]]\ntool = "Bash"\nwhen = \'arguments.command.startsWith("git ")\'\naction = "allow"\n'
        '[[rules]]\ntool = "*"\naction = "client"\n[[rules]]\ntool = "Read"\naction = "allow"\n'
    )
    assert main(["gate", "check", str(gate)]) == 0
    said = capsys.readouterr().out
    assert "Note: what no rule names is denied." in said
    assert "Warning: rule 1 allows a shell command by its text" in said
    assert "Warning: rule 3 is never reached" in said
    assert "Warning: server is http://" in said
    gate.write_text("agent = 5\n")
    assert main(["gate", "check", str(gate)]) == 1
    assert f"{gate}:1: agent: " in capsys.readouterr().err
