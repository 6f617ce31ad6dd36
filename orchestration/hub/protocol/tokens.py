"""Continuation tokens: where a list left off, in a form that only this hub reads."""

import base64
import binascii
import json
from typing import Any

from orchestration.hub.errors import InvalidError


def token(*parts: Any) -> str:
    """The place in a list after the item with these sort keys."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def parts(text: str, *default: Any) -> list[Any]:
    """The sort keys in a token, or those before the first item. Raises InvalidError on what is no token."""
    if not text:
        return list(default)
    try:
        found = json.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, list) or [type(part) for part in found] != [type(part) for part in default]:
        raise InvalidError("This continuation token was not given by this hub.")
    return found
