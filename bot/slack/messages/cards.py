"""Draws a card: its lines, its buttons and its menu. Pure.

The same card gives the same blocks, within Slack's limits whatever was typed.

An open card starts with its title and ends with its buttons. One that takes no more decisions says who decided, when
and why, then what it was about; its menu still opens Details. People are named by mentions only: a display name can be
chosen to look like someone else's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import Target, option
from bot.slack.messages.edits import edit_blocks
from bot.slack.messages.field_values import shown_value
from bot.slack.messages.fulfilment import progress_line
from bot.slack.messages.levels import DECIDED, level_lines
from bot.slack.messages.status_labels import CALLED, DOT, FACTORS, MARKS, NO, OPEN, UNCHECKED, YES
from bot.slack.text import bold, code_beginning, mention, plain, quoted, safe, said, system, when, within
from orchestration.domain.cards import Card
from orchestration.domain.document_reviews import MOVES
from orchestration.domain.fields import FieldType
from orchestration.domain.inert import in_quotes
from orchestration.domain.money import format_amount
from orchestration.domain.request import ActionState, Factor, RemarkKind

APPROVE: Final = "approve"
READ: Final = "read_and_approve"
REJECT: Final = "reject"
EDIT: Final = "edit_and_approve"
MORE: Final = "more"
GRANT: Final = "grant_like_this"
ENTER_CODE: Final = "enter_code"
ACTIONS: Final = "decision"
# On a card of several requests, the buttons of each are in a block of their own.
ANY_ACTIONS: Final = re.compile(r"^decision(\.\d+)?$")

# The menu beside the buttons; the entries that are used most come first.
COMMENTED: Final = "approve_with_comment"
TALK: Final = "talk"
DELEGATE: Final = "delegate"
CANCEL: Final = "cancel"
DETAILS: Final = "details"
MENU: Final = {
    COMMENTED: "Approve with a comment…",
    TALK: "Ask or comment…",
    DELEGATE: "Delegate…",
    CANCEL: "Withdraw the request…",
    DETAILS: "Details",
}

DESCRIPTION: Final = 600  # characters; more than that is not read on a phone
CODE: Final = 1000  # characters of a call's arguments, in `CODE_LINES` lines
CODE_LINES: Final = 20
INLINE: Final = 40  # a field longer than this gets its own line
FIELD: Final = 200
SAID: Final = 300
REASON: Final = 600
ANSWER: Final = 200
REST: Final = "_There is more of this than fits here. It is all under ⋯ Details._"
EVERYTHING: Final = 10_000_000  # characters, visible or escaped: more than a request can have


@dataclass(frozen=True)
class Rendered:
    """A message: `text` for notifications and screen readers, visible `blocks`, and `metadata` to find it again."""

    text: str
    blocks: list[Json]
    metadata: Json


def render(card: Card, notify: Sequence[str] | None = None) -> Rendered:
    """Draws the card. `notify` are pinged when it is posted; None is for an edit, which pings nobody."""
    target = Target.of(card.request_id, card.round, card.identity)
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
        return f"{CALLED[card.status]}: {_subject(card, ', ')}"
    what = _amount(card) or "approval"
    return f"{_lead(card)}{mention(card.requester)} asks for {what}: {_title(card)}"


def shows_all(card: Card) -> bool:
    """Whether the open card shows all of what is asked. If not, its button opens Details instead of approving."""
    return (
        plain(card.title, blocks.HEADER) == plain(card.title, EVERYTHING)
        and _asked(card) == _asked(card, _EVERYTHING)
        and _shows_description(card)
    )


def _shows_description(card: Card) -> bool:
    if card.verbatim:
        return code_beginning(card.description, CODE, CODE_LINES) == card.description
    words = quoted(card.description, EVERYTHING, lines=EVERYTHING // 10, room=EVERYTHING)
    return quoted(card.description, DESCRIPTION) == words


def buttons(
    title: str,
    target: Target,
    *,
    code: bool,
    whole: bool = True,
    editable: bool = False,
    confirm: Json | None = None,
) -> list[Json]:
    """The buttons that decide, for a card and for Details.

    `code`: a code is awaited. `whole`: all of the request is shown; if it is not, it can be neither approved nor
    changed here. `editable`: something may be changed. `confirm` is the dialog that Approve shows first.
    """
    approve = button(APPROVE, "Approve", "primary", title, target)
    if confirm is not None:
        approve = {**approve, "confirm": confirm}
    found = [
        approve if whole else button(READ, "Read and approve…", "primary", title, target),
        *([button(EDIT, "Change and approve…", None, title, target)] if whole and editable else []),
        button(REJECT, "Reject…", "danger", title, target),
    ]
    return [*found, button(ENTER_CODE, "Enter code…", None, title, target)] if code else found


def to_confirm(card: Card) -> Json | None:
    """The dialog that Approve shows first, if the policy wants one."""
    return confirming_dialog(card.title, card.amount, card.currency) if card.confirm else None


def confirming_dialog(title: str, amount: Decimal | None, currency: str | None) -> Json:
    """A dialog that repeats the title and the amount of what is to be approved."""
    costs = "" if amount is None else format_amount(amount, currency)
    named = plain(in_quotes(title), blocks.HEADER) if title.strip() else ""
    return blocks.confirm(
        "Approve this request?", DOT.join(filter(None, [named, costs])) or "…", yes="Approve"
    )


# ---- the three looks -------------------------------------------------------------------------------------


def _open(card: Card, target: Target, notify: Sequence[str] | None) -> list[Json]:
    title, whole = heading(card), shows_all(card)
    lines = [level_lines(card, naming=notify is None), _confirming(card), _talk(card)]
    parts = [*what_is_asked(card), *map(blocks.section, filter(None, lines))]
    if pings := within([mention(who) for who in notify or ()], " ", 600):
        parts.append(blocks.context(f"Asked: {pings}"))
    parts.append(
        blocks.actions(
            ACTIONS,
            *buttons(
                title,
                target,
                code=bool(card.confirming),
                whole=whole,
                editable=card.editable,
                confirm=to_confirm(card),
            ),
            *([button(GRANT, "Approve calls like this…", None, title, target)] if card.grantable else []),
            blocks.overflow(
                MORE,
                {option(key, target): label for key, label in MENU.items() if whole or key != COMMENTED},
            ),
        )
    )
    parts.append(blocks.context(small_print(card)))
    return parts


def heading(card: Card) -> str:
    """The title as a header shows it: in plain text."""
    return plain(card.title, blocks.HEADER) or plain(card.policy_title, blocks.HEADER) or card.request_id


def what_is_asked(card: Card) -> list[Json]:
    """The blocks that say what is to be decided, for an open card and for a direct message."""
    return [
        blocks.header(heading(card)),
        blocks.section(_asked(card)),
        *_description(card, whole=shows_all(card)),
        *edit_blocks(card),
    ]


def _passed(card: Card) -> list[Json]:
    """A card whose own round is over while the request goes on in another round."""
    levels = level_lines(card, naming=True)
    return [
        _lead_row(card, f"{bold(_title(card))}\n{_asked(card, _WHEN_PASSED)}"),
        *([blocks.section(levels)] if levels else []),
        blocks.context(small_print(card)),
    ]


def _ended(card: Card) -> list[Json]:
    result = f"{MARKS[card.status]} {bold(CALLED[card.status])}"
    if card.ended_by:
        result += f" by {mention(card.ended_by)}{FACTORS[_factor(card)]}"
    if card.ended_at:
        result += DOT + when(card.ended_at)
    lines = [_subject(card, DOT, strong=True), result]
    if card.fulfilment is not None:
        lines.append(progress_line(card.fulfilment))
    if why := quoted(card.comments, REASON, lines=6, room=1800) or safe(card.reason, REASON, room=1800):
        lines.append(why)
    done = within(map(_action, card.actions), "\n", 2800)
    history = level_lines(card, naming=False) if _tells_more(card) else ""
    asked = f"Asked by {_requester(card)}, {when(card.asked_at)}"
    small = [history, DOT.join([asked, small_print(card)])]
    facts = within(_facts(card, _ON_A_CARD), "\n", _ON_A_CARD.room)
    return [
        _lead_row(card, "\n".join(lines)),
        *([blocks.section(facts)] if facts else []),
        *_description(card, whole=shows_all(card)),
        *([blocks.section(done)] if done else []),
        *edit_blocks(card),
        *map(blocks.context, filter(None, small)),
    ]


def _lead_row(card: Card, text: str) -> Json:
    """The first row of a card that takes no decision, with a menu that has only Details."""
    target = Target.of(card.request_id, card.round, card.identity)
    menu = blocks.overflow(MORE, {option(DETAILS, target): MENU[DETAILS]})
    return {**blocks.row(text, menu), "block_id": ACTIONS}


def _factor(card: Card) -> Factor | None:
    """The second factor that confirmed the vote that ended the request, if any."""
    votes = card.levels[-1].decisions if card.levels and card.status in DECIDED else []
    return next((vote.factor for vote in reversed(votes) if vote.actor == card.ended_by), None)


# ---- lines -----------------------------------------------------------------------------------------------


def _title(card: Card) -> str:
    return said(card.title, 150, room=800) or safe(card.policy_title, 60)


def _requester(card: Card) -> str:
    """The requester, marked if nobody has checked who it is: approvers have to know that."""
    return mention(card.requester) + (f" ({UNCHECKED})" if card.asked_without_seal else "")


def _amount(card: Card) -> str:
    return "" if card.amount is None else format_amount(card.amount, card.currency)


def _subject(card: Card, separator: str, *, strong: bool = False) -> str:
    """The title and what it costs."""
    title = bold(_title(card)) if strong else _title(card)
    return separator.join(filter(None, [title, _amount(card)]))


def _lead(card: Card) -> str:
    return "Escalated: " if card.escalation else ""


@dataclass(frozen=True)
class _Limits:
    """How much of a request a card shows, in visible and in escaped characters."""

    label: int
    label_room: int
    value: int
    value_room: int
    long_text: int
    long_text_lines: int
    line_room: int
    room: int


_ON_A_CARD: Final = _Limits(
    label=48,
    label_room=200,
    value=FIELD,
    value_room=900,
    long_text=400,
    long_text_lines=8,
    line_room=1400,
    room=2800,
)
_WHEN_PASSED: Final = replace(_ON_A_CARD, room=2100)
_EVERYTHING: Final = replace(_Limits(*[EVERYTHING] * 8), long_text_lines=EVERYTHING // 10)


def _asked(card: Card, limits: _Limits = _ON_A_CARD) -> str:
    """Who asks for what. Short fields share the line; long ones get their own."""
    lead = f"{_requester(card)} asks for {bold(_amount(card)) or 'approval'}"
    return within(_facts(card, limits, lead), "\n", limits.room)


def _facts(card: Card, limits: _Limits, lead: str = "") -> list[str]:
    """The lines of the fields. The first line begins with `lead`."""
    short, long = [], []
    for field in card.fields:
        label = safe(field.label, limits.label, room=limits.label_room)
        if field.type is FieldType.LONG_TEXT:
            words = quoted(
                field.value, limits.long_text, lines=limits.long_text_lines, room=limits.value_room
            )
            long.append(f"{bold(label)}:\n{words}")
            continue
        value = shown_value(field, limits.value, limits.value_room)
        if len(value) <= INLINE:
            short.append(f"{label}: {value}")
        else:
            long.append(f"{bold(label)}: {value}")
    first = within(filter(None, [lead, *short]), DOT, limits.line_room)
    return [*filter(None, [first]), *long]


def _description(card: Card, *, whole: bool) -> list[Json]:
    """The description, cut if it is long. Unless the card is `whole`, a line says where the rest is."""
    rest = "" if whole else REST
    if card.verbatim and card.description:
        shown = [blocks.code(code_beginning(card.description, CODE, CODE_LINES))]
        return [*shown, blocks.section(rest)] if rest else shown
    text = "\n".join(filter(None, [quoted(card.description, DESCRIPTION), rest]))
    return [blocks.section(text)] if text else []


def _talk(card: Card) -> str:
    """The last question, with its answer if there is one. The thread has all questions and answers."""
    lines: list[str] = []
    for remark in card.remarks:
        words = f"{said(remark.text, SAID, room=900)}, {when(remark.at)}"
        if remark.kind is RemarkKind.QUESTION:
            lines = [f"{mention(remark.actor)} asks: {words}"]
        elif remark.kind is RemarkKind.ANSWER:
            lines = [*lines[:1], f"{mention(remark.actor)} answers: {words}"]
    return "\n".join(lines)


def _confirming(card: Card) -> str:
    """Whose codes are awaited. Their votes do not count before; everybody else can decide meanwhile."""
    return (
        f"Waiting for {', '.join(mention(who) for who in card.confirming)} to confirm by SMS"
        if card.confirming
        else ""
    )


def _action(action: ActionState) -> str:
    """The result of one action of the outcome, in the other system's own words."""
    answer, where = safe(action.answer, ANSWER, room=500), system(action.label)
    match action.status:
        case "done":
            answer = said(action.answer, ANSWER, room=500)
            return f"{YES} {answer}{DOT}{where}" if answer else f"{YES} Notified {where}"
        case "failed":
            return f"{NO} Failed: {answer}{DOT}{where}"
        case _:
            return (
                f"{OPEN} Moving the document"
                if action.label in MOVES.values()
                else f"{OPEN} Notifying {where}"
            )


def small_print(card: Card) -> str:
    """The request's policy and its ID."""
    return DOT.join(filter(None, [safe(card.policy_title, 60), safe(card.request_id, 60)]))


def _tells_more(card: Card) -> bool:
    """Whether the lines of the levels say more than the line about the end."""
    votes = [vote for level in card.levels for vote in level.decisions]
    path_taken = len(card.levels) > 1 or any(level.escalated_at for level in card.levels)
    return path_taken or len(votes) > 1 or any(vote.actor != card.ended_by for vote in votes)


def button(action_id: str, label: str, style: str | None, title: str, target: Target) -> Json:
    """A button of this card. A screen reader says which request it is about."""
    spoken = plain(f"{label.rstrip('…')} {title}", blocks.BUTTON)
    return blocks.button(action_id, label, target.value(), style=style, spoken=spoken)
