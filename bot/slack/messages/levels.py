"""Draws the levels of a request on its card: one line for each that ended, is open, or is still to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from bot.slack.ids import is_group
from bot.slack.messages.status_labels import CALLED, DOT, FACTORS, MARKS, ONWARD, OPEN, VOTE_MARKS
from bot.slack.text import bold, mention, safe, said, when, within
from orchestration.domain.cards import Card
from orchestration.domain.request import EscalationCause, LevelState, Status, Via, Vote

VIA: Final = {Via.CHAT: "", Via.SMS: ", confirmed by SMS", Via.API: ", by API"}
DECIDED: Final = frozenset({Status.APPROVED, Status.REJECTED})

COMMENT: Final = 150  # characters of a comment beside its vote
VOTES: Final = 8  # people named beside a level; the others are counted
NAMES: Final = 6  # people named who are still to decide
DELEGATES_NAMED: Final = 4
LINE_ROOM: Final = 1400
ROOM: Final = 2900


def level_lines(card: Card, *, naming: bool) -> str:
    """One line for each level and each escalation. Where they do not all fit, the latest are kept.

    With `naming`, the people who are still to decide are named. Without it, only delegates are, and the others are
    counted: a mention in a new message pings, and delegates are newly asked.
    """
    lines: list[str] = []
    for level in card.levels:
        lines.append(_level(level, naming=naming))
        if level.escalated_at:
            lines.append(_escalation(card, level))
    if card.upcoming and not card.status.ended:
        lines.append("Then " + ", ".join(bold(safe(name, 40)) for name in card.upcoming))
    return _latest(lines)


def _latest(lines: Sequence[str]) -> str:
    kept: list[str] = []
    left = ROOM
    for line in reversed(lines):
        left -= len(line) + 1
        if left < 0:
            kept.append("…")
            break
        kept.append(line)
    return "\n".join(reversed(kept))


def _level(level: LevelState, *, naming: bool) -> str:
    """`✓ Manager · Ada, 10:42` or `○ Finance · 1 of 2 · ✓ Fin, 9:12 · waiting for Fay or Frank · until 17:00`."""
    return within(
        [f"{MARKS[level.status]} {bold(safe(level.name, 40))}", *_parts(level, naming)], DOT, LINE_ROOM
    )


def _parts(level: LevelState, naming: bool) -> Iterator[str]:  # noqa: FBT001 - handed on from `level_lines`
    running = not level.status.ended
    approvals = level.approvals
    if level.needed > 1 and level.status not in DECIDED:
        yield f"{approvals} of {level.needed}"
    marked = running or len(level.decisions) > 1 or level.status not in DECIDED
    named = level.decisions[-VOTES:]
    yield from (vote_words(vote, marked=marked) for vote in named)
    if others := len(level.decisions) - len(named):
        yield f"and {others} more"
    if running:
        yield from _waiting(level, approvals, naming)
    elif level.status not in DECIDED:
        yield CALLED[level.status].lower()


def _waiting(level: LevelState, approvals: int, naming: bool) -> Iterator[str]:  # noqa: FBT001 - as above
    if names := _waited_for(level, approvals, naming=naming or bool(level.decisions)):
        yield f"waiting for {names}"
    elif level.needed == 1 and not level.escalated_at:
        yield "waiting"
    if level.escalated_at:
        few = level.escalated_because is EscalationCause.TOO_FEW_LEFT
        yield f"{'too few people left,' if few else 'no decision by'} {when(level.escalated_at)}"
    elif level.deadline:
        yield f"until {when(level.deadline)}"


def _waited_for(level: LevelState, approvals: int, *, naming: bool) -> str:
    """`Fay or Frank` if one of them is enough, `Fay and Frank` if both are needed; "" if nobody is to be named."""
    people = level.awaited()
    named = (people if naming else [who for who in people if who in level.delegates.values()])[:NAMES]
    if not named:
        return ""
    shown = [_in_whose_place(level, who) for who in named]
    if others := [who for who in people if who not in named]:
        shown.append("others" if any(map(is_group, others)) else f"{len(others)} more")
    everybody = level.needed - approvals >= len(people) and not any(map(is_group, people))
    joint = " and " if everybody else " or "
    return joint.join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def delegates(level: LevelState) -> Iterator[str]:
    """`Bob for Alice, who is away`."""
    return _for_whom(level, level.delegates)


def _for_whom(level: LevelState, absent: Iterable[str]) -> Iterator[str]:
    return (
        f"{mention(level.delegates[who])} for {_absent(level, who)}"
        for who in islice(absent, DELEGATES_NAMED)
    )


def _in_whose_place(level: LevelState, who: str) -> str:
    absent = next((absent for absent, present in level.delegates.items() if present == who), None)
    return f"{mention(who)} (for {_absent(level, absent)})" if absent else mention(who)


def _absent(level: LevelState, who: str) -> str:
    """The person in whose place somebody decides. One who handed the vote over is not called away."""
    return mention(who) if who in level.delegated else f"{mention(who)}, who is away"


def _escalation(card: Card, level: LevelState) -> str:
    """To whom the request was escalated, and until when it waits there."""
    where = mention(level.escalated_to) if level.escalated_to else "others"
    if level.status.ended:
        at = f", {when(level.escalated_at)}" if level.escalated_at else ""
        return f"{ONWARD} {bold('Escalated')} to {where}{at}"
    until = f"{DOT}until {when(level.deadline)}" if level.deadline else ""
    if level.escalation_needed > 1:
        until = f"{DOT}{level.escalation_approvals} of {level.escalation_needed}{until}"
    if card.escalation:
        # Delegates of people of the level itself are named on the line of the level.
        theirs = [absent for absent, present in level.delegates.items() if present not in level.approvers]
        instead = "".join(f"{DOT}{one}" for one in _for_whom(level, theirs))
        return f"{OPEN} {bold('Escalation')}{DOT}waiting{instead}{until}"
    if level.escalated_because is EscalationCause.TOO_FEW_LEFT:
        return f"{ONWARD} {bold('Escalated')} to {where}{until}"
    return f"{ONWARD} {bold('Escalated')} to {where}{DOT}can still be decided here{until}"


def vote_words(vote: Vote, *, marked: bool, limit: int = COMMENT) -> str:
    """`✓ Bob for Alice, 10:42, confirmed by SMS: “Fine.”`."""
    mark = f"{VOTE_MARKS[vote.choice]} " if marked else ""
    whose = f" for {mention(vote.holder)}" if vote.holder != vote.actor else ""
    comment = said(vote.comment, limit, room=2 * limit + 100)
    words = f": {comment}" if comment else ""
    return f"{mark}{mention(vote.actor)}{whose}, {when(vote.at)}{VIA[vote.via]}{FACTORS[vote.factor]}{words}"
