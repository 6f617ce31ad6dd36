"""A call of a tool as the gate file has it: how people are asked, and what they may make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.gate.gate_file import CallAction, GateFile
from bot.gate.ruling import Ruling, rule_on
from bot.mcp.gate.messages import Json, ToolCallMessage


def question_of(call: ToolCallMessage, ruling: Ruling, agent: str, server: str) -> Json:
    """The call as people are asked about it."""
    return {
        "policy": ruling.policy,
        "agent": agent,
        "server": server,
        "tool": call.tool,
        "arguments": call.arguments,
        "mask": list(dict.fromkeys(ruling.mask)),
        "window": f"{int(ruling.window.total_seconds())}s",
    }


def fault_of_change(
    gate: GateFile, server: str, call: ToolCallMessage, asked: Ruling, changed: Mapping[str, Any]
) -> str | None:
    """Why a call may not be made with arguments that people changed; None where it may.

    A change gets no call past a rule that denies it, or that has it asked under another policy.
    """
    now = rule_on(gate, call.tool, changed, server=server)
    if now.action is CallAction.DENY:
        return f"People changed the call, and the gate file denies what came of it. {now.reason}".strip()
    if now.action is not CallAction.ALLOW and now.policy != asked.policy:
        return "People changed the call, and the gate file has what came of it decided under another policy."
    return None
