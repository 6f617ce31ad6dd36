"""Addresses that outcomes are sent to: of each only scheme, host and port is shown, as the rest may hold a secret."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

# The members of our inputs that hold one: of a request, a response, an action of a policy, an activity, a line.
_MEMBERS: Final = frozenset({"callback_url", "url", "post", "to"})
_SCHEMES: Final = ("http://", "https://")


def without_paths(value: Any) -> Any:
    """The JSON of an input of ours, its addresses cut behind the host. Nested no deeper than `json_text` reads it."""
    if isinstance(value, dict):
        return {
            name: _cut(one) if name in _MEMBERS and isinstance(one, str) else without_paths(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [without_paths(one) for one in value]
    return value


def text_without_paths(text: Any) -> Any:
    """The same for JSON as a text, as a history has it. What is no such text stays as it is."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(
            text
        )  # other programs write a slash in more ways than one, so the text itself says nothing
        cut = without_paths(value)
        return text if cut == value else json.dumps(cut, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return text


def _cut(address: str) -> str:
    if not address.lower().startswith(_SCHEMES):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return "…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"
