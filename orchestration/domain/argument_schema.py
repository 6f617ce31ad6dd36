"""The JSON Schema that a program gives for a tool's arguments: whether it can be used, and what does not fit it.

It comes from outside, so it is bounded: in size, in what checking it can cost, and in its patterns, which are matched
in linear time. It fetches nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NoReturn

import jsonschema_rs
import rfc8785

LARGEST: Final = 32 * 1024  # bytes of its canonical form
# Parts of the schema that one value is checked against, each as often as a reference leads to it.
MOST_PARTS: Final = 1000
# The most parts times values in the arguments. Checking that many takes up to half a second. Finding what does not fit
# takes longer.
MOST_CHECKED: Final = 200_000
MOST_EXPLAINED: Final = 20_000
PATTERN_SIZE: Final = 200_000  # bytes of a compiled pattern
DEEPEST: Final = 60  # levels

DIALECTS: Final = frozenset(
    {
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    }
)
# Keywords that change what a reference resolves to, or that may refer to their own place.
_REFUSED: Final = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor")


class _UnfitError(Exception):
    """Says why the schema cannot be used, as the end of a sentence."""


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Why the schema cannot be used, as a sentence without its subject and full stop; None if it can be used."""
    try:
        if len(rfc8785.dumps(dict(schema))) > LARGEST:
            return f"has more than {LARGEST // 1024} KB"
        _Parts(schema).count()
        _validator(schema)
    except _UnfitError as error:
        return str(error)
    except (rfc8785.CanonicalizationError, RecursionError):
        return "has no canonical form"
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return f"is no JSON Schema that can be used: {_first_line(error)}"
    return None


def fault_of(
    schema: Mapping[str, Any], arguments: Mapping[str, Any], masked: Collection[tuple[str | int, ...]] = ()
) -> tuple[str, str] | None:
    """The first thing in the arguments that does not fit: its path, and what is wrong. None where all fits.

    The path is empty where that cannot be told. The schema is one in which `schema_fault` found nothing. `masked` are
    the places of values that are not known here: faults of the placeholders there are ignored.
    """
    cost = _Parts(schema).count() * _values(arguments)
    if cost > MOST_CHECKED:
        return "", "it takes too long to check them against the tool's schema"
    validator = _validator(schema)
    if validator.is_valid(dict(arguments)):
        return None
    if cost > MOST_EXPLAINED:
        return "", "they do not fit the tool's schema"
    for error in validator.iter_errors(dict(arguments)):
        if tuple(error.instance_path) not in masked:
            return ".".join(map(str, error.instance_path)), _first_line(error)
    return None


def _values(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(_values(one) for one in value.values())
    return 1 + sum(_values(one) for one in value) if isinstance(value, list) else 1


def _validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        dict(schema),
        validate_formats=True,
        retriever=_retrieve_nothing,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_SIZE, dfa_size_limit=PATTERN_SIZE),
    )


def _retrieve_nothing(_: str) -> NoReturn:
    raise ValueError("nothing is fetched")


def _first_line(error: Exception) -> str:
    said = getattr(error, "message", None) or str(error)
    text = str(said).strip().split("\n")[0].rstrip(".")
    return text if len(text) <= 200 else f"{text[:199]}…"


class _Parts:
    """Counts what a value is checked against at most. References may double that at every level."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._known: dict[int, int] = {}
        self._under_way: set[int] = set()

    def count(self) -> int:
        """The number of parts. Raises `_UnfitError` if they are too many or cannot be counted."""
        dialect = str(self._schema.get("$schema", "")).rstrip("#")
        if dialect and dialect not in DIALECTS:
            raise _UnfitError("names another dialect than draft 6, 7, 2019-09 or 2020-12 in $schema")
        total = self._of(self._schema, 1)
        if total > MOST_PARTS:
            raise _UnfitError("has so many parts that it takes too long to check")
        return total

    def _of(self, part: Any, level: int) -> int:
        if not isinstance(part, (dict, list)):
            return 0
        if id(part) in self._known:
            return self._known[id(part)]
        if id(part) in self._under_way:
            raise _UnfitError("refers to itself, which is not supported here")
        if level > DEEPEST:
            raise _UnfitError("is nested too deeply")
        self._under_way.add(id(part))
        total = 1
        if isinstance(part, dict):
            self._check_names(part)
            if isinstance(reference := part.get("$ref"), str):
                total += self._of(self._target(reference), level + 1)
        for one in part.values() if isinstance(part, dict) else part:
            total = min(total + self._of(one, level + 1), MOST_PARTS + 1)
        self._under_way.remove(id(part))
        self._known[id(part)] = total
        return total

    def _check_names(self, part: dict[str, Any]) -> None:
        for name in _REFUSED:
            if isinstance(part.get(name), (str, bool)):
                raise _UnfitError(f"has {name}, which is not supported here")
        if part is not self._schema and isinstance(part.get("$id"), str):
            raise _UnfitError("has $id within it, which is not supported here")

    def _target(self, reference: str) -> Any:
        if reference != "#" and not reference.startswith("#/"):
            raise _UnfitError(
                "refers to something outside of it; only references such as #/$defs/NAME are followed"
            )
        found: Any = self._schema
        for name in reference.split("/")[1:]:
            key = name.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                raise _UnfitError(f"refers to {reference[:100]}, which is not there")
        return found
