"""The forms of a gathering: a source's answer by its typed fields, and the withdrawal. Pure: views out, values in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import GatheringTarget
from bot.slack.messages.gatherings import card_blocks
from bot.slack.text import bold, mention, quoted, said, when
from bot.slack.views.field_inputs import field_input
from bot.slack.views.request_form import FIELD, Origin, modal, origin_in, values_of
from orchestration.domain.gathering import GatheringProgress
from orchestration.gathering.projection import shown
from orchestration.gathering.status import GatheringRead

ANSWER_FORM: Final = "gathering_answer_form"
WITHDRAW_FORM: Final = "gathering_withdraw_form"
REASON: Final = "reason"
DESCRIPTION: Final = 1500


class GatheringOrigin(Origin):
    """Where a form was opened from, and which gathering and source it is about."""

    target: GatheringTarget


def answer_form(read: GatheringRead, source: str, person: str, origin: GatheringOrigin) -> Json:
    """The form in which `person` answers for the source, filled in with the source's present answer."""
    state = next(one for one in read.progress.sources if one.name == source)
    given = state.answer.values if state.answer else {}
    lead = f"{_about(read.progress)}\nFor {bold(said(state.title, 48))}"
    if read.progress.deadline:
        lead += f", until {when(read.progress.deadline)}"
    if state.person is not None and person != state.person:
        lead += f"\nYou answer in the place of {mention(state.person)}, who is away."
    parts = [blocks.section(lead)]
    if words := quoted(read.request.description, DESCRIPTION):
        parts.append(blocks.section(words))
    parts += [
        field_input(FIELD + field.name, field, given.get(field.name, ""), long_texts=True)
        for field in read.policy.fields_of(source)
    ]
    return modal(ANSWER_FORM, "Your answer", "Answer", parts, origin)


def withdraw_form(progress: GatheringProgress, origin: GatheringOrigin) -> Json:
    """The form in which the requester says why the gathering is withdrawn."""
    reason = blocks.text_input(
        REASON,
        "Why?",
        limit=2000,
        hint="Everyone in the channel will see it",
        optional=True,
        multiline=True,
    )
    parts = [blocks.section(_about(progress)), reason]
    return modal(WITHDRAW_FORM, "Withdraw", "Withdraw", parts, origin)


def gathering_view(read: GatheringRead, origin: Origin) -> Json:
    """Draws all of a gathering, only to be read."""
    parts = card_blocks(shown(read.progress, read.request, read.policy))
    read_only = [part for part in parts if part["type"] != "actions"]
    return modal("gathering_details", "Details", None, read_only, origin)


def read_answer_form(view: Mapping[str, Any]) -> dict[str, str]:
    """The values that were filled in, by field name."""
    values = values_of(view)
    return {block.removeprefix(FIELD): value for block, value in values.items() if block.startswith(FIELD)}


def gathering_origin(view: Mapping[str, Any]) -> GatheringOrigin:
    """What the form is about."""
    return origin_in(view, GatheringOrigin)


def _about(progress: GatheringProgress) -> str:
    return f"{bold(said(progress.title, 150, room=800))}\nAsked by {mention(progress.requester)}"
