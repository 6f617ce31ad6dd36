"""What the person who asked is told in a direct message: one sentence a turn, and where to look."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.slack.text import bold, mention, money, quoted, safe
from orchestration.cards import Card
from orchestration.models import ApprovalRequest, Policy, Status

SENTENCES: Final = {
    Status.PENDING: "{what} is waiting for a decision.",
    Status.ESCALATED: "Nobody decided {what} in time, so it was escalated to {escalated_to}.",
    Status.APPROVED: "✓ {who} approved {what}.",
    Status.REJECTED: "✗ {who} rejected {what}.",
    Status.TIMED_OUT: "✗ {what} timed out: nobody decided it in time.",
    Status.CANCELLED: "– {what} was withdrawn.",
    Status.FAILED: "✗ {what} failed, and nobody will be asked any more.",
    Status.TERMINATED: "– {what} was stopped by an operator.",
}
LINK: Final = "<{url}|See the card>"
ASKED: Final = "Asked: {what}, in {channel} as `{request_id}`."


def notice(card: Card, permalink: str | None) -> str:
    """The direct message (mrkdwn) about the state of the request on `card`. Total over all states."""
    sentence = SENTENCES[card.status].format(
        what=_what(card.title, card.amount, card.currency),
        who=mention(card.ended_by) if card.ended_by else "The policy",
        escalated_to=mention(card.escalated_to) if card.escalated_to else "others",
    )
    link = LINK.format(url=permalink) if permalink else ""
    lines = [f"{sentence} {link}".rstrip()]
    if card.status in {Status.APPROVED, Status.REJECTED} and card.comments:
        lines.append(quoted(card.comments, 600, lines=6))
    elif card.status in {Status.REJECTED, Status.FAILED} and card.reason:
        lines.append(safe(card.reason, 600))
    return "\n".join(filter(None, lines))


def asked(request: ApprovalRequest, request_id: str, policy: Policy) -> str:
    """What the requester is told when their request is on disk (mrkdwn)."""
    what = _what(request.title, request.amount, request.currency or policy.currency)
    return ASKED.format(what=what, channel=mention(policy.channel), request_id=request_id)


def _what(title: str, amount: Decimal | None, currency: str | None) -> str:
    """`*New laptops* (4,200.00 USD)`."""
    named = bold(safe(title, 150, room=800))
    return named if amount is None else f"{named} ({money(amount, currency)})"
