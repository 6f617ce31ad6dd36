"""How a card looks. Pure: the same card gives the same blocks, within Slack's limits whatever was typed.

An open card leads with its title and ends with its buttons; one that takes no more decisions is a calm line of who,
when and why. Mentions are the only names: a display name can be chosen to look like someone else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.target import Target
from bot.slack.text import bold, mention, money, plain, quoted, safe, when, within
from orchestration.cards import Card
from orchestration.models import Choice, LevelState, Status, Via, Vote

APPROVE: Final = "approve"
REJECT: Final = "reject"
ACTIONS: Final = "decision"

DOT: Final = " · "
YES: Final = "✓"
OPEN: Final = "○"
NO: Final = "✗"
OFF: Final = "–"
ONWARD: Final = "→"

MARKS: Final = {
    Status.PENDING: OPEN,
    Status.ESCALATED: OPEN,
    Status.APPROVED: YES,
    Status.REJECTED: NO,
    Status.TIMED_OUT: NO,
    Status.CANCELLED: OFF,
    Status.FAILED: NO,
    Status.TERMINATED: OFF,
}
ENDED: Final = {
    Status.APPROVED: "Approved",
    Status.REJECTED: "Rejected",
    Status.TIMED_OUT: "Timed out",
    Status.CANCELLED: "Withdrawn",
    Status.FAILED: "Failed",
    Status.TERMINATED: "Stopped by an operator",
}
VIA: Final = {Via.SLACK: "", Via.SMS: ", confirmed by SMS", Via.API: ", by API"}

DESCRIPTION: Final = 600  # characters; more than that is not read on a phone
INLINE: Final = 40  # a field longer than this gets its own line
FIELD: Final = 200
COMMENT: Final = 150
REASON: Final = 600
LEVELS_ROOM: Final = 2900
LINE_ROOM: Final = 1400
VOTES: Final = 8  # named beside a level; the others are counted


@dataclass(frozen=True)
class Rendered:
    """A message: `text` for notifications and screen readers, `blocks` to look at, `metadata` to find it again."""

    text: str
    blocks: list[Json]
    metadata: Json


def render(card: Card, notify: Sequence[str] = ()) -> Rendered:
    """The message for this copy; `notify` are pinged when it is posted."""
    target = Target(instance_id=card.request_id, round=card.round)
    if card.status.ended:
        shown = _ended(card)
    elif card.open:
        shown = _open(card, target, notify)
    else:
        shown = _passed(card)
    return Rendered(text=headline(card), blocks=shown, metadata=target.metadata())


def headline(card: Card) -> str:
    """One line that says it all in a notification."""
    if card.status.ended:
        return f"{ENDED[card.status]}: {_subject(card, ', ')}"
    what = _amount(card) or "approval"
    return f"{_lead(card)}{mention(card.requester)} asks for {what}: {_title(card)}"


# ---- the three looks -------------------------------------------------------------------------------------


def _open(card: Card, target: Target, notify: Sequence[str]) -> list[Json]:
    title = plain(card.title, blocks.HEADER) or plain(card.policy_title, blocks.HEADER) or card.request_id
    said = [_asked(card), quoted(card.description, DESCRIPTION), _levels(card)]
    parts = [blocks.header(title), *map(blocks.section, filter(None, said))]
    if pings := within([mention(who) for who in notify], " ", 600):
        parts.append(blocks.context(f"For {pings}"))
    parts.append(
        blocks.actions(
            ACTIONS,
            _button(APPROVE, "Approve", "primary", title, target),
            _button(REJECT, "Reject…", "danger", title, target),
        )
    )
    parts.append(blocks.context(_small_print(card)))
    return parts


def _passed(card: Card) -> list[Json]:
    """A copy whose own stage is settled while the request goes on elsewhere."""
    said = [f"{bold(_title(card))}\n{_asked(card)}", _levels(card)]
    return [*map(blocks.section, filter(None, said)), blocks.context(_small_print(card))]


def _ended(card: Card) -> list[Json]:
    result = f"{MARKS[card.status]} {bold(ENDED[card.status])}"
    if card.ended_by:
        result += f" by {mention(card.ended_by)}"
    if card.ended_at:
        result += DOT + when(card.ended_at)
    lines = [_subject(card, DOT, strong=True), result]
    if why := quoted(card.comments, REASON, lines=6, room=1800) or safe(card.reason, REASON, room=1800):
        lines.append(why)
    history = _levels(card) if _tells_more(card) else ""
    asked = f"Asked by {mention(card.requester)}, {when(card.asked_at)}"
    small = [history, DOT.join([asked, _small_print(card)])]
    return [blocks.section("\n".join(lines)), *map(blocks.context, filter(None, small))]


# ---- lines -----------------------------------------------------------------------------------------------


def _title(card: Card) -> str:
    return safe(card.title, 150, room=800) or safe(card.policy_title, 60)


def _amount(card: Card) -> str:
    return "" if card.amount is None else money(card.amount, card.currency)


def _subject(card: Card, separator: str, *, strong: bool = False) -> str:
    """The title and what it costs."""
    title = bold(_title(card)) if strong else _title(card)
    return separator.join(filter(None, [title, _amount(card)]))


def _lead(card: Card) -> str:
    return "Escalated: " if card.escalation else ""


def _asked(card: Card) -> str:
    """Who asks for what. Short fields share the line; long ones get their own."""
    amount = _amount(card)
    lead = f"{mention(card.requester)} asks for {bold(amount) or 'approval'}"
    said = [(safe(field.label, 48, room=200), safe(field.value, FIELD, room=900)) for field in card.fields]
    short = [f"{label} {value}" for label, value in said if len(value) <= INLINE]
    long = [f"{bold(label)}: {value}" for label, value in said if len(value) > INLINE]
    return within([within([lead, *short], DOT, 1400), *long], "\n", 2800)


def _small_print(card: Card) -> str:
    return DOT.join(filter(None, [safe(card.policy_title, 60), safe(card.request_id, 60)]))


def _levels(card: Card) -> str:
    """A line a level, and what silence has led to. Where there are too many, the latest are kept."""
    lines = [_level(card, level) for level in card.levels]
    if card.escalated_at:
        lines.append(_escalation(card))
    kept: list[str] = []
    left = LEVELS_ROOM
    for line in reversed(lines):
        left -= len(line) + 1
        if left < 0:
            kept.append("…")
            break
        kept.append(line)
    return "\n".join(reversed(kept))


def _level(card: Card, level: LevelState) -> str:
    """`✓ Manager · Ada, today 10:42` or `○ Finance · 1 of 2 · ✓ Fin, today 9:12 · until Thursday 17:00`."""
    running = not level.status.ended
    parts = [f"{MARKS[level.status]} {bold(safe(level.name, 40))}"]
    if running and level.quorum > 1:
        approvals = sum(vote.choice is Choice.APPROVE for vote in level.decisions)
        parts.append(f"{approvals} of {level.quorum}")
    elif running and not card.escalated_at:
        parts.append("waiting")
    elif not running and not level.decisions:
        parts.append(ENDED[level.status].lower())
    named = level.decisions[-VOTES:]
    marked = running or len(level.decisions) > 1
    parts += [_vote(vote, marked=marked) for vote in named]
    if others := len(level.decisions) - len(named):
        parts.append(f"and {others} more")
    if running and card.escalated_at:
        parts.append(f"no decision by {when(card.escalated_at)}")
    elif running and level.deadline:
        parts.append(f"until {when(level.deadline)}")
    return within(parts, DOT, LINE_ROOM)


def _escalation(card: Card) -> str:
    """Where the request went when nobody answered, and for how long."""
    where = mention(card.escalated_to) if card.escalated_to else "others"
    if card.status.ended:
        at = f", {when(card.escalated_at)}" if card.escalated_at else ""
        return f"{ONWARD} {bold('Escalated')} to {where}{at}"
    deadline = card.levels[-1].deadline if card.levels else None
    until = f"{DOT}until {when(deadline)}" if deadline else ""
    if card.escalation:
        return f"{OPEN} {bold('Escalation')}{DOT}waiting{until}"
    return f"{ONWARD} {bold('Escalated')} to {where}{DOT}can still be decided here{until}"


def _vote(vote: Vote, *, marked: bool) -> str:
    mark = f"{YES if vote.choice is Choice.APPROVE else NO} " if marked else ""
    comment = safe(vote.comment, COMMENT, room=400)
    said = f": “{comment}”" if comment else ""
    return f"{mark}{mention(vote.actor)}, {when(vote.at)}{VIA[vote.via]}{said}"


def _tells_more(card: Card) -> bool:
    """Whether the levels say anything that the line about the end does not."""
    votes = [vote for level in card.levels for vote in level.decisions]
    path = len(card.levels) > 1 or card.escalated_at is not None
    return path or len(votes) > 1 or any(vote.actor != card.ended_by for vote in votes)


def _button(action_id: str, label: str, style: str, title: str, target: Target) -> Json:
    spoken = plain(f"{label.rstrip('…')} {title}", blocks.BUTTON)
    return blocks.button(action_id, label, target.value(), style=style, spoken=spoken)
