"""GitHub Copilot CLI. Its contract: content/copilot/reference/hooks-reference.md of github/docs, "preToolUse"."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from bot.coding_agents.client import (
    BLOCKED,
    ClientAnswer,
    ClientCall,
    HookClient,
    arguments_of,
    shell_command,
    text,
)
from bot.gate.gate_file import CallAction

# The harmless arguments of bash. Others, such as requestSandboxBypass, may change what the command can do.
HARMLESS: Final = frozenset(
    {"description", "mode", "initial_wait", "shellId", "sessionId", "async", "timeout", "detach"}
)


class CopilotCli(HookClient):
    """The hook of Copilot CLI. Every failure blocks, except that a time-out lets the call through."""

    name = "copilot"
    title = "Copilot CLI"
    managed = "/etc/github-copilot/policy.d/countersign.json"
    place = ("hooks", "preToolUse")
    skeleton: ClassVar[Mapping[str, Any]] = {"version": 1}

    def read(self, call: dict[str, Any]) -> ClientCall:
        """Reads the call in the format with the tool's own name. The other calls both bash and PowerShell "Bash"."""
        tool, arguments = text(call, "toolName"), arguments_of(call, "toolArgs")
        command = shell_command(arguments, HARMLESS) if tool == "bash" else None
        return ClientCall(tool, arguments, text(call, "cwd"), command=command)

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """The answer. The exit status also tells a denial."""
        decision = {CallAction.ALLOW: "allow", CallAction.DENY: "deny", CallAction.CLIENT: "ask"}[action]
        output = {"permissionDecision": decision, "permissionDecisionReason": reason}
        return ClientAnswer(BLOCKED if action is CallAction.DENY else 0, output)

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The settings entry. The client starts the hook without a shell."""
        return {
            "type": "command",
            "exec": sys.executable,
            "args": self.arguments(gate, wait),
            "timeoutSec": self.limit(wait),
        }
