"""Reads TOML, and says on which line each key, table and list entry is, which `tomllib` does not keep."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

Location = tuple[str | int, ...]

# The deepest nesting of tables and lists: later readers of a file recurse as deep as it is nested.
_DEEPEST: Final = 40

_TOO_DEEP: Final = f"tables or lists in it are more than {_DEEPEST} deep inside each other"

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(
    r'''
        """ (?: \\. | [^\\] )*? "{3,5} (?!")
        | '{3} .*? '{3,5} (?!')
        | " (?: \\. | [^"\\\n] )* "
        | ' [^'\n]* '
    ''',
    re.DOTALL | re.VERBOSE,
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_OTHER_VALUE: Final = re.compile(r"[^,\]}\n#]*")


class TomlError(ValueError):
    """The text is not TOML that we read. Says why, as the end of a sentence, with the line where that is known."""


def tables_of(text: str) -> dict[str, Any]:
    """The text's tables. Raises `TomlError`, also for too long numbers and too deep nesting."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlError(str(error)) from error
    except RecursionError as error:
        raise TomlError(_TOO_DEEP) from error
    except ValueError as error:  # Python reads no whole number of more than 4,300 digits
        raise TomlError("a number in it has too many digits") from error
    level: list[Any] = [tables]
    for _ in range(_DEEPEST):
        level = [part for whole in level for part in (whole.values() if isinstance(whole, dict) else whole)]
        level = [part for part in level if isinstance(part, dict | list)]
    if level:
        raise TomlError(_TOO_DEEP)
    return tables


def lines_of(text: str) -> dict[Location, int]:
    """The 1-based line of each place, by its keys and the numbers of its entries. The text has to be valid TOML."""
    return _Reading(text).lines


class _Reading:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._entries: dict[Location, int] = {}  # how many tables each [[list]] has so far
        self.lines: dict[Location, int] = {}
        table: Location = ()
        self._skip(_BLANK)
        while self._at < len(text):
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _skip(self, what: re.Pattern[str]) -> str:
        """Moves past the match and returns its text."""
        found = what.match(self._text, self._at)
        skipped = found[0] if found else ""
        self._at += len(skipped)
        self._line += skipped.count("\n")
        return skipped

    def _take(self, number: int = 1) -> None:
        self._at += number

    def _header(self) -> Location:
        line, is_entry = self._line, self._text.startswith("[[", self._at)
        self._take(2 if is_entry else 1)
        keys = self._keys()
        self._take(2 if is_entry else 1)
        place: Location = ()
        for number, key in enumerate(keys, 1):
            place = (*place, key)
            if is_entry and number == len(keys):
                self.lines.setdefault(place, line)
                self._entries[place] = self._entries.get(place, 0) + 1
            if place in self._entries:
                place = (*place, self._entries[place] - 1)
            self.lines.setdefault(place, line)
        self.lines[place] = line  # also for a table that an earlier header of a subtable named
        return place

    def _keys(self) -> list[str]:
        """Reads the parts of a dotted key, and the space after it."""
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            quoted = self._skip(_STRING)
            keys.append(tomllib.loads(f"key = {quoted}")["key"] if quoted else self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._take()

    def _pair(self, table: Location) -> None:
        line, place = self._line, table
        for key in self._keys():
            place = (*place, key)
            self.lines.setdefault(place, line)
        self._take()  # the =
        self._skip(_SPACE)
        self._value(place)

    def _value(self, place: Location) -> None:
        opening = self._text[self._at]
        if opening not in "[{":
            if not self._skip(_STRING):
                self._skip(_OTHER_VALUE)
            return
        self._take()
        number = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] in "]}":
                self._take()
                return
            if self._text[self._at] == ",":
                self._take()
            elif opening == "{":
                self._pair(place)
            else:
                self.lines[*place, number] = self._line
                self._value((*place, number))
                number += 1
