"""Reads the JSON of programs, and writes the hub's values as JSON. No other module does.

Whatever `parse` takes can be written again, by us and by any other program on the hub: it is interoperable as RFC 8259
defines it, and not nested too deep for the serializer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from bot.http.api.problems import Problem

DEEPEST: Final = 100  # levels of arrays and objects


def parse(raw: bytes) -> Any:
    """Parses the JSON of a body. Raises `Problem` with a sentence that says what is wrong."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Problem("malformed", "The body is not UTF-8.") from error
    try:
        value = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise Problem("malformed", f"The body is not valid JSON: {_reason(error)}.") from error
    except _RefusedError as error:
        raise Problem("malformed", str(error)) from error
    except RecursionError as error:
        raise Problem("malformed", _TOO_DEEP) from error
    _check(value)
    return value


def event(raw: bytes) -> Any:
    """Parses the JSON of a body for another program; an empty body is null. Raises `Problem`."""
    return payload(parse(raw)) if raw else None


def payload(value: Any) -> Any:
    """Returns the value for another program. Raises `Problem` for NUL: it ends a text in many of them."""
    if b"\\u0000" in write(value):
        for text in _texts(value):
            if "\0" in text:
                raise Problem("malformed", "A text in the body has the character U+0000.")
    return value


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one


def _check(value: Any) -> None:
    """Raises `Problem` for a value that could not be written, or that some programs could not read."""
    left = [(value, 1)]
    while left:
        one, level = left.pop()
        if isinstance(one, dict | list):
            if level > DEEPEST:
                raise Problem("malformed", _TOO_DEEP)
            left += [(part, level + 1) for part in (one.values() if isinstance(one, dict) else one)]
    try:
        write(value)
    except (PydanticSerializationError, ValueError) as error:
        raise Problem("malformed", "A text in the body has half of a surrogate pair.") from error


def write(value: Any) -> bytes:
    """Writes the value as JSON. Raises `PydanticSerializationError` for a value that JSON cannot hold."""
    return to_json(value)


def shown(text: str | None) -> Any:
    """Returns a value that another program stored: parsed, or as text where it is no JSON that we can pass on."""
    if not text:
        return None
    try:
        return parse(text.encode())
    except (Problem, UnicodeEncodeError):
        return text.encode(errors="backslashreplace").decode()


class _RefusedError(Exception):
    """The JSON is valid, but parsers read it differently."""


_TOO_DEEP: Final = f"The body is nested too deeply: at most {DEEPEST} levels."
_OUT_OF_RANGE: Final = "A number in the body is out of range: at most about 1.8e308."


def _reason(error: json.JSONDecodeError) -> str:
    return f"{error.msg} at line {error.lineno}, column {error.colno}"


def _no_constant(name: str) -> Any:
    raise _RefusedError(f"The body is not valid JSON: {name} is no number.")


def _float(digits: str) -> float:
    if math.isinf(found := float(digits)):
        raise _RefusedError(_OUT_OF_RANGE)
    return found


def _int(digits: str) -> int:
    if len(digits) > 300 and math.isinf(float(digits)):
        raise _RefusedError(_OUT_OF_RANGE)
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"The name {twice[:40]!a} stands more than once in the same object.")
    return found
