"""Parts that messages share: which request it is, how it stands, and where its card is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bot.slack.blocks import Json
from bot.slack.input import grammar
from bot.slack.text import bold, mention, quoted, safe, said, when
from orchestration.domain.cards import Card
from orchestration.domain.effects import SendMessageInput
from orchestration.domain.money import format_amount
from orchestration.domain.request import Status
from orchestration.service.messages import why_escalated

SENTENCES: Final = {
    Status.PENDING: "{what} is waiting for a decision.",
    Status.ESCALATED: "{what} was escalated to {escalated_to}. {why_escalated}.",
    Status.APPROVED: "✓ {who} approved {what}.",
    Status.AUTO_APPROVED: "✓ {what} is approved by rule.",
    Status.REJECTED: "✗ {who} rejected {what}.",
    Status.TIMED_OUT: "✗ {what} ended without a decision.",
    Status.CANCELLED: "– {what} was withdrawn.",
    Status.FAILED: "✗ {what} failed, and nobody will be asked any more.",
    Status.TERMINATED: "– {what} was stopped by an operator.",
}
# The statuses whose comments, or whose reason, are added to the sentence.
QUOTED: Final = frozenset({Status.APPROVED, Status.REJECTED, Status.CANCELLED})
EXPLAINED: Final = frozenset({Status.AUTO_APPROVED, Status.REJECTED, Status.TIMED_OUT, Status.FAILED})

LINK: Final = "<{url}|See the card>"
# For a person who can decide although there is no link to a card.
NO_LINK: Final = "You can decide it from my Home tab, or with `{command} {status} {request_id}`."
SAID: Final = 600
# Escaped characters. With a title and an amount (850), a link and the sentence, it stays below a section's 3000.
ROOM: Final = 1600


@dataclass(frozen=True)
class NoticeMessage:
    """A message: `text`, which is also the notification, and blocks if it has buttons."""

    text: str
    blocks: list[Json] | None = None


def what_of(title: str, amount: Decimal | None, currency: str | None) -> str:
    """`*New laptops* (4,200.00 USD)`."""
    named = bold(said(title, 150, room=800)) or "*a request*"
    return named if amount is None else f"{named} ({format_amount(amount, currency)})"


def link_to(tell: SendMessageInput, links: Mapping[str, str]) -> str:
    """A link to the card (mrkdwn), or "" if there is none."""
    url = links.get(tell.card.request_id)
    return LINK.format(url=url) if url else ""


def where_to_decide(tell: SendMessageInput, links: Mapping[str, str]) -> str:
    """A link to the card (mrkdwn), or else how to decide without a card."""
    request_id = safe(tell.card.request_id, 60)
    return link_to(tell, links) or NO_LINK.format(
        command=grammar.COMMAND, status=grammar.STATUS, request_id=request_id
    )


def until(card: Card) -> str:
    """` until tomorrow 17:00`, or nothing."""
    deadline = card.levels[-1].deadline if card.levels else None
    return f" until {when(deadline)}" if deadline else ""


def quote(text: str, *, lines: int = 12) -> str:
    """What somebody wrote, as a quote that is short enough to share a section with a sentence."""
    return quoted(text, SAID, lines=lines, room=ROOM)


def reported(text: str) -> str:
    """What a program or the policy says, in one line of at most the same length as `quote`."""
    return safe(text, SAID, room=ROOM)


def lines(*each: str) -> str:
    """Joins the lines that are not empty."""
    return "\n".join(filter(None, (line.rstrip() for line in each)))


def sentence_of(card: Card, status: Status, what: str) -> str:
    """What `status` means for the request, as a sentence."""
    escalated = next((level for level in reversed(card.levels) if level.escalated_to), None)
    gone_to = escalated.escalated_to if escalated else None
    return SENTENCES[status].format(
        what=what,
        who=mention(card.ended_by) if card.ended_by else "The policy",
        escalated_to=mention(gone_to) if gone_to else "others",
        why_escalated=why_escalated(escalated) if escalated else "Nobody decided it in time",
    )


def how_it_stands(card: Card, what: str, link: str) -> str:
    """Where the request stands, with its reason once it has ended."""
    sentence = sentence_of(card, card.status, what)
    why = ""
    if card.status in QUOTED and card.comments:
        why = quote(card.comments, lines=6)
    elif card.status in EXPLAINED:
        why = reported(card.reason)
    return lines(f"{sentence} {link}", why)
