"""Says where a request stands, and what an agent is to do now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from bot.mcp.serve.models import AgentAnswer, Standing
from bot.mcp.serve.port import Looked
from orchestration.domain.inert import in_quotes, inert
from orchestration.domain.request import Status


def waiting_for(approval: dict[str, Any]) -> str:
    """Says in a few words who is waited for."""
    if not approval["levels"]:
        return "The request is being posted."
    return f"Waiting for {', '.join(_waiting(approval))} ({inert(approval['levels'][-1]['name'])})."


def answer_of(looked: Looked) -> AgentAnswer:
    """Returns the answer for the agent. An approval counts as a yes only with its receipt."""
    approval = looked.approval
    status, outcome = Status(approval["status"]), approval["outcome"] or {}
    answer: Literal["yes", "no", "pending"] = "no"
    if not looked.final:
        answer = "pending"
        where = "It is decided, and its receipt is being made." if status.ended else waiting_for(approval)
        words = f"{where} Do not do what was asked yet. Call wait_for_approval with this id, as often as it takes."
    elif not status.is_yes:
        words = f"{_ended(status, outcome)} Do not do what was asked."
    elif not outcome.get("receipt"):
        words = (
            "It is shown as approved without a receipt, so nothing proves that yes. Do not do what was asked."
        )
    else:
        answer = "yes"
        words = f"{_ended(status, outcome)} You may do what was asked, once, and nothing else."
    return AgentAnswer(id=approval["id"], answer=answer, next=words, standing=_standing(approval, outcome))


def unseen(request_id: str, why: str) -> AgentAnswer:
    """Returns the answer for a request that was asked but cannot be read now."""
    words = f"People are asked. The request cannot be looked at just now: {why} Call wait_for_approval with this id."
    return AgentAnswer(id=request_id, answer="pending", next=words, standing=None)


def _standing(approval: dict[str, Any], outcome: dict[str, Any]) -> Standing:
    return Standing(
        **{name: approval[name] for name in ("status", "policy", "title", "asked_at", "deadline")},
        card_url=approval.get("card_url"),
        waiting_for=[] if outcome else _waiting(approval),
        decided_by=outcome.get("processed_by"),
        decided_at=outcome.get("processed_at"),
        comment=outcome.get("comments") or "",
        reason=outcome.get("reason") or "",
        receipt=outcome.get("receipt"),
    )


def _waiting(approval: dict[str, Any]) -> list[str]:
    return [*approval["levels"][-1]["waiting_for"]] if approval["levels"] else []


def _ended(status: Status, outcome: dict[str, Any]) -> str:
    """Says how it ended, by whom, when and why. The time reveals an old answer, which a reused key returns."""
    by = f" by {outcome['processed_by']}" if outcome.get("processed_by") else ""
    at = datetime.fromisoformat(outcome["processed_at"]).astimezone(UTC) if outcome else None
    when = f" on {at:%Y-%m-%d at %H:%M} UTC" if at else ""
    said = in_quotes(outcome.get("comments") or "") or inert(outcome.get("reason") or "").rstrip(".")
    return f"{status.value.replace('_', ' ').capitalize()}{by}{when}{f': {said}' if said else ''}."
