"""Cursor. Its contract: https://cursor.com/docs/hooks, "preToolUse". Its source is not public."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from bot.coding_agents.client import (
    ClientAnswer,
    ClientCall,
    HookClient,
    arguments_of,
    event,
    shell_command,
    text,
)
from bot.gate.gate_file import CallAction

# The harmless arguments of Shell. Others may ask for permissions.
HARMLESS: Final = frozenset(
    {"working_directory", "description", "timeout", "is_background", "block_until_ms"}
)


class Cursor(HookClient):
    """The hook of Cursor. Status 2 blocks. With `failClosed` of the entry, every other failure blocks too."""

    name = "cursor"
    title = "Cursor"
    managed = "/etc/cursor/hooks.json"
    place = ("hooks", "preToolUse")
    skeleton: ClassVar[Mapping[str, Any]] = {"version": 1}
    can_ask = False  # Cursor accepts "ask" but does not enforce it: it lets the call through.

    def read(self, call: dict[str, Any]) -> ClientCall:
        """Reads the call. A tool of an MCP server is named MCP:tool; the server's name is not given."""
        event(call, "preToolUse")
        tool, arguments = text(call, "tool_name"), arguments_of(call, "tool_input")
        command = shell_command(arguments, HARMLESS) if tool == "Shell" else None
        return ClientCall(tool, arguments, text(call, "cwd"), command=command)

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """The decision on standard output, the only place for the reason."""
        if action is CallAction.ALLOW:
            return ClientAnswer(0, {"permission": "allow"})
        return ClientAnswer(0, {"permission": "deny", "user_message": reason, "agent_message": reason})

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The settings entry. A shell starts the hook."""
        return {"command": self.guarded(gate, wait), "timeout": self.limit(wait), "failClosed": True}

    def switched_off(self, _settings: Mapping[str, Any]) -> str | None:
        """Returns None: nothing in this file can switch the hook off."""
        return None
