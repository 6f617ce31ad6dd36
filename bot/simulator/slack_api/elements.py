"""Block Kit's interactive elements: where a person's choice is kept, and how the app receives it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.simulator.errors import SimulatorError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ElementKind:
    """A type of element that holds a value, in `key`; the key `initial` has its initial value."""

    key: str
    initial: str
    many: bool = False


# Source: https://docs.slack.dev/reference/block-kit/block-elements and the block_actions payload reference.
HOLDERS: dict[str, ElementKind] = {
    "plain_text_input": ElementKind("value", "initial_value"),
    "email_text_input": ElementKind("value", "initial_value"),
    "url_text_input": ElementKind("value", "initial_value"),
    "number_input": ElementKind("value", "initial_value"),
    "rich_text_input": ElementKind("rich_text_value", "initial_value"),
    "file_input": ElementKind("files", "", many=True),
    "checkboxes": ElementKind("selected_options", "initial_options", many=True),
    "radio_buttons": ElementKind("selected_option", "initial_option"),
    "static_select": ElementKind("selected_option", "initial_option"),
    "external_select": ElementKind("selected_option", "initial_option"),
    "users_select": ElementKind("selected_user", "initial_user"),
    "conversations_select": ElementKind("selected_conversation", "initial_conversation"),
    "channels_select": ElementKind("selected_channel", "initial_channel"),
    "multi_static_select": ElementKind("selected_options", "initial_options", many=True),
    "multi_external_select": ElementKind("selected_options", "initial_options", many=True),
    "multi_users_select": ElementKind("selected_users", "initial_users", many=True),
    "multi_conversations_select": ElementKind("selected_conversations", "initial_conversations", many=True),
    "multi_channels_select": ElementKind("selected_channels", "initial_channels", many=True),
    "datepicker": ElementKind("selected_date", "initial_date"),
    "timepicker": ElementKind("selected_time", "initial_time"),
    "datetimepicker": ElementKind("selected_date_time", "initial_date_time"),
}
# These hold no value. As at Slack, an overflow menu does not keep what was chosen.
ACTORS = frozenset({"button", "overflow", "workflow_button", "icon_button", "feedback_buttons"})
INTERACTIVE = ACTORS | HOLDERS.keys()
CHOICE_KEYS = frozenset(kind.key for kind in HOLDERS.values())


@dataclass(frozen=True, slots=True)
class PlacedElement:
    """An element and the block it stands in."""

    block: Json
    element: Json

    @property
    def block_id(self) -> str:
        """Return the ID of its block."""
        return str(self.block["block_id"])

    @property
    def action_id(self) -> str:
        """Return the element's own ID."""
        return str(self.element["action_id"])

    @property
    def is_input(self) -> bool:
        """Say whether it stands in an input block."""
        return self.block.get("type") == "input"


def placed(blocks: list[Json] | None) -> Iterator[PlacedElement]:
    """Return every interactive element of these blocks, in reading order."""
    for block in blocks or []:
        candidates = [block.get("element"), block.get("accessory")]
        if isinstance(block.get("elements"), list):
            candidates += block["elements"]
        for element in candidates:
            if not isinstance(element, dict) or not element.get("action_id"):
                continue
            if str(element.get("type")) in INTERACTIVE:
                yield PlacedElement(block, element)


def find(blocks: list[Json] | None, action_id: str, block_id: str | None = None) -> PlacedElement:
    """Return the element with these IDs; raises SimulatorError when there is none."""
    for found in placed(blocks):
        if found.action_id == action_id and block_id in {None, found.block_id}:
            return found
    raise SimulatorError(f"There is nothing called {action_id!r} to act on here (any more).")


def state(blocks: list[Json] | None, values: Json) -> Json:
    """Return `state.values` for these blocks: what was entered (`values`), else the initial values."""
    result: Json = {}
    for found in placed(blocks):
        kind = HOLDERS.get(found.element["type"])
        if kind is None:
            continue
        held = values.get(found.block_id, {}).get(found.action_id) or {}
        choice = (
            held[kind.key] if kind.key in held else found.element.get(kind.initial, [] if kind.many else None)
        )
        entry = {"type": found.element["type"], kind.key: _still_there(found.element, choice)}
        result.setdefault(found.block_id, {})[found.action_id] = entry
    return result


def action(found: PlacedElement, given: Json, action_ts: str) -> Json:
    """Return the entry of `actions` for this element, with the choice in `given` when it takes one.

    An option may be named by its value alone. Raises SimulatorError when the element has no such option, or
    needs a choice that was not given.
    """
    element = found.element
    entry: Json = {"type": element["type"], "action_id": found.action_id, "block_id": found.block_id}
    if element["type"] == "button":
        entry |= {key: element[key] for key in ("text", "value", "url", "style") if key in element}
    elif element["type"] == "overflow":
        entry["selected_option"] = _full(element, _chosen(found, given, "selected_option"))
    elif kind := HOLDERS.get(element["type"]):
        entry[kind.key] = _full(element, _chosen(found, given, kind.key))
        entry |= {key: element[key] for key in (kind.initial, "placeholder") if key in element}
        if element["type"] == "timepicker" and "timezone" in element:
            entry["timezone"] = element["timezone"]
    return {**entry, "action_ts": action_ts}


def _chosen(found: PlacedElement, given: Json, key: str) -> Any:
    if key not in given:
        raise SimulatorError(
            f"{found.action_id!r} is a {found.element['type']}: say what was chosen, as {key!r}."
        )
    return given[key]


def _full(element: Json, choice: Any) -> Any:
    """Return a choice with the element's own options; raises SimulatorError for any other option."""
    if isinstance(choice, list):
        return [_full(element, one) for one in choice]
    if choice is None or not _has_options(element):
        return choice
    if option := _option(element, choice):
        return option
    raise SimulatorError(f"{element['action_id']!r} has no option {_value(choice)!r}.")


def _still_there(element: Json, choice: Any) -> Any:
    """Return the part of a choice whose options still exist after an update."""
    if not _has_options(element):
        return choice
    if isinstance(choice, list):
        return [option for one in choice if (option := _option(element, one))]
    return _option(element, choice) if choice is not None else None


def _has_options(element: Json) -> bool:
    return bool(element.get("options") or element.get("option_groups"))


def _option(element: Json, choice: Any) -> Json | None:
    options = [*element.get("options", ())]
    for group in element.get("option_groups", ()):
        options += group["options"]
    for option in options:
        if option["value"] == _value(choice):
            return {key: option[key] for key in ("text", "value", "description") if key in option}
    return None


def _value(choice: Any) -> Any:
    return choice.get("value") if isinstance(choice, dict) else choice
