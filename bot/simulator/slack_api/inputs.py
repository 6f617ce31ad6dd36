"""The checks that Slack's client makes in a modal before the app is asked."""

import re
from typing import Any
from urllib.parse import urlsplit

from bot.simulator.slack_api import elements

Json = dict[str, Any]

REQUIRED = "Please complete this required field."
BAD_EMAIL = "Please enter a valid email address."
BAD_URL = "Please enter a valid URL."
BAD_NUMBER = "Please enter a valid number."

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def complaints(blocks: list[Json], values: Json) -> dict[str, str]:
    """Return what the person must correct before submitting the modal, by block_id; empty when all is well.

    `values` is the complete `state.values` of these blocks.
    """
    found: dict[str, str] = {}
    for place in elements.placed(blocks):
        if not place.is_input:
            continue
        kind = elements.HOLDERS[place.element["type"]]
        held = values[place.block_id][place.action_id][kind.key]
        if held in (None, "", []):
            if not place.block.get("optional"):
                found[place.block_id] = REQUIRED
        elif isinstance(held, str) and (complaint := _about_text(place.element, held)):
            found[place.block_id] = complaint
        elif kind.many and len(held) > place.element.get("max_selected_items", len(held)):
            found[place.block_id] = f"Please choose at most {place.element['max_selected_items']}."
    return found


def _about_text(element: Json, text: str) -> str | None:
    match element["type"]:
        case "plain_text_input":
            return _about_length(element, len(text))
        case "email_text_input":
            return None if _EMAIL.fullmatch(text) else BAD_EMAIL
        case "url_text_input":
            parts = urlsplit(text)
            return None if parts.scheme in {"http", "https"} and parts.netloc else BAD_URL
        case "number_input":
            return _about_number(element, text)
    return None


def _about_length(element: Json, length: int) -> str | None:
    if length < element.get("min_length", 0):
        return f"Please enter at least {element['min_length']} characters."
    if length > element.get("max_length", 3000):
        return f"Please enter at most {element.get('max_length', 3000)} characters."
    return None


def _about_number(element: Json, text: str) -> str | None:
    if not _NUMBER.fullmatch(text) or ("." in text and not element.get("is_decimal_allowed")):
        return BAD_NUMBER
    if "min_value" in element and float(text) < float(element["min_value"]):
        return f"Please enter a number of at least {element['min_value']}."
    if "max_value" in element and float(text) > float(element["max_value"]):
        return f"Please enter a number of at most {element['max_value']}."
    return None
