"""Claude Code. Its contract: https://code.claude.com/docs/en/hooks, "PreToolUse"."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.coding_agents.client import ClientAnswer, ClientCall, HookClient, arguments_of, event, run_of, text
from bot.gate.gate_file import CallAction


class ClaudeCode(HookClient):
    """The hook of Claude Code. Status 2 blocks the call.

    With `onFailure` of the entry, another status, a signal and a time-out block it too. But output that is not JSON
    lets the call through all the same, so only the hook may write to its standard output.
    """

    name = "claude-code"
    title = "Claude Code"
    managed = "/etc/claude-code/managed-settings.json"
    place = ("hooks", "PreToolUse")
    takes_changes = True

    def read(self, call: dict[str, Any]) -> ClientCall:
        """Reads the call. The client runs commands in the user's shell, bash or zsh."""
        event(call, "PreToolUse")
        tool, arguments = text(call, "tool_name"), arguments_of(call, "tool_input")
        server = call.get("mcp_server")
        named = server.get("name") if isinstance(server, dict) else None
        return ClientCall(
            tool,
            arguments,
            text(call, "cwd"),
            server=named if isinstance(named, str) else "",
            command=_command(tool, arguments),
            run=run_of(call),
        )

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """The decision, as JSON on standard output."""
        decision = {CallAction.ALLOW: "allow", CallAction.DENY: "deny", CallAction.CLIENT: "ask"}[action]
        output = {
            "hookEventName": "PreToolUse",
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }
        return ClientAnswer(0, {"hookSpecificOutput": output})

    def changed(self, asked: dict[str, Any], arguments: dict[str, Any], reason: str) -> ClientAnswer:
        """The answer with all arguments, which replace the client's own. It names the changed ones."""
        other = {name: value for name, value in arguments.items() if value != asked[name]}
        output = {
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow",
            "permissionDecisionReason": reason,
            "updatedInput": arguments,
            # For an allowed call, this text is all that the agent is told.
            "additionalContext": "People changed this call before they approved it. It was made with these arguments "
            f"in the place of yours: {json.dumps(other, ensure_ascii=False)}",
        }
        return ClientAnswer(0, {"hookSpecificOutput": output})

    def command(self, call: ClientCall, arguments: dict[str, Any]) -> str | None:
        """The command of a Bash call."""
        return _command(call.tool, arguments)

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The settings entry. The client starts the hook without a shell."""
        hook = {
            "type": "command",
            "command": sys.executable,
            "args": self.arguments(gate, wait),
            "timeout": self.limit(wait),
            "onFailure": "block",
            "statusMessage": "Waiting for people to decide",
        }
        return {"matcher": "*", "hooks": [hook]}


def _command(tool: str, arguments: dict[str, Any]) -> str | None:
    # The other arguments of Bash are all documented, and a rule may check each.
    found = arguments.get("command") if tool == "Bash" else None
    return found if isinstance(found, str) else None
