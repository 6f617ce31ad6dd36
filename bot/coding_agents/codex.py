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
    """The hook of Codex. Status 2 with a reason blocks. All other failures and unknown output let the call through."""

    name = "codex"
    title = "Codex"
    managed = "/etc/codex/hooks.json"
    place = ("hooks", "PreToolUse")
    can_ask = False  # Codex does not support "ask", and would let the call through.

    def read(self, call: dict[str, Any]) -> ClientCall:
        """Reads the call. Never splits a shell command into words, because Codex sends only its text.

        Other arguments of the tool say which shell the model chose, whether the command runs in a terminal, and
        whether it leaves the sandbox. None of them reaches the hook.
        """
        event(call, "PreToolUse")
        return ClientCall(text(call, "tool_name"), arguments_of(call, "tool_input"), text(call, "cwd"))

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """Writes nothing to standard output: a shell profile could write there too, and other text allows the call."""
        return ClientAnswer(0) if action is CallAction.ALLOW else ClientAnswer(BLOCKED, err=reason)

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The settings entry. The user's shell starts the hook."""
        hook = {
            "type": "command",
            "command": self.guarded(gate, wait),
            "timeout": self.limit(wait),
            "statusMessage": "Waiting for people to decide",
        }
        return {"matcher": "*", "hooks": [hook]}

    def switched_off(self, _settings: Mapping[str, Any]) -> str | None:
        """Returns None: nothing in this file can switch the hook off."""
        return None
