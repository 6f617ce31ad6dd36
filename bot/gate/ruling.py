"""Decides one call by a gate file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from bot.gate.condition import compiled
from bot.gate.gate_file import CallAction, GateFile, Rule
from bot.gate.shell import simple_command

NO_RULE: Final = "No rule of the gate file allows this call."


@dataclass(frozen=True)
class Ruling:
    """The decision on a call: a `reason` if it is denied, and how to ask if people are asked.

    `rule` is the number of the rule in the file, from 1; None where no rule fits.
    """

    action: CallAction
    rule: int | None = None
    reason: str = ""
    policy: str = ""
    mask: list[str] = field(default_factory=list)
    window: timedelta = timedelta()


def rule_on(
    gate: GateFile,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    server: str = "",
    directory: str = "",
    command: str | None = None,
) -> Ruling:
    """The ruling of the first rule that fits. If none fits: asks under the default policy, or denies without one.

    `command` is the text that the call hands to a POSIX shell. Give it only where the caller knows that the call
    does nothing else.

    A condition that cannot be evaluated counts as fulfilled in a rule that denies, and as not fulfilled in a rule
    that allows or leaves the call to the client. In a rule that asks it counts as fulfilled, unless the call is
    denied without that rule: leaving out an argument must not get people asked about a denied call. Nor may it
    choose who is asked: if the rules that may fit ask differently, the call is denied.
    """
    call: dict[str, Any] = {
        "agent": gate.agent,
        "tool": tool,
        "server": server,
        "directory": directory,
        "arguments": dict(arguments),
    }
    if command is not None and (words := simple_command(command)) is not None:
        call["argv"] = words
    perhaps: list[Ruling] = []  # The rules that ask and whose condition cannot be evaluated.
    for number, rule in enumerate(gate.rules, 1):
        fits = _fits(rule, tool, call)
        if fits is None and rule.action is CallAction.ASK:
            perhaps.append(_ruling(gate, rule, number))
        elif fits or (fits is None and rule.action is CallAction.DENY):
            return _of_all(perhaps, _ruling(gate, rule, number))
    if gate.default_policy is None:
        return Ruling(CallAction.DENY, reason=NO_RULE)
    return _of_all(
        perhaps, Ruling(CallAction.ASK, policy=gate.default_policy, mask=gate.mask, window=gate.window)
    )


def _of_all(perhaps: list[Ruling], certain: Ruling) -> Ruling:
    """The ruling where any of `perhaps` may be the one that counts, and otherwise `certain` counts."""
    if not perhaps or certain.action is CallAction.DENY:
        return certain
    asks = [*perhaps, certain] if certain.action is CallAction.ASK else perhaps
    if len({(ask.policy, tuple(ask.mask), ask.window) for ask in asks}) == 1:
        return perhaps[0]
    names = [f"rule {ask.rule}" if ask.rule is not None else "the default policy" for ask in asks]
    return Ruling(
        CallAction.DENY,
        reason=f"The gate file asks differently by {', '.join(names[:-1])} and {names[-1]}, and it cannot be told "
        "which of them is for this call, as an argument is missing or of another type.",
    )


def change_fault(asked: Ruling, changed: Ruling) -> str | None:
    """Why the gate file does not accept people's change of the call; None if it accepts it.

    A change must not get a call past a rule that denies it, or that asks under another policy.
    """
    if changed.action is CallAction.ALLOW or (changed.action, changed.policy) == (asked.action, asked.policy):
        return None
    said = {
        CallAction.DENY: f"denies that: {changed.reason}",
        CallAction.ASK: f"has that asked under {changed.policy}.",
        CallAction.CLIENT: "leaves that to the client.",
    }
    words = said[changed.action]
    return f"People changed the call and approved that, but the gate file {words} The call was not made."


def _fits(rule: Rule, tool: str, call: dict[str, Any]) -> bool | None:
    """Whether the rule fits; None if its condition cannot be evaluated."""
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
