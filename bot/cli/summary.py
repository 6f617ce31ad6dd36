"""An approval in one line, for the terminal."""

from __future__ import annotations

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
        level = approval["levels"][-1]
        yes = sum(vote["choice"] == "approve" for vote in level["decisions"])
        parts.append(f"{inert(level['name'])}: {yes} of {level['needed']}")
        parts.append(f"waiting for {', '.join(level['waiting_for'] or level['approvers'])}")
        if level["escalated_to"]:
            parts.append(f"escalated to {level['escalated_to']}, {_ESCALATED[level['escalated_because']]}")
    if approval.get("edits"):
        parts.append(f"changed by {_editors(approval)}")
    if approval["deadline"]:
        until = datetime.fromisoformat(approval["deadline"]).astimezone()
        parts.append(f"until {until:%a %H:%M}")
    if approval.get("card_url"):
        parts.append(approval["card_url"])
    return " · ".join(parts)


def ending(approval: dict[str, Any]) -> str:
    """How it ended, in one line."""
    outcome = approval["outcome"] or {}
    by = f" by {outcome['processed_by']}" if outcome.get("processed_by") else ""
    words = in_quotes(outcome.get("comments") or "") or outcome.get("reason")
    by += f", changed by {_editors(approval)}" if approval.get("edits") else ""
    follows = f" · {_following(approval['fulfilment'])}" if approval.get("fulfilment") else ""
    return plain(f"{approval['id']} {approval['status']}{by}{f': {words}' if words else ''}{follows}")


def _editors(approval: dict[str, Any]) -> str:
    return ", ".join(dict.fromkeys(edit["actor"] for edit in approval["edits"]))


def _following(fulfilment: dict[str, Any]) -> str:
    """Where it stands after its approval."""
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
