"""Reads the JSON of a call strictly: refuses text that two programs could read differently."""

from __future__ import annotations

import json
import math
from typing import Any, Final

DEEPEST: Final = 100  # levels of arrays and objects
LARGEST: Final = 256 * 1024  # bytes; the server's limit


class CallJsonError(Exception):
    """The text is no JSON that every program reads alike. Says why, as the end of a sentence."""


def parse(raw: bytes, *, largest: int = LARGEST) -> Any:
    """The value of a text of at most `largest` bytes. Raises `CallJsonError`."""
    if len(raw) > largest:
        raise CallJsonError(f"is over {largest // 1024} KB")
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except UnicodeDecodeError as error:
        raise CallJsonError("is not UTF-8") from error
    except RecursionError as error:
        raise CallJsonError("is nested too deeply") from error
    except ValueError as error:
        raise CallJsonError(f"is not valid JSON ({error})") from error
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise CallJsonError("has a name twice in the same object")
    return found


def _constant(name: str) -> Any:
    raise CallJsonError(f"has {name}, which is no number in JSON")


def _float(digits: str) -> float:
    if math.isinf(found := float(digits)):
        raise CallJsonError("has a number that is out of range")
    return found


def _check(value: Any) -> None:
    left = [(value, 1)]
    while left:
        one, level = left.pop()
        if level > DEEPEST:
            raise CallJsonError("is nested too deeply")
        if isinstance(one, dict):
            left += [(part, level + 1) for part in (*one.keys(), *one.values())]
        elif isinstance(one, list):
            left += [(part, level + 1) for part in one]
        elif isinstance(one, str) and any("\ud800" <= character <= "\udfff" for character in one):
            raise CallJsonError("has half of a surrogate pair")
