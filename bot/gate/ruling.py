"""What a gate file says of one call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from bot.gate.condition import compiled
from bot.gate.gate_file import CallAction, GateFile, Rule
from bot.gate.shell import simple_command

SHELL: Final = "Bash"
NO_RULE: Final = "No rule of the gate file allows this call."


@dataclass(frozen=True)
class Ruling:
    """What becomes of a call: `reason` where it is denied, and how to ask where people are asked.

    `rule` is the number of the rule in the file, from 1; None where none fits.
    """

    action: CallAction
    rule: int | None = None
    reason: str = ""
    policy: str = ""
    mask: list[str] = field(default_factory=list)
    window: timedelta = timedelta()


def rule_on(
    gate: GateFile, tool: str, arguments: Mapping[str, Any], *, server: str = "", directory: str = ""
) -> Ruling:
    """The first rule that fits. What no rule names is asked under the file's default policy, and denied without one.

    A condition that cannot be told fits a rule that denies, and none that allows or leaves the call to the client. It
    fits a rule that asks, unless the call is denied without that rule: to leave an argument out gets nobody asked
    about what is denied.
    """
    call: dict[str, Any] = {
        "agent": gate.agent,
        "tool": tool,
        "server": server,
        "directory": directory,
        "arguments": dict(arguments),
    }
    command = arguments.get("command")
    if tool == SHELL and isinstance(command, str) and (words := simple_command(command)) is not None:
        call["argv"] = words
    perhaps: Ruling | None = None  # By the first rule that asks and of which nobody can tell whether it fits.
    for number, rule in enumerate(gate.rules, 1):
        fits = _fits(rule, tool, call)
        if fits is None and rule.action is CallAction.ASK:
            perhaps = perhaps or _ruling(gate, rule, number)
        elif fits or (fits is None and rule.action is CallAction.DENY):
            denied = rule.action is CallAction.DENY
            return _ruling(gate, rule, number) if denied or perhaps is None else perhaps
    if gate.default_policy is None:
        return Ruling(CallAction.DENY, reason=NO_RULE)
    return perhaps or Ruling(CallAction.ASK, policy=gate.default_policy, mask=gate.mask, window=gate.window)


def _fits(rule: Rule, tool: str, call: dict[str, Any]) -> bool | None:
    """Whether it fits; None where that cannot be told."""
    if not any(fnmatchcase(tool, pattern) for pattern in rule.tools):
        return False
    return True if rule.when is None else compiled(rule.when).holds(call)


def _ruling(gate: GateFile, rule: Rule, number: int) -> Ruling:
    return Ruling(
        rule.action,
        number,
        reason=rule.reason or "",
        policy=rule.policy or gate.default_policy or "",
        mask=[*gate.mask, *rule.mask],
        window=rule.window or gate.window,
    )
