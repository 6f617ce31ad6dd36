"""Draws how an approved request goes on: the line on its card, those in the thread, and the messages. Pure."""

from __future__ import annotations

from typing import Final

from bot.slack.messages.status_labels import CALLED, DOT, NO, OFF, ONWARD, YES
from bot.slack.text import bold, mention, safe, system, when, within
from orchestration.domain.cards import FulfilmentLine, Step, StepKind
from orchestration.domain.effects import StepCause
from orchestration.domain.fulfilment import FulfilmentEnd

NAME: Final = 40
WORDS: Final = 300
EVENTS: Final = 200

# Why a state was entered, where no event was the cause.
_CAUSES: Final = {
    StepCause.APPROVED.value: "it was approved",
    StepCause.TIMEOUT.value: "the time was up",
    StepCause.CANCELLED.value: "its owner called it off",
    StepCause.STOPPED.value: "it was stopped",
}


def progress_line(shown: FulfilmentLine) -> str:
    """The present state of the fulfilment, the states before it, and what it waits for."""
    *passed, present = [safe(name, NAME) for name in shown.path] or [""]
    way = f" {ONWARD} ".join([*passed, bold(present)])
    if shown.stopped is not None:
        return f"{OFF} {way}{DOT}{CALLED[shown.stopped]}"
    if shown.end is not None:
        return f"{YES if shown.end is FulfilmentEnd.COMPLETED else OFF} {way}"
    parts = [f"{ONWARD} {way}"]
    if shown.awaits:
        parts.append(f"waiting for {_events(shown)}")
    if shown.until is not None:
        parts.append(f"{'late since' if shown.overdue else 'until'} {when(shown.until)}")
    return DOT.join(parts)


def _events(shown: FulfilmentLine) -> str:
    return within([safe(name, 60) for name in shown.awaits], " or ", EVENTS)


def step_line(step: Step) -> str:
    """Draws a step of a fulfilment for the thread. It takes no other kinds of steps."""
    state = bold(safe(step.state or "", NAME))
    match step.kind:
        case StepKind.STATE_ENTERED:
            return f"{ONWARD} {state}: {_by(step)}"
        case StepKind.EVENT_REFUSED:
            return f"{NO} {safe(step.event or '', 60)} moved nothing in {state}: {safe(step.text, WORDS)}"
        case StepKind.STATE_OVERDUE:
            return f"{state} takes longer than it may. Reminded {_people(step)}"
        case StepKind.STATE_ESCALATED:
            return f"{ONWARD} {state} still takes too long. Notified {_people(step)}"
        case StepKind.STEP_UNRECORDED:
            return (
                f"{NO} {state} could not be put on record, so nothing was set going: {safe(step.text, WORDS)}"
            )
        case _:
            how = CALLED[step.status] if step.status else "Stopped"
            return f"{OFF} {how} in {state}. No event moves it any more"


def step_notice(step: Step, what: str) -> str:  # noqa: PLR0911 - one for each kind
    """Draws a step of a fulfilment as a message to a person or a channel. `what` names the request (mrkdwn)."""
    state = bold(safe(step.state or "", NAME))
    match step.kind:
        case StepKind.STATE_ENTERED:
            return f"{what} is now {state}: {_by(step)}."
        case StepKind.EVENT_REFUSED:
            return (
                f"{NO} {what} stays {state}. The event {safe(step.event or '', 60)} moved nothing: "
                f"{safe(step.text, WORDS)}."
            )
        case StepKind.STATE_OVERDUE:
            return f"{what} has been {state} for longer than it may be. Please see to it."
        case StepKind.STATE_ESCALATED:
            return f"{what} is still {state}, although its owner was reminded. Please see to it."
        case StepKind.STEP_UNRECORDED:
            return (
                f"{NO} {what} is {state}, but that could not be put on record, so nothing was set going: "
                f"{safe(step.text, WORDS)}"
            )
        case StepKind.ACTION_FAILED:
            return f"{NO} {what} goes on, but {system(step.to or '')} could not be told: {safe(step.text, WORDS)}"
        case _:
            how = CALLED[step.status].lower() if step.status else "stopped"
            return f"{OFF} {what} was {state}, and what follows the approval was {how}. No event moves it any more."


def _by(step: Step) -> str:
    """The cause of a new state: a person, an event, or a cause of our own."""
    if step.actor is not None:
        return f"{mention(step.actor)} called it off"
    event = step.event or ""
    return _CAUSES.get(event) or f"{safe(event, 60)} came in"


def _people(step: Step) -> str:
    return within(map(mention, step.people), " ", 600)
