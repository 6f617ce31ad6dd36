"""Shortens the addresses that outcomes are sent to: to scheme, host and port, as the rest may hold a secret."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

# The names of the members of our inputs that hold an address.
_MEMBERS: Final = frozenset({"callback_url", "url", "post", "to"})
_SCHEMES: Final = ("http://", "https://")


def without_paths(value: Any) -> Any:
    """Returns one of our inputs with its addresses cut after the host. `json_text` has limited its nesting."""
    if isinstance(value, dict):
        return {
            name: _cut(one) if name in _MEMBERS and isinstance(one, str) else without_paths(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [without_paths(one) for one in value]
    return value


def text_without_paths(text: Any) -> Any:
    """Does the same for JSON text, as histories hold it. Any other text is returned unchanged."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text)  # other programs may escape a slash, so the raw text cannot be searched
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
