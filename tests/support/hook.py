"""Runs a coding agent's hook as its client does: in a process, with the call on standard input."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from tests.support import PATIENCE_S

GATE = """
agent = "claude-code"
default_policy = "deploy"
mask = ["env.*"]

[[rules]]
tool = "Read"
action = "allow"

[[rules]]
tool = "Bash"
when = 'argv[0] == "git" && argv[1] in ["status", "diff"] && !has(arguments.dangerouslyDisableSandbox)'
action = "allow"

[[rules]]
tool = "Bash"
when = 'arguments.command.contains("rm ")'
action = "deny"
reason = "Nothing is removed here."

[[rules]]
tool = "WebFetch"
action = "client"
"""


def an_input(tool: str, **arguments: Any) -> dict[str, Any]:
    """The input that the client gives a PreToolUse hook."""
    return {
        "session_id": "s",
        "transcript_path": "/t",
        "cwd": "/srv/shop",
        "permission_mode": "bypassPermissions",
        "hook_event_name": "PreToolUse",
        "tool_name": tool,
        "tool_input": arguments,
        "tool_use_id": "toolu_1",
    }


class HookAnswer:
    """How Claude Code's hook ended. `decision` is None where it printed none."""

    def __init__(self, status: int | None, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err
        said = (json.loads(out) if out else {}).get("hookSpecificOutput", {})
        self.decision: str | None = said.get("permissionDecision")
        self.reason: str = said.get("permissionDecisionReason", "")
        self.updated: dict[str, Any] | None = said.get("updatedInput")
        self.told: str = said.get("additionalContext", "")


async def start_hook(
    url: str,
    token: str | None,
    gate: Path,
    given: dict[str, Any] | bytes,
    *more: str,
    client: str = "claude-code",
) -> Process:
    """Starts the hook, and writes the call to it."""
    environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": url}
    if token is not None:
        environment["COUNTERSIGN_TOKEN"] = token
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "bot", "hook", client, "--gate", str(gate), *more),
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(given if isinstance(given, bytes) else json.dumps(given).encode())
    process.stdin.close()
    return process


async def hook_answer(process: Process) -> HookAnswer:
    """The answer of the hook, once it has ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err, status = await asyncio.wait_for(
        asyncio.gather(process.stdout.read(), process.stderr.read(), process.wait()), PATIENCE_S
    )
    return HookAnswer(status, out.decode(), err.decode())
