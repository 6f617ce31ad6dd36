"""Draws the messages of a gathering: the card in the channel, what a person is asked by, what somebody is told. Pure.

The same view gives the same blocks, within Slack's limits whatever was typed.
"""

from __future__ import annotations

from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.ids import is_person
from bot.slack.input.target import GatheringTarget, message_metadata
from bot.slack.messages.cards import Rendered
from bot.slack.messages.status_labels import DOT, NO, OFF, ONWARD, OPEN, UNCHECKED, YES
from bot.slack.text import bold, mention, plain, quoted, safe, said, when, within
from orchestration.domain.fields import FieldType
from orchestration.domain.gathering import (
    GatheringStatus,
    GatheringView,
    Purpose,
    SourceAnswer,
    SourceShown,
    SourceState,
)

ACTIONS: Final = "gathering"
ANSWER: Final = "gathering_answer"
WITHDRAW: Final = "gathering_withdraw"

DESCRIPTION: Final = 600  # characters
ANSWERED: Final = 500  # of one answer on the card; the thread has more of it, and the API has all
REASON: Final = 300
NAME: Final = 48
# Escaped characters. Slack takes about 13,000 in one message, and there may be twenty sources.
DESCRIPTION_ROOM: Final = 1200
NAME_ROOM: Final = 120
ANSWERS_ROOM: Final = 5800

MARKS: Final = {
    GatheringStatus.COLLECTING: OPEN,
    GatheringStatus.COMPLETE: YES,
    GatheringStatus.INCOMPLETE: NO,
    GatheringStatus.CANCELLED: OFF,
    GatheringStatus.FAILED: NO,
    GatheringStatus.TERMINATED: OFF,
}
CALLED: Final = {
    GatheringStatus.COLLECTING: "Collecting",
    GatheringStatus.COMPLETE: "Complete",
    GatheringStatus.INCOMPLETE: "Incomplete",
    GatheringStatus.CANCELLED: "Withdrawn",
    GatheringStatus.FAILED: "Failed",
    GatheringStatus.TERMINATED: "Stopped by an operator",
}
NO_MORE: Final = "No answer is needed any more."
TOO_LATE: Final = "Answers that come now are not part of the result."


def render_gathering(
    view: GatheringView,
    purpose: Purpose,
    message_id: str,
    *,
    source: str | None = None,
    person: str | None = None,
    text: str = "",
) -> Rendered:
    """Draws the message for `purpose`, about `source`, to be read by `person`. `text` is what went wrong."""
    one = next((shown for shown in view.sources if shown.state.name == source), None)
    if purpose is Purpose.CARD:
        words, parts = _headline(view), card_blocks(view)
    elif purpose is Purpose.ESCALATION:
        words, parts = _escalation(view)
    elif one is not None:
        words, parts = _ask(view, one, person, reminder=purpose is Purpose.REMIND)
    elif purpose is Purpose.TROUBLE:
        words = f"{NO} {_title(view)}: {safe(text, REASON)} `{view.request_id}`"
        parts = [blocks.section(words)]
    else:
        words = f"{_headline(view)} `{view.request_id}`"
        parts = [blocks.section(words), *_answers(view)]
    metadata = message_metadata(view.request_id, view.nonce, message_id)
    return Rendered(text=words, blocks=parts, metadata=metadata)


def asked_gathering(title: str, channel: str, request_id: str) -> str:
    """What to tell the requester once the gathering is on disk (mrkdwn)."""
    return f"Asked everybody for {said(title, 150)}. The answers come together in {mention(channel)}. `{request_id}`"


# ---- the card --------------------------------------------------------------------------------------------


def card_blocks(view: GatheringView) -> list[Json]:
    """The blocks of the card, with its button while the gathering runs."""
    title = plain(view.title, blocks.HEADER) or view.request_id
    parts = [blocks.header(title), blocks.section(_lead(view))]
    if words := quoted(view.description, DESCRIPTION, room=DESCRIPTION_ROOM):
        parts.append(blocks.section(words))
    parts += _answers(view)
    if not view.status.ended:
        target = GatheringTarget(instance_id=view.request_id, nonce=view.nonce)
        spoken = plain(f"Withdraw {title}", blocks.BUTTON)
        button = blocks.button(WITHDRAW, "Withdraw…", target.model_dump_json(), spoken=spoken)
        parts.append(blocks.actions(ACTIONS, button))
    parts.append(blocks.context(f"`{view.request_id}`{DOT}{safe(view.policy_title, 60)}"))
    return parts


def _lead(view: GatheringView) -> str:
    who = mention(view.requester) + (f" ({UNCHECKED})" if view.asked_without_seal else "")
    asked = f"{who} asks for {bold(safe(view.policy_title, 60))}"
    if not view.status.ended:
        return f"{asked}{DOT}{_count(view)}{_until(view)}"
    return f"{asked}\n{_how_it_ended(view)}"


def _until(view: GatheringView) -> str:
    return f"{DOT}until {when(view.deadline)}" if view.deadline else ""


def _how_it_ended(view: GatheringView) -> str:
    end = f"{MARKS[view.status]} {bold(CALLED[view.status])}"
    if view.ended_by:
        end += f" by {mention(view.ended_by)}"
    if view.ended_at:
        end += f", {when(view.ended_at)}"
    end += f"{DOT}{_count(view)}"
    return f"{end}\n{quoted(view.reason, REASON, room=500)}" if view.reason and view.ended_by else end


def _count(view: GatheringView) -> str:
    there = len(view.sources) - len(view.missing)
    return f"{there} of {len(view.sources)} answered"


def _answers(view: GatheringView) -> list[Json]:
    return [blocks.section(_source(view, shown)) for shown in view.sources]


def _source(view: GatheringView, shown: SourceShown) -> str:
    state, answer = shown.state, shown.state.answer
    name = bold(safe(state.title, NAME, room=NAME_ROOM))
    room = min(1500, ANSWERS_ROOM // len(view.sources))
    who = _asked_for(state)
    if answer is None:
        if view.status.ended:
            return f"{NO} {name}{DOT}no answer from {who}"
        if state.problem:
            return f"{NO} {name}{DOT}{who} could not be asked: {safe(state.problem, REASON, room=room)}"
        return f"{OPEN} {name}{DOT}waiting for {who}"
    lead = f"{YES} {name}{DOT}{_answered_by(answer)}, {when(answer.at)}"
    if answer.corrections:
        lead += f"{DOT}corrected"
    return f"{lead}\n{_values(shown, room)}".rstrip()


def _asked_for(state: SourceState) -> str:
    """Whose answer is awaited: `Ada`, `Bob (for Ada, who is away)`, or a system (mrkdwn)."""
    if state.person is None:
        return "a system"
    if state.delegate is None:
        return mention(state.person)
    return f"{mention(state.delegate)} (for {mention(state.person)}, who is away)"


def _answered_by(answer: SourceAnswer) -> str:
    if answer.actor is None:
        return "a system"
    whose = f" for {mention(answer.holder)}" if answer.holder not in {None, answer.actor} else ""
    return f"{mention(answer.actor)}{whose}"


def _values(shown: SourceShown, room: int = 1500) -> str:
    """The answer as a quote: what was written, then the people who were named."""
    people = [one for one in shown.values if one.type is FieldType.PERSON and is_person(one.value)]
    lines = "\n".join(one.on_one_line() for one in shown.values if one not in people)
    named = within(
        [f"> {safe(one.lead, NAME, room=NAME_ROOM)} {mention(one.value)}" for one in people], "\n", room
    )
    return "\n".join(filter(None, [quoted(lines, ANSWERED, room=room - len(named)), named]))


def _escalation(view: GatheringView) -> tuple[str, list[Json]]:
    """Draws the message that tells a channel whose answers are missing, and later how the gathering ended."""
    if view.status.ended:
        words = f"{_headline(view)} `{view.request_id}`"
        return words, [blocks.section(words)]
    words = f"{ONWARD} Answers are missing: {_headline(view)}"
    parts = [blocks.section(f"{words}{DOT}{_count(view)}{_until(view)}")]
    parts += [blocks.section(_source(view, shown)) for shown in view.missing]
    named = [f"For {' '.join(map(mention, view.notify))}"] if view.notify else []
    parts.append(blocks.context(*named, f"`{view.request_id}`"))
    return words, parts


# ---- what a person is asked by ---------------------------------------------------------------------------


def _ask(
    view: GatheringView, shown: SourceShown, person: str | None, *, reminder: bool
) -> tuple[str, list[Json]]:
    """Draws the message that asks `person`: the person of the source, or their delegate. None is the first."""
    state, answer = shown.state, shown.state.answer
    reader = person or state.person
    if view.status.ended:
        words = _ended(view, shown, reader)
        return words, [blocks.section("\n".join(filter(None, [words, _values(shown)])))]
    lead = "Still waiting for your answer: " if reminder and answer is None else ""
    part = bold(safe(state.title, NAME, room=NAME_ROOM))
    words = f"{lead}{mention(view.requester)} asks you for {part}: {_title(view)}"
    parts = [blocks.section("\n".join(filter(None, [f"{words}{_until(view)}", _instead(state, reader)])))]
    if description := quoted(view.description, DESCRIPTION, room=DESCRIPTION_ROOM):
        parts.append(blocks.section(description))
    if answer is not None:
        given = f"{YES} {_whose(answer, reader)} answered{_for(answer, reader)}, {when(answer.at)}"
        parts.append(blocks.section(f"{given}:\n{_values(shown)}".rstrip(":\n")))
    if answer is None or reader in {answer.actor, state.person}:
        parts.append(blocks.actions(ACTIONS, _answer_button(view, state)))
    parts.append(blocks.context(f"`{view.request_id}`"))
    return words, parts


def _answer_button(view: GatheringView, state: SourceState) -> Json:
    """The button that opens the form of the source."""
    target = GatheringTarget(instance_id=view.request_id, nonce=view.nonce, source=state.name)
    label = "Answer…" if state.answer is None else "Change the answer…"
    return blocks.button(
        ANSWER,
        label,
        target.model_dump_json(),
        style="primary" if state.answer is None else None,
        spoken=plain(f"{label} {view.title}", blocks.BUTTON),
    )


def _instead(state: SourceState, reader: str | None) -> str:
    """Why a delegate is asked, or what a person who is away can still do."""
    if state.person is not None and reader != state.person:
        return f"You are asked in the place of {mention(state.person)}, who is away."
    if state.delegate is None or state.answer is not None:
        return ""
    return f"You are away, so {mention(state.delegate)} is asked in your place. You can answer yourself all the same."


def _ended(view: GatheringView, shown: SourceShown, reader: str | None) -> str:
    answer = shown.state.answer
    words = f"{MARKS[view.status]} {_title(view)} has ended: {CALLED[view.status].lower()}. "
    if answer is None:
        return f"{words}{NO_MORE} {TOO_LATE}"
    whose = "Your answer" if answer.actor == reader else f"The answer of {_answered_by(answer)}"
    return f"{words}{whose} is part of the result."


def _whose(answer: SourceAnswer, reader: str | None) -> str:
    return "You" if answer.actor == reader else mention(answer.actor or "")


def _for(answer: SourceAnswer, reader: str | None) -> str:
    if answer.holder in {None, answer.actor}:
        return ""
    return " for you" if answer.holder == reader else f" for {mention(answer.holder or '')}"


def _headline(view: GatheringView) -> str:
    if view.status.ended:
        return f"{MARKS[view.status]} {CALLED[view.status]}: {_title(view)}{DOT}{_count(view)}"
    return f"{mention(view.requester)} asks for {safe(view.policy_title, 60)}: {_title(view)}"


def _title(view: GatheringView) -> str:
    return said(view.title, 150, room=800) or f"`{view.request_id}`"
