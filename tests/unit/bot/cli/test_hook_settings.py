"""The hook's entry in a settings file, and the warnings of `gate check`."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.coding_agents.clients import CLIENTS
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
    assert hook["args"] == ["-I", "-m", "bot", "hook", "claude-code", "--gate", str(gate), "--wait", "120s"]
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
    assert "Warning: the file has disableAllHooks, so the hook does not run." in said
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


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_each_client_gets_its_own_form_and_the_hooks_of_others_stay(
    gate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    client = CLIENTS[name]
    assert main(["hook", "init", name, "--gate", str(gate)]) == 0
    shown = json.loads(capsys.readouterr().out)
    section, event = client.place
    file = tmp_path / "settings.json"
    # Somebody put their own hook beside ours, in the same entry where the client's entries take several.
    [made] = shown[section][event]
    theirs = {"type": "command", "command": f"{sys.executable} -I -m bot hook {name}-theirs --gate x"}
    mixed = {**made, "hooks": [*made["hooks"], theirs]} if "hooks" in made else made
    file.write_text(json.dumps({section: {event: [mixed, theirs, "odd"], "Other": []}}))
    init = ["hook", "init", name, "--gate", str(gate), "--wait", "1m", "--write", str(file)]
    assert [main(init), main(init)] == [0, 0]
    found = json.loads(file.read_text())
    assert found.items() >= client.skeleton.items()
    *others, ours = found[section][event]
    left = [{**made, "hooks": [theirs]}] if "hooks" in made else []
    assert others == [*left, theirs, "odd"]
    assert ours == client.entry(gate.resolve(), timedelta(minutes=1))
    # There is a warning of the rule that leaves calls to the client where the client cannot take them.
    assert ("warning: rule 4 leaves calls to the client" in capsys.readouterr().err) is not client.can_ask


def test_what_switches_a_hook_off_is_said(
    gate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.json"
    for name, settings, words in (
        ("gemini", {"hooksConfig": {"enabled": False}}, "hooksConfig.enabled = false"),
        ("gemini", {"hooksConfig": {"disabled": ["countersign"]}}, "countersign in hooksConfig.disabled"),
        ("gemini", {"hooksConfig": {"enabled": True, "disabled": []}}, None),
        ("copilot", {"disableAllHooks": True}, "disableAllHooks"),
        ("cursor", {}, None),
        ("codex", {}, None),
    ):
        file.write_text(json.dumps(settings))
        assert main(["hook", "init", name, "--gate", str(gate), "--write", str(file)]) == 0
        said = capsys.readouterr().out
        assert ("so the hook does not run" in said) is (words is not None)
        assert words is None or words in said


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
