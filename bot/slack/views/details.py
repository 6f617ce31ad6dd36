"""Draws all of a request in one view: its whole text, and every vote with its comment. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import Target
from bot.slack.messages import cards
from bot.slack.messages.field_values import shown_value
from bot.slack.messages.levels import delegates, vote_words
from bot.slack.messages.status_labels import CALLED, DOT, FACTORS, MARKS, ONWARD
from bot.slack.text import bold, code_pieces, mention, plain, quoted_whole, safe, said, system, when, within
from bot.slack.views.request_form import Origin, modal
from orchestration.approval.projection import call_fields, policy_fields
from orchestration.domain.cards import Shown
from orchestration.domain.commands import Progress
from orchestration.domain.edits import as_diff
from orchestration.domain.fields import FieldType, host_of
from orchestration.domain.money import format_amount
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, LevelState, RequestEdit
from orchestration.service.messages import why_escalated

ID: Final = "details"
LINKS: Final = "details_links"
SEE_CARD: Final = "see_card"
SEE_RECORD: Final = "see_record"
RECORD_SPOKEN: Final = "Open the whole record in the browser; the link is yours, for an hour"
TITLE: Final = "Details"
PARAGRAPH: Final = 2900  # characters; Slack takes 3,000 in one block
MOST: Final = 98  # blocks; Slack takes 100 in a view
ROOM: Final = 220_000  # bytes of JSON of these blocks; Slack takes 250,000 in a view
INLINE: Final = 80  # characters of the longest field value that is shown beside its label
REST: Final = "There is more than fits here."
THREAD: Final = "Every step, question and answer is in the thread under the card."


@dataclass(frozen=True)
class Offers:
    """What Details offers its reader: links to the card and to the whole record, where they are available.

    `thread` is whether there is a card, and so a thread. `decide` is the round in which the reader may decide now, if
    any; this does not depend on the card. `code` is whether a code of the reader is awaited, and `confirm` whether
    Approve shows a dialog first.
    """

    card: str | None = None
    record: str | None = None
    thread: bool = False
    decide: int | None = None
    code: bool = False
    confirm: bool = False


def details_view(
    request: ApprovalRequest,
    policy: Policy,
    progress: Progress,
    origin: Origin,
    offers: Offers | None = None,
    words: str = "",
) -> Json:
    """Draws all of a request, for one person. `words`, on what they did here, come first."""
    offers = offers or Offers()
    parts: list[Json] = []
    room = ROOM
    if words:
        parts.append(blocks.section(words))
    for part in _parts(request, policy, progress, offers):
        room -= len(json.dumps(part))
        if len(parts) == MOST or room < 0:
            parts.append(blocks.context(REST))
            break
        parts.append(part)
    if offers.thread:
        parts.append(blocks.context(THREAD))
    return modal(ID, TITLE, None, parts, origin)


def _parts(request: ApprovalRequest, policy: Policy, progress: Progress, offers: Offers) -> Iterator[Json]:
    yield from map(blocks.section, quoted_whole(request.title, PARAGRAPH))
    yield blocks.section(_facts(request, policy, progress))
    if offers.decide is not None:
        title = plain(request.title, blocks.HEADER)
        target = Target.of(progress.request_id, offers.decide, progress.identity)
        can_edit = bool(progress.editable)
        asks = (
            cards.confirming_dialog(request.title, request.amount, request.currency)
            if offers.confirm
            else None
        )
        yield blocks.actions(
            cards.ACTIONS,
            *cards.buttons(title, target, code=offers.code, editable=can_edit, confirm=asks),
        )
    if links := list(_links(offers)):
        yield blocks.actions(LINKS, *links)
    for field in [*call_fields(request), *policy_fields(request, policy)]:
        yield from _field(field)
    if request.call is not None:
        yield from map(blocks.code, code_pieces(request.description, PARAGRAPH))
    else:
        yield from map(blocks.section, quoted_whole(request.description, PARAGRAPH))
    for edit in progress.edits:
        yield from _edit(edit)
    for level in progress.levels:
        yield from map(blocks.section, _level(level))
    for action in progress.actions:
        answer = said(action.answer, 300)
        yield blocks.section(DOT.join(filter(None, [system(action.label), action.status, answer])))
    if progress.edits:
        yield blocks.section(f"What was asked, as SHA-256: `{progress.asked_digest}`")
    yield blocks.section(f"What is approved, as SHA-256: `{request.digest()}`")


def _links(offers: Offers) -> Iterator[Json]:
    if offers.card:
        yield blocks.link(SEE_CARD, "See the card", offers.card, spoken="See the card")
    if offers.record:
        yield blocks.link(SEE_RECORD, "Open the whole record", offers.record, spoken=RECORD_SPOKEN)


def _facts(request: ApprovalRequest, policy: Policy, progress: Progress) -> str:
    status = f"{MARKS[progress.status]} {bold(CALLED[progress.status])}"
    amount = [] if request.amount is None else [format_amount(request.amount, request.currency)]
    until = [f"until {when(progress.deadline)}"] if progress.deadline else []
    asked = f"Asked for by {mention(request.requester)}, {when(progress.asked_at)}"
    if progress.asked_without_seal:
        asked += ". Another program on the task hub said so; nobody checked who that is"
    ended = []
    if progress.outcome:
        ended = [
            said(progress.outcome.comments, 2000, room=2000) or safe(progress.outcome.reason, 2000, room=2000)
        ]
    place = f"{safe(policy.title, 60)}{DOT}`{progress.request_id}`"
    return "\n".join(filter(None, [DOT.join([status, *amount, *until]), *ended, asked, place]))


def _level(level: LevelState) -> Iterator[str]:
    """The level, who may decide it, and each vote with all of its comment."""
    lead = [f"{MARKS[level.status]} {bold(safe(level.name, 40))}", f"needs {level.needed}", *delegates(level)]
    yield within(lead, DOT, PARAGRAPH)
    who = ", ".join(map(mention, level.approvers))
    yield within(["May decide:", *who.split(" ")], " ", PARAGRAPH)
    if level.escalated_at:
        where = f" to {mention(level.escalated_to)}" if level.escalated_to else ""
        yield f"{ONWARD} {why_escalated(level)}: escalated{where}, {when(level.escalated_at)}"
    for vote in level.decisions:
        yield vote_words(vote, marked=True, limit=1200)


def _edit(edit: RequestEdit) -> Iterator[Json]:
    """Who changed what, and the digests before and after."""
    at = f"{mention(edit.actor)} changed it at the level {bold(safe(edit.level, 40))}, {when(edit.at)}"
    yield blocks.section(f"{at}{FACTORS[edit.factor]}:")
    yield from map(blocks.code, code_pieces(as_diff(edit.changes), PARAGRAPH))
    yield blocks.context(f"SHA-256 before `{edit.digest_before}`{DOT}after `{edit.digest}`")


def _field(field: Shown) -> Iterator[Json]:
    """A short value beside its label, or a long one below it as a quote. A link that is too long is shown as code."""
    name, value = bold(safe(field.label, 48)), field.value
    if field.type is FieldType.LINK and host_of(value):
        shown = shown_value(field, PARAGRAPH, PARAGRAPH - 300)
        yield blocks.section(f"{name}: {shown}")
        if not shown.startswith("<"):
            yield from map(blocks.code, code_pieces(value, PARAGRAPH))
    elif field.type not in {FieldType.TEXT, FieldType.LONG_TEXT}:
        yield blocks.section(f"{name}: {shown_value(field, PARAGRAPH, PARAGRAPH - 300)}")
    elif len(value) <= INLINE and "\n" not in value:
        yield blocks.section(f"{name}: {said(value, INLINE)}")
    else:
        yield blocks.section(f"{name}:")
        yield from map(blocks.section, quoted_whole(value, PARAGRAPH))
