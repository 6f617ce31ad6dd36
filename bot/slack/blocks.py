"""Makes the Block Kit elements that are used. Text is `verbatim`, so that Slack turns nothing in it into a mention."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

# Slack's limits, of https://docs.slack.dev/reference/block-kit, in characters.
BUTTON: Final = 75
HEADER: Final = 150
CONFIRM: Final = 300
PLAIN_INPUT: Final = 3000
OPTION: Final = 75
OPTIONS: Final = 100
MODAL_TITLE: Final = 24

INPUT: Final = "value"  # the action_id of every field


def mrkdwn(text: str) -> Json:
    """Text that was made with `bot.slack.text`."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain(text: str) -> Json:
    """Text that is shown as it is."""
    return {"type": "plain_text", "text": text, "emoji": False}


def header(text: str) -> Json:
    """A title of 1 to 150 characters."""
    return {"type": "header", "text": plain(text)}


def section(text: str) -> Json:
    """A paragraph of mrkdwn, 1 to 3000 characters."""
    return {"type": "section", "text": mrkdwn(text)}


def code(text: str) -> Json:
    """Text in a code block, character by character: nothing in it is parsed, and nothing in it ends the block."""
    shown = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [shown]}


def row(text: str, accessory: Json) -> Json:
    """A paragraph of mrkdwn with something to press beside it."""
    return {**section(text), "accessory": accessory}


def divider() -> Json:
    """A line across."""
    return {"type": "divider"}


def context(*parts: str) -> Json:
    """Small print: up to ten pieces of mrkdwn."""
    return {"type": "context", "elements": [mrkdwn(part) for part in parts]}


def actions(block_id: str, *elements: Json) -> Json:
    """A row of buttons."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def button(action_id: str, label: str, value: str, *, style: str | None = None, spoken: str) -> Json:
    """A button; `style` is `primary`, `danger` or none, `spoken` is what a screen reader says."""
    element = {
        "type": "button",
        "action_id": action_id,
        "text": plain(label),
        "value": value,
        "accessibility_label": spoken,
    }
    return element if style is None else {**element, "style": style}


def confirm(title: str, text: str, *, yes: str, no: str = "Cancel") -> Json:
    """A dialog that Slack shows before a button acts: a title of at most 100 characters, a text of at most 300."""
    return {"title": plain(title), "text": plain(text[:CONFIRM]), "confirm": plain(yes), "deny": plain(no)}


def overflow(action_id: str, options: Mapping[str, str]) -> Json:
    """The menu behind three dots: one to five labels, each with its value of at most 150 characters."""
    entries = [{"text": plain(label), "value": value} for value, label in options.items()]
    return {"type": "overflow", "action_id": action_id, "options": entries}


def verbatim(text: str) -> Json:
    """A paragraph in which nothing is parsed, 1 to 3000 characters."""
    return {"type": "section", "text": plain(text)}


def choice_input(block_id: str, label: str, options: Mapping[str, str]) -> Json:
    """One of a few labels, by value; the first is chosen already."""
    entries = [{"text": plain(shown), "value": value} for value, shown in options.items()]
    return _input(
        block_id,
        label,
        {"type": "radio_buttons", "action_id": INPUT, "options": entries, "initial_option": entries[0]},
    )


def select_input(
    block_id: str, label: str, options: Mapping[str, str], *, initial: str = "", optional: bool = False
) -> Json:
    """One of up to 100 labels of at most 75 characters, by value; `initial` is chosen already."""
    entries = {value: {"text": plain(shown), "value": value} for value, shown in options.items()}
    element: Json = {"type": "static_select", "action_id": INPUT, "options": list(entries.values())}
    if initial in entries:
        element["initial_option"] = entries[initial]
    return {**_input(block_id, label, element), "optional": optional}


def person_input(block_id: str, label: str, *, initial: str | None = None, optional: bool = False) -> Json:
    """One person of the workspace."""
    chosen = {"initial_user": initial} if initial else {}
    element = {"type": "users_select", "action_id": INPUT, **chosen}
    return {**_input(block_id, label, element), "optional": optional}


def date_input(
    block_id: str, label: str, *, initial: date | None = None, hint: str, optional: bool = False
) -> Json:
    """One day; its value is `2026-12-24`."""
    chosen = {"initial_date": initial.isoformat()} if initial else {}
    element = {"type": "datepicker", "action_id": INPUT, **chosen}
    return {**_input(block_id, label, element), "optional": optional, "hint": plain(hint)}


def number_input(block_id: str, label: str, *, initial: str = "", optional: bool = False) -> Json:
    """A decimal number; its value is a text such as `1250.5`. The client takes nothing else."""
    chosen = {"initial_value": initial} if initial else {}
    element = {"type": "number_input", "action_id": INPUT, "is_decimal_allowed": True, **chosen}
    return {**_input(block_id, label, element), "optional": optional}


def url_input(block_id: str, label: str, *, initial: str = "", optional: bool = False) -> Json:
    """An address, which the client checks for its form."""
    chosen = {"initial_value": initial} if initial else {}
    element = {"type": "url_text_input", "action_id": INPUT, **chosen}
    return {**_input(block_id, label, element), "optional": optional}


def link(action_id: str, label: str, url: str, *, spoken: str) -> Json:
    """A button that opens an address of at most 3000 characters. Slack reports the press all the same."""
    return {
        "type": "button",
        "action_id": action_id,
        "text": plain(label),
        "url": url,
        "accessibility_label": spoken,
    }


def _input(block_id: str, label: str, element: Json) -> Json:
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element}


def text_input(
    block_id: str,
    label: str,
    *,
    limit: int,
    initial: str = "",
    hint: str | None = None,
    optional: bool = False,
    multiline: bool = False,
) -> Json:
    """A labelled field for text of at most `limit` characters; its value is under `block_id`, action `value`."""
    element: Json = {
        "type": "plain_text_input",
        "action_id": INPUT,
        "multiline": multiline,
        "max_length": min(limit, PLAIN_INPUT),
    }
    if initial:
        element["initial_value"] = initial[: element["max_length"]]
    block: Json = {
        "type": "input",
        "block_id": block_id,
        "label": plain(label),
        "optional": optional,
        "element": element,
    }
    return block if hint is None else {**block, "hint": plain(hint)}
