"""Claude Code. Its contract: https://code.claude.com/docs/en/hooks, "PreToolUse"."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.coding_agents.client import ClientAnswer, ClientCall, HookClient, arguments_of, event, text
from bot.gate.gate_file import CallAction


class ClaudeCode(HookClient):
    """Status 2 blocks. By `onFailure` of the entry another status, a signal and a time-out do too.

    What is no JSON lets the call through all the same, so nothing but the hook may write to its standard output.
    """

    name = "claude-code"
    title = "Claude Code"
    managed = "/etc/claude-code/managed-settings.json"
    place = ("hooks", "PreToolUse")

    def read(self, call: dict[str, Any]) -> ClientCall:
        """The call. Its shell is the user's, bash or zsh."""
        event(call, "PreToolUse")
        tool, arguments = text(call, "tool_name"), arguments_of(call, "tool_input")
        server = call.get("mcp_server")
        named = server.get("name") if isinstance(server, dict) else None
        # All arguments of Bash but the command are documented, and a rule may look at each.
        command = arguments.get("command") if tool == "Bash" else None
        return ClientCall(
            tool,
            arguments,
            text(call, "cwd"),
            server=named if isinstance(named, str) else "",
            command=command if isinstance(command, str) else None,
        )

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """The decision on standard output."""
        decision = {CallAction.ALLOW: "allow", CallAction.DENY: "deny", CallAction.CLIENT: "ask"}[action]
        output = {
            "hookEventName": "PreToolUse",
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }
        return ClientAnswer(0, {"hookSpecificOutput": output})

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """Started without a shell."""
        hook = {
            "type": "command",
            "command": sys.executable,
            "args": self.arguments(gate, wait),
            "timeout": self.limit(wait),
            "onFailure": "block",
            "statusMessage": "Waiting for people to decide",
        }
        return {"matcher": "*", "hooks": [hook]}
