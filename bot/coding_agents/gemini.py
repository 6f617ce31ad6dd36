"""Gemini CLI. Its contract: docs/hooks/reference.md of google-gemini/gemini-cli, "BeforeTool".

Its handling of a hook that fails is in packages/core/src/hooks/hookRunner.ts there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bot.coding_agents.client import (
    BLOCKED,
    ClientAnswer,
    ClientCall,
    HookClient,
    arguments_of,
    event,
    shell_command,
    text,
)
from bot.gate.gate_file import CallAction

NAME: Final = "countersign"
# The harmless arguments of run_shell_command, which hands the command to `bash -c`. Others may ask for permissions.
HARMLESS: Final = frozenset({"description", "dir_path", "is_background", "delay_ms"})


class GeminiCli(HookClient):
    """The hook of Gemini CLI. Status 2 with a reason blocks. All other failures let the call through."""

    name = "gemini"
    title = "Gemini CLI"
    managed = "/etc/gemini-cli/settings.json"
    place = ("hooks", "BeforeTool")

    def read(self, call: dict[str, Any]) -> ClientCall:
        """The call."""
        event(call, "BeforeTool")
        tool, arguments = text(call, "tool_name"), arguments_of(call, "tool_input")
        context = call.get("mcp_context")
        server = context.get("server_name") if isinstance(context, dict) else None
        shell = tool == "run_shell_command" and context is None
        return ClientCall(
            tool,
            arguments,
            text(call, "cwd"),
            server=server if isinstance(server, str) else "",
            command=shell_command(arguments, HARMLESS) if shell else None,
        )

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """The answer. A denial uses the status, which blocks even if something else wrote to standard output."""
        if action is CallAction.DENY:
            return ClientAnswer(BLOCKED, err=reason)
        return ClientAnswer(0, {"decision": {CallAction.ALLOW: "allow", CallAction.CLIENT: "ask"}[action]})

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The settings entry. Bash starts the hook; the time limit is in milliseconds."""
        hook = {
            "type": "command",
            "name": NAME,
            "command": self.guarded(gate, wait),
            "timeout": self.limit(wait) * 1000,
            "description": "Asks people before a tool is called",
        }
        return {"matcher": "*", "hooks": [hook]}

    def switched_off(self, settings: Mapping[str, Any]) -> str | None:
        """The setting that disables all hooks, or the one that disables this hook."""
        switches = settings.get("hooksConfig")
        if not isinstance(switches, dict):
            return None
        if switches.get("enabled") is False:
            return "hooksConfig.enabled = false"
        listed = switches.get("disabled")
        return f"{NAME} in hooksConfig.disabled" if isinstance(listed, list) and NAME in listed else None
