"""Describes an approval in words for the terminal: in one line, and in parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.terminal import plain
from orchestration.domain.inert import in_quotes, inert

YES: Final = frozenset({"approved", "auto_approved"})
_ESCALATED: Final = {
    "silence": "not decided in time",
    "too_few_left": "too few people were left to decide it",
}


def standing(approval: dict[str, Any]) -> str:
    """Where an approval stands, in one line."""
    parts = [approval["id"], approval["status"]]
    if approval["levels"]:
        parts += [level_now(approval), f"waiting for {waited_for(approval)}"]
        if to := escalated(approval):
            parts.append(f"escalated to {to}")
    if approval.get("edits"):
        parts.append(f"changed by {editors(approval)}")
    if approval["deadline"]:
        until = datetime.fromisoformat(approval["deadline"]).astimezone()
        parts.append(f"until {until:%a %H:%M}")
    if approval.get("card_url"):
        parts.append(approval["card_url"])
    return " · ".join(parts)


def ending(approval: dict[str, Any]) -> str:
    """How an approval ended, in one line."""
    outcome = approval["outcome"] or {}
    by = f" by {outcome['processed_by']}" if outcome.get("processed_by") else ""
    words = in_quotes(outcome.get("comments") or "") or outcome.get("reason")
    by += f", changed by {editors(approval)}" if approval.get("edits") else ""
    after = f" · {follows(approval)}" if approval.get("fulfilment") else ""
    return plain(f"{approval['id']} {approval['status']}{by}{f': {words}' if words else ''}{after}")


def how_it_ended(approval: Mapping[str, Any]) -> str:
    """Who ended it, when, and with which comment. "" while it is open."""
    outcome = approval.get("outcome")
    if not outcome:
        return ""
    at = datetime.fromisoformat(outcome["processed_at"]).astimezone()
    by = f" by {outcome['processed_by']}" if outcome.get("processed_by") else ""
    words = in_quotes(outcome.get("comments") or "") or outcome.get("reason")
    return f"{at:%Y-%m-%d %H:%M}{by}{f': {words}' if words else ''}"


def level_now(approval: Mapping[str, Any]) -> str:
    """The newest level, and how many of the needed people have approved."""
    if not approval["levels"]:
        return ""
    level = approval["levels"][-1]
    yes = sum(vote["choice"] == "approve" for vote in level["decisions"])
    return f"{inert(level['name'])}: {yes} of {level['needed']}"


def waited_for(approval: Mapping[str, Any]) -> str:
    """The people who have not decided yet. "" once it has ended."""
    if not approval["levels"] or approval.get("outcome"):
        return ""
    return ", ".join(approval["levels"][-1]["waiting_for"])


def delegates(approval: Mapping[str, Any]) -> str:
    """Who decides for whom at the newest level."""
    level = approval["levels"][-1] if approval["levels"] else {}
    return ", ".join(f"{present} for {absent}" for absent, present in level.get("delegates", {}).items())


def escalated(approval: Mapping[str, Any]) -> str:
    """The people that the newest level was escalated to, and why. "" if it was not escalated."""
    level = approval["levels"][-1] if approval["levels"] else {}
    if not level.get("escalated_to"):
        return ""
    return f"{level['escalated_to']}, {_ESCALATED[level['escalated_because']]}"


def editors(approval: Mapping[str, Any]) -> str:
    """The people who changed it, each once."""
    return ", ".join(dict.fromkeys(edit["actor"] for edit in approval.get("edits") or []))


def follows(approval: Mapping[str, Any]) -> str:
    """The state of its fulfilment. "" where nothing follows the approval."""
    fulfilment = approval.get("fulfilment")
    if not fulfilment:
        return ""
    parts = [inert(fulfilment["state"])]
    if fulfilment["stopped"]:
        parts.append(
            "stopped by an operator" if fulfilment["stopped"] == "terminated" else fulfilment["stopped"]
        )
    elif fulfilment["awaits"]:
        parts.append(f"waiting for {' or '.join(map(inert, fulfilment['awaits']))}")
    if fulfilment["overdue"]:
        parts.append("late")
    return ", ".join(parts)
