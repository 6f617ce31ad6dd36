"""Continuation tokens: where a page of a list ended. Only this hub reads them."""

import base64
import binascii
import json
from typing import Any

from orchestration.hub.errors import InvalidError


def token(*parts: Any) -> str:
    """The token of the position after the item with these sort keys."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def parts(text: str, *default: Any) -> list[Any]:
    """The sort keys in a token; `default`, which sorts before the first item, where `text` is empty.

    Raises InvalidError where `text` is not a token of this hub.
    """
    if not text:
        return list(default)
    try:
        found = json.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, list) or [type(part) for part in found] != [type(part) for part in default]:
        raise InvalidError("This continuation token was not given by this hub.")
    return found
