"""Draws the replies in the thread under a card: one short line for each step. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bot.slack.messages.fulfilment import step_line
from bot.slack.messages.grant_lines import end_line, use_line
from bot.slack.messages.status_labels import (
    CALLED,
    DOT,
    FACTORS,
    MARKS,
    NO,
    OFF,
    ONWARD,
    OPEN,
    VOTE_MARKS,
    YES,
)
from bot.slack.text import bold, mention, quoted, safe, said, system, within
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.edits import as_diff
from orchestration.domain.request import Choice
from orchestration.service.messages import why_not_theirs

SAID: Final = 1000  # characters of what somebody wrote; the thread is where it can be read at length
SHORT: Final = 300
LONG_ANSWER: Final = 3000  # characters of a source's answer, which may have ten values
LONG_ROOM: Final = 3600  # escaped characters


def line(step: Step) -> str:
    """Draws the step as mrkdwn. It takes every kind of step."""
    return _LINES[step.kind](step)


def _voted(step: Step) -> str:
    choice = step.choice or Choice.REJECT
    done = "approved" if choice is Choice.APPROVE else "rejected"
    return _with(f"{VOTE_MARKS[choice]} {_who(step)} {done}{FACTORS[step.factor]}", step.text)


def _escalated(step: Step) -> str:
    """Draws an escalation. The step's text is the reason; "" if nobody decided in time."""
    why = safe(step.text, SHORT).rstrip(".") or "Nobody decided in time"
    return f"{ONWARD} {why}: escalated to {_place(step)}"


def _level_passed(step: Step) -> str:
    return f"{YES} {bold(safe(step.text, 40)) or 'This'} level approved"


def _action_done(step: Step) -> str:
    answer = said(step.text, SHORT, room=900)
    return f"{YES} {answer}{DOT}{_where(step)}" if answer else f"{YES} Notified {_where(step)}"


def _action_failed(step: Step) -> str:
    return f"{NO} Failed: {safe(step.text, SHORT, room=900)}{DOT}{_where(step)}"


def _ended(step: Step) -> str:
    if step.status is None:
        return f"{OFF} Ended"
    result = f"{MARKS[step.status]} {bold(CALLED[step.status])}"
    if step.actor:
        return _with(f"{result} by {_who(step)}", step.text)
    return "\n".join(filter(None, [result, safe(step.text, SHORT)]))


def _who(step: Step) -> str:
    return mention(step.actor) if step.actor else "Somebody"


def _possessive(step: Step) -> str:
    return f"{_who(step)}'s"


def _whom(step: Step) -> str:
    return mention(step.to) if step.to else "somebody else"


def _people(step: Step) -> str:
    return within(map(mention, step.people), " ", 2 * SHORT)


def _place(step: Step) -> str:
    return mention(step.place) if step.place else "its channel"


def _where(step: Step) -> str:
    return system(step.to or "")


def _edited(step: Step) -> str:
    """Draws a change, and both digests. The step's text is the level of the change if all levels decide anew."""
    if step.edit is None:
        return f"{ONWARD} {_who(step)} changed what is asked"
    anew = f" at {bold(safe(step.text, 40))}, so all levels decide it anew" if step.text else ""
    lead = f"{ONWARD} {_who(step)} changed what is asked{anew}{FACTORS[step.factor]}"
    after = f"SHA-256 before `{step.edit.digest_before}`{DOT}after `{step.edit.digest}`"
    return f"{_with(lead, as_diff(step.edit.changes))}\n{after}"


def _with(lead: str, text: str) -> str:
    """Adds what somebody wrote as a quote below, so that it cannot look like ours."""
    words = quoted(text, SAID)
    return f"{lead}:\n{words}" if words else lead


def _source_answered(step: Step) -> str:
    """Draws a source's answer. The step's people are those for whom somebody else gave it."""
    who = f" of {_who(step)}" if step.actor else ""
    who += f" for {_people(step)}" if step.people else ""
    mark, what = (ONWARD, "corrected") if step.kind is StepKind.SOURCE_CORRECTED else (YES, "given")
    lead = f"{mark} {bold(safe(step.to or '', 48))}: the answer{who} was {what}"
    words = quoted(step.text, LONG_ANSWER, room=LONG_ROOM)
    return f"{lead}:\n{words}" if words else lead


def _source_not_asked(step: Step) -> str:
    who = f", {_who(step)}," if step.actor else ""
    return f"{NO} {bold(safe(step.to or '', 48))}{who} could not be asked: {safe(step.text, SHORT)}"


def _gathered(step: Step) -> str:
    """Draws the end of a gathering. The step's people are the names of the sources without an answer."""
    if step.actor:
        return _with(f"{OFF} Withdrawn by {_who(step)}", step.text)
    missing = within((safe(name, 48) for name in step.people), ", ", 2 * SHORT)
    if not missing:
        return f"{YES} All have answered"
    return f"{NO} {safe(step.text, SHORT)} No answer from: {missing}".replace("  ", " ")


_LINES: Final[Mapping[StepKind, Callable[[Step], str]]] = {
    StepKind.VOTED: _voted,
    StepKind.EDITED: _edited,
    StepKind.DELEGATED: lambda step: (
        f"{ONWARD} {_who(step)} handed their vote to {_whom(step)}{FACTORS[step.factor]}"
    ),
    StepKind.AWAY: lambda step: f"{ONWARD} {_whom(step)} decides for {_who(step)}, who is away",
    StepKind.COMMENT: lambda step: _with(f"{_who(step)} comments", step.text),
    StepKind.QUESTION: lambda step: _with(f"{_who(step)} asks", step.text),
    StepKind.ANSWER: lambda step: _with(f"{_who(step)} answers", step.text),
    StepKind.REMINDED: lambda step: f"Reminded {_people(step)}",
    StepKind.ESCALATED: _escalated,
    StepKind.LEVEL_PASSED: _level_passed,
    StepKind.ACTION_DONE: _action_done,
    StepKind.ACTION_FAILED: _action_failed,
    StepKind.CARD_STALE: lambda step: (
        f"{NO} A card could not be brought up to date: {_place(step)}: {safe(step.text, SHORT)}"
    ),
    StepKind.PREVIEW_FAILED: lambda step: (
        f"{NO} The document cannot be shown here: {safe(step.text, SHORT, room=900)}"
    ),
    StepKind.UNSIGNED: lambda step: (
        f"{NO} This outcome was not signed, so nothing was set going: {safe(step.text, SHORT)}"
    ),
    StepKind.CARD_NOT_POSTED: lambda step: (
        f"{NO} A card could not be posted in {_place(step)}: {safe(step.text, SHORT)}"
        + (f" Asked by direct message: {_people(step)}" if step.people else "")
    ),
    StepKind.CARD_LATE: lambda step: (
        f"{NO} A card could not be posted in {_place(step)} yet: {safe(step.text, SHORT)}"
    ),
    StepKind.APPROVERS_GONE: lambda step: (
        f"{NO} No active member of this workspace: {_people(step)}. Nobody can reach them"
    ),
    StepKind.CODE_SENT: lambda step: f"{OPEN} A code was sent to {_possessive(step)} phone",
    StepKind.CODE_UNDELIVERED: lambda step: (
        f"{NO} The code for {_who(step)} has not arrived: {why_not_theirs(step.text)}"
    ),
    StepKind.CODE_FAILED: lambda step: f"{NO} {_who(step)} did not confirm: {why_not_theirs(step.text)}",
    StepKind.REFUSED: lambda step: (
        f"{NO} {_who(step)} confirmed by code, but it does not count; I told them why"
    ),
    StepKind.STATE_ENTERED: step_line,
    StepKind.STATE_OVERDUE: step_line,
    StepKind.STATE_ESCALATED: step_line,
    StepKind.EVENT_REFUSED: step_line,
    StepKind.STEP_UNRECORDED: step_line,
    StepKind.FULFILMENT_STOPPED: step_line,
    StepKind.ENDED: _ended,
    StepKind.ASKED_INSTEAD: lambda step: (
        f"{ONWARD} {_whom(step)} is asked in the place of {_who(step)}, who is away"
    ),
    StepKind.SOURCE_ANSWERED: _source_answered,
    StepKind.SOURCE_CORRECTED: _source_answered,
    StepKind.SOURCE_NOT_ASKED: _source_not_asked,
    StepKind.GATHERED: _gathered,
    StepKind.CALL_JOINED: lambda step: " ".join(
        filter(None, [f"{OPEN} One more call waits: {said(step.text, SHORT, room=900)}", _people(step)])
    ),
    StepKind.GRANT_USED: lambda step: use_line(step.event or "", step.to or "", step.text),
    StepKind.GRANT_ENDED: lambda step: end_line(step.event or "", step.actor, step.text),
}
