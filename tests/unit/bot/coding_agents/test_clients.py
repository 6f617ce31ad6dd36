"""Each coding agent's hook: how its calls are read, and what it is told."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli.hook import decided
from bot.coding_agents.client import ClientAnswer
from bot.coding_agents.clients import CLIENTS
from bot.gate.call_json import CallJsonError
from bot.gate.gate_file import CallAction
from orchestration.domain.errors import CountersignError
from tests.support.hook import GATE

ALL = sorted(CLIENTS)
# The name of each one's shell tool, and an argument that may change what its words do.
SHELLS = {
    "claude-code": ("Bash", "dangerouslyDisableSandbox"),
    "codex": ("Bash", "shell"),
    "copilot": ("bash", "requestSandboxBypass"),
    "cursor": ("Shell", "required_permissions"),
    "gemini": ("run_shell_command", "additional_permissions"),
}


def told(client: str, tool: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """The call as that client sends it to its hook, by its documentation."""
    if client == "copilot":
        return {
            "sessionId": "s",
            "timestamp": 1,
            "cwd": "/srv",
            "toolName": tool,
            "toolArgs": arguments,
        } | more
    event = {
        "claude-code": "PreToolUse",
        "codex": "PreToolUse",
        "cursor": "preToolUse",
        "gemini": "BeforeTool",
    }
    call = {"hook_event_name": event[client], "tool_name": tool, "tool_input": arguments, "cwd": "/srv"}
    return call | more


def answered(client: str, gate: Path, call: Any) -> ClientAnswer:
    raw = call if isinstance(call, bytes) else json.dumps(call).encode()
    return decided(CLIENTS[client], lambda most: raw[:most], gate, 1.0, {})


def action(client: str, answer: ClientAnswer) -> str:
    """What the client does on the hook's answer, by its documentation."""
    if answer.status == 2:
        # Codex and Gemini CLI allow a call that is blocked without a reason.
        assert answer.err or client == "copilot"
        return "deny"
    assert answer.status == 0
    assert not answer.err
    out: Any = answer.out or {}
    match client:
        case "claude-code":
            assert out["hookSpecificOutput"]["hookEventName"] == "PreToolUse"
            return str(out["hookSpecificOutput"]["permissionDecision"])
        case "codex":
            # Codex takes an answer that it does not know for a failed hook, and allows the call.
            assert answer.out is None
            return "allow"
        case "copilot":
            return str(out["permissionDecision"])
        case "cursor":
            assert out["permission"] != "ask"  # Cursor does not enforce "ask": the call would run
            return str(out["permission"])
        case _:
            return str(out["decision"])


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    shells = json.dumps(sorted({tool for tool, _ in SHELLS.values()}))
    file.write_text(GATE.replace('tool = "Bash"', f"tool = {shells}"))
    return file


@pytest.mark.parametrize("client", ALL)
def test_the_rules_decide_and_each_client_is_told_in_its_own_way(client: str, gate: Path) -> None:
    shell, _ = SHELLS[client]
    read = answered(client, gate, told(client, "Read", {"file_path": "/etc/hosts"}))
    assert action(client, read) == "allow"
    denied = answered(client, gate, told(client, shell, {"command": "git status; rm -rf /"}))
    assert action(client, denied) == "deny"
    assert "Nothing is removed here." in denied.err + json.dumps(denied.out)
    left = answered(client, gate, told(client, "WebFetch", {"url": "https://example.com"}))
    assert action(client, left) == ("ask" if CLIENTS[client].can_ask else "deny")
    if not CLIENTS[client].can_ask:
        assert "Rule 4 of the gate file leaves this call to the client." in left.err + json.dumps(left.out)


@pytest.mark.parametrize("client", ALL)
def test_the_words_of_a_command_are_those_of_its_shell_alone(client: str, gate: Path) -> None:
    gate.write_text(
        'agent = "a"\n[[rules]]\ntool = "*"\naction = "allow"\n'
        'when = \'argv == ["git", "status"] && size(arguments) <= 2\'\n'
    )
    shell, odd = SHELLS[client]
    words = {"command": "git status"}
    plain = answered(client, gate, told(client, shell, words))
    # Codex does not say which shell runs the command, and where.
    assert action(client, plain) == ("deny" if client == "codex" else "allow")
    if client != "claude-code":  # For Claude Code a rule checks that argument, as in the guide.
        assert action(client, answered(client, gate, told(client, shell, words | {odd: True}))) == "deny"
    others = {tool for tool, _ in SHELLS.values()} - {shell} | {
        "powershell",
        "PowerShell",
        "MCP:Shell",
        "shell",
    }
    for call in (
        *(told(client, other, words) for other in others),
        told(client, shell, {"command": ["git", "status"]}),
        told(client, shell, {"command": "git status; id"}),
        told(client, shell, {"argv": ["git", "status"]}),
        told(client, shell, words, mcp_context={"server_name": "s"}) if client == "gemini" else {},
    ):
        if call:
            assert action(client, answered(client, gate, call)) == "deny", call


def test_a_server_is_named_where_the_client_names_it(gate: Path) -> None:
    gate.write_text(
        'agent = "a"\n[[rules]]\ntool = "*"\nwhen = \'server == "db" && directory == "/srv"\'\naction = "allow"\n'
    )
    of_server = {
        "claude-code": {"mcp_server": {"name": "db"}},
        "gemini": {"mcp_context": {"server_name": "db"}},
    }
    for client in ALL:
        answer = answered(client, gate, told(client, "query", {}, **of_server.get(client, {})))
        assert action(client, answer) == ("allow" if client in of_server else "deny")


@pytest.mark.parametrize("client", ALL)
def test_what_is_no_call_of_this_client_is_not_decided(client: str, gate: Path) -> None:
    whole = told(client, "Read", {})
    bad: list[Any] = [b"", b"{", b"[]", b"\xff", b"null", b'{"cwd": "/", "cwd": "/srv"}']
    bad += [
        {key: value for key, value in whole.items() if key != left} for left in whole if left not in _UNREAD
    ]
    bad += [whole | {key: 5} for key in whole if key not in _UNREAD]
    odd: list[Any] = ["no JSON", "[]", '{"a": 1, "a": 2}', [], None]
    bad += [told(client, "Read", arguments) for arguments in odd]
    bad += [told(client, "Read", {"text": "\ud800"}), told(client, "Read", {"text": "x" * 300_000})]
    bad += [told(other, "Read", {}) for other in ALL if {client, other} not in _ALIKE and other != client]
    for call in bad:
        with pytest.raises(CallJsonError):
            answered(client, gate, call)
    with pytest.raises(CountersignError, match=r"beyond 2\^53"):
        answered(client, gate, told(client, "Read", {"n": 2**53}))


_UNREAD = {"sessionId", "timestamp"}
_ALIKE = [{"claude-code", "codex"}]


@pytest.mark.parametrize("client", ALL)
def test_arguments_that_are_written_as_a_text_are_read_as_what_they_say(client: str, gate: Path) -> None:
    """Arguments sent as a JSON text, as by Copilot CLI, are read as the object in that text."""
    shell, _ = SHELLS[client]
    denied = answered(client, gate, told(client, shell, '{"command": "git status; rm -rf /"}'))
    assert action(client, denied) == "deny"


@pytest.mark.parametrize("client", ALL)
def test_the_entry_is_for_every_tool_and_has_the_hook_end_before_the_client_ends_it(client: str) -> None:
    made = CLIENTS[client].entry(Path("/etc/a gate's.toml"), timedelta(minutes=2))
    if client in {"claude-code", "codex", "gemini"}:
        assert made["matcher"] == "*"
        [made] = made["hooks"]
    limits = {"timeout": 150, "timeoutSec": 150} | ({"timeout": 150_000} if client == "gemini" else {})
    assert [limits[name] for name in limits if name in made] == [made.get("timeout", made.get("timeoutSec"))]
    blocks = {"claude-code": ("onFailure", "block"), "cursor": ("failClosed", True)}
    if client in blocks:
        name, value = blocks[client]
        assert made[name] == value
    assert "matcher" not in made


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_shell_that_starts_the_hook_makes_every_failure_block(shell: str, tmp_path: Path) -> None:
    """The client allows the call at other statuses, at a signal, and at a status without a reason."""
    client = CLIENTS["codex"]
    command = client.guarded(tmp_path / "a gate's $HOME.toml", timedelta(seconds=5))

    def ended(text: str, given: str = "{}") -> tuple[int, str, str]:
        done = subprocess.run([shell, "-c", text], input=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    status, out, err = ended(command)
    assert (status, out) == (2, "")
    assert "is not the input of a PreToolUse hook" in err
    for instead in ("exit 1", "kill -9 $$", "exit 0; false", "/nowhere"):
        words = f"/bin/sh -c {instead!r}" if instead != "/nowhere" else instead
        start = command.index(sys.executable)
        status, _, err = ended(command[:start] + words)
        assert status == (0 if instead.startswith("exit 0") else 2), instead
        assert not status or "the call is blocked" in err


def test_an_action_that_is_asked_is_no_answer_to_a_client() -> None:
    """A client can be told only a decision."""
    for client in ("claude-code", "copilot", "gemini"):
        with pytest.raises(KeyError):
            CLIENTS[client].answer(CallAction.ASK, "")
    for client in ("codex", "cursor"):
        assert action(client, CLIENTS[client].answer(CallAction.ASK, "x")) == "deny"
