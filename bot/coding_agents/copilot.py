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

# Of bash. An argument that is not here, such as requestSandboxBypass, may change what the command can do.
HARMLESS: Final = frozenset(
    {"description", "mode", "initial_wait", "shellId", "sessionId", "async", "timeout", "detach"}
)


class CopilotCli(HookClient):
    """Every failure blocks but one: a hook that takes longer than its time limit lets the call through."""

    name = "copilot"
    title = "Copilot CLI"
    managed = "/etc/github-copilot/policy.d/countersign.json"
    place = ("hooks", "preToolUse")
    skeleton: ClassVar[Mapping[str, Any]] = {"version": 1}

    def read(self, call: dict[str, Any]) -> ClientCall:
        """The call, by the tool's own name: in the form with a large P, bash and PowerShell are both called Bash."""
        tool, arguments = text(call, "toolName"), arguments_of(call, "toolArgs")
        command = shell_command(arguments, HARMLESS) if tool == "bash" else None
        return ClientCall(tool, arguments, text(call, "cwd"), command=command)

    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """A denial by the status as well."""
        decision = {CallAction.ALLOW: "allow", CallAction.DENY: "deny", CallAction.CLIENT: "ask"}[action]
        output = {"permissionDecision": decision, "permissionDecisionReason": reason}
        return ClientAnswer(BLOCKED if action is CallAction.DENY else 0, output)

    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """Started without a shell."""
        return {
            "type": "command",
            "exec": sys.executable,
            "args": self.arguments(gate, wait),
            "timeoutSec": self.limit(wait),
        }
