"""Draws the card of several waiting calls of one run of an agent. Pure.

A list of one call is drawn as that call's own card. In a list of several, each call has its own part with buttons. Two
buttons below decide all calls that are shown whole; their values have the nonce and the digest of each of these calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import Target, Targets, message_metadata
from bot.slack.messages import cards
from bot.slack.messages.cards import Rendered
from bot.slack.messages.edits import editors
from bot.slack.messages.levels import level_lines
from bot.slack.messages.status_labels import CALLED, DOT, MARKS
from bot.slack.text import bold, code_beginning, mention, plain, safe, said, within
from orchestration.domain.call_lists import CallListView
from orchestration.domain.cards import Card
from orchestration.domain.inert import in_quotes

ALL: Final = "decide_all"  # the block of the two buttons
APPROVE_ALL: Final = "approve_all"
REJECT_ALL: Final = "reject_all"
DETAILS: Final = "listed_details"

# Slack takes 50 blocks and about 13,000 characters in a message, and 2,000 characters in the value of a button.
SHOWN: Final = 8  # calls that are shown in parts of their own
ROOM: Final = 9000  # characters of all texts in these parts
CODE: Final = 600  # characters of a call's arguments, in `CODE_LINES` lines
CODE_LINES: Final = 12
FACT: Final = 150  # characters of one fact
HEAD: Final = 500  # escaped characters of the title, and of each fact
EVERYTHING: Final = 1_000_000
ENDED: Final = 10  # lines for calls that have ended; the latest are shown
VALUE: Final = 1900
REST: Final = "_There is more of this call than fits here. Read it before you approve._"
CHANGED: Final = "Changed by {people}. Details say what was asked. Approvals given before that do not count."
MORE: Final = "{number} more wait. They come up here as these are decided; each is on Home too."


def render_calls(view: CallListView, notify: Sequence[str] | None = None) -> Rendered:
    """Draws the card. `notify` are pinged when it is posted; None is for an edit, which pings nobody."""
    if len(view.cards) == 1:
        return cards.render(view.cards[0], notify)
    waiting = [card for card in view.cards if card.open and not card.status.ended]
    others = [card for card in view.cards if card not in waiting]
    shown: list[Card] = []
    parts: list[Json] = []
    room = ROOM
    for number, card in enumerate(waiting[:SHOWN], 1):
        part = _part(card, number)
        room -= sum(map(_texts, part))
        if room < 0 and shown:
            break
        shown.append(card)
        parts += part
    title = _title(_agent(view), len(waiting))
    found = [blocks.header(plain(title, blocks.HEADER)), *parts]
    if len(waiting) > len(shown):
        found.append(blocks.context(MORE.format(number=len(waiting) - len(shown))))
    if lines := [_line(card) for card in others[-ENDED:]]:
        found.append(blocks.section(within(lines, "\n", 1800)))
    found += _all(shown)
    if pings := within([mention(who) for who in notify or ()], " ", 600):
        found.append(blocks.context(f"Asked: {pings}"))
    first = view.cards[0]
    asked = f"Asked by {mention(first.requester)}"
    found.append(blocks.context(DOT.join([asked, safe(first.policy_title, 60)])))
    return Rendered(text=safe(title, blocks.HEADER), blocks=found, metadata=metadata(view))


def metadata(view: CallListView) -> Json:
    """The metadata by which the card of several calls is found again. It names the list, not a request."""
    return message_metadata(view.list_id, view.cards[0].nonce, "calls")


def is_whole(card: Card) -> bool:
    """Whether the call's part of the card shows all of it: its arguments, its title and each of its facts."""
    if code_beginning(card.description, CODE, CODE_LINES) != card.description:
        return False
    return cards.shows_all(card) and _head(card) == _head(card, EVERYTHING)


def _head(card: Card, room: int = HEAD) -> list[str]:
    """The title, and the facts beside the arguments, cut to `room` escaped characters each."""
    facts = [
        f"{safe(field.label, 48, room=room)}: {safe(field.value, FACT if room == HEAD else room, room=room)}"
        for field in card.fields
        if field.label != "Agent"
    ]
    return [said(card.title, 150, room=room), within(facts, DOT, 3 * room)]


def _title(agent: str, waiting: int) -> str:
    if not waiting:
        return f"Calls of {agent}"
    return f"1 call of {agent} waits" if waiting == 1 else f"{waiting} calls of {agent} wait"


def _texts(part: Any) -> int:
    """The number of characters of all texts in a block."""
    if isinstance(part, list):
        return sum(map(_texts, part))
    if not isinstance(part, dict):
        return 0
    own = part.get("text")
    return (len(own) if isinstance(own, str) else 0) + sum(map(_texts, part.values()))


def _agent(view: CallListView) -> str:
    """The name of the agent, which is the same for all calls of a run. It has only letters and digits."""
    fields = {field.label: field.value for field in view.cards[0].fields}
    return fields.get("Agent", "an agent")


def _target(card: Card) -> Target:
    return Target.of(card.request_id, card.round, card.identity)


def _part(card: Card, number: int) -> list[Json]:
    """One call that waits: what it is, where it stands, and its buttons."""
    target, whole, title = _target(card), is_whole(card), card.title
    name, facts = _head(card)
    changed = CHANGED.format(people=editors(card)) if card.edits else ""
    lines = [bold(f"{number}. {name}"), facts, changed, level_lines(card, naming=False)]
    parts = [blocks.section("\n".join(filter(None, lines)))]
    if card.description:
        parts.append(blocks.code(code_beginning(card.description, CODE, CODE_LINES)))
    if not whole:
        parts.append(blocks.section(REST))
    row = [
        *cards.buttons(title, target, code=False, whole=whole, confirm=cards.to_confirm(card)),
        _button(DETAILS, "Details", title, target),
        *([_button(cards.GRANT, "Approve calls like this…", title, target)] if card.grantable else []),
    ]
    parts.append(blocks.actions(f"{cards.ACTIONS}.{number}", *row))
    return parts


def _button(action_id: str, label: str, title: str, target: Target) -> Json:
    return blocks.button(
        action_id, label, target.value(), spoken=plain(f"{label.rstrip('…')} {title}", blocks.BUTTON)
    )


def _line(card: Card) -> str:
    """The line of a call that does not wait on this card any more."""
    how = f"{MARKS[card.status]} {CALLED[card.status]}"
    if card.ended_by:
        how += f" by {mention(card.ended_by)}"
    return f"{how}: {said(card.title, 150, room=500)}{DOT}{safe(card.request_id, 60)}"


def _all(shown: Sequence[Card]) -> list[Json]:
    """The two buttons for the calls that are shown whole, if there are at least two. They decide only these."""
    targets: list[Target] = []
    for card in filter(is_whole, shown):
        more = Targets(calls=[*targets, _target(card)])
        if len(more.value()) > VALUE:
            break
        targets = more.calls
    if len(targets) < 2:
        return []
    value, number = Targets(calls=targets).value(), len(targets)
    asks = any(card.confirm for card in shown if _target(card) in targets)
    numbers = "these" if number == len(shown) else f"the {number} that are shown whole"
    approve = blocks.button(
        APPROVE_ALL,
        f"Approve all {number} shown",
        value,
        style="primary",
        spoken=f"Approve {numbers} at once",
    )
    if asks:
        titles = plain("; ".join(in_quotes(card.title) for card in shown if _target(card) in targets), 250)
        approve["confirm"] = blocks.confirm(
            f"Approve these {number} calls?", titles, yes=f"Approve all {number}"
        )
    return [
        blocks.actions(
            ALL,
            approve,
            blocks.button(
                REJECT_ALL,
                f"Reject all {number} shown…",
                value,
                style="danger",
                spoken=f"Reject {numbers} at once",
            ),
        )
    ]
