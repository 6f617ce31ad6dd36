"""The gate file's rules for a tool call: how people are asked about it, and what they may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.gate.gate_file import GateFile
from bot.gate.ruling import Ruling, change_fault, rule_on
from bot.mcp.gate.messages import Json, ToolCallMessage


def question_of(call: ToolCallMessage, ruling: Ruling, agent: str, server: str, schema: Json | None) -> Json:
    """Returns the question to people about the call. Their changes have to fit the schema, if there is one."""
    return {
        "policy": ruling.policy,
        "agent": agent,
        "server": server,
        "tool": call.tool,
        "arguments": call.arguments,
        "mask": list(dict.fromkeys(ruling.mask)),
        "window": f"{int(ruling.window.total_seconds())}s",
        "accepts_edits": True,
        **({"input_schema": schema} if schema is not None else {}),
    }


def fault_of_change(
    gate: GateFile, server: str, call: ToolCallMessage, asked: Ruling, changed: Mapping[str, Any]
) -> str | None:
    """Returns why a call may not be made with the changed arguments; None if it may."""
    return change_fault(asked, rule_on(gate, call.tool, changed, server=server))
