"""Codex. Its contract: https://developers.openai.com/codex/hooks, and codex-rs/hooks/src/events/pre_tool_use.rs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.coding_agents.client import (
    BLOCKED,
    ClientAnswer,
    ClientCall,
    HookClient,
    arguments_of,
    event,
    text,
)
from bot.gate.gate_file import CallAction


class Codex(HookClient):
    """Status 2 with a reason blocks. A time-out, a signal, another status and unknown output let the call through."""

    name = "codex"
    title = "Codex"
    managed = "/etc/codex/hooks.json"
    place = ("hooks", "PreToolUse")
    can_ask = False  # "ask" is not supported, and lets the call through.

    def read(self, call: dict[str, Any]) -> ClientCall:
        """The call. A shell command is never taken apart, for Codex tells its text alone.

        Which shell the model chose, whether it runs in a terminal, and whether it is to leave the sandbox are other
        arguments of the tool, and none of them reaches the hook.
        """
        event(call, "PreToolUse")
        return ClientCall(text(call, "tool_name"), arguments_of(call, "tool_input"), text(call, "cwd"))

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """Nothing on standard output, which a profile of the shell could spoil: what is not JSON allows the call."""
        return ClientAnswer(0) if action is CallAction.ALLOW else ClientAnswer(BLOCKED, err=reason)

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """Started by the user's shell."""
        hook = {
            "type": "command",
            "command": self.guarded(gate, wait),
            "timeout": self.limit(wait),
            "statusMessage": "Waiting for people to decide",
        }
        return {"matcher": "*", "hooks": [hook]}

    def switched_off(self, _settings: Mapping[str, Any]) -> str | None:
        """Nothing in this file can."""
        return None
