"""A list of IDs with a value each, as one text, for the state of an entity, which is read and written whole.

In JSON it is a single string, so that a thousand entries are read and written as fast as one. An ID or a value may be
any text: separators in it are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote


class Packed:
    """The list, in the order in which it was made.

    It is immutable: a change returns a new one. `str` gives its text.
    """

    def __init__(self, text: str = "") -> None:
        """`text` is that of another `Packed`. No ID may be in it twice."""
        self._text = text

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str]]) -> Packed:
        """The list of these pairs of ID and value. No ID may come twice."""
        return cls("".join(f"{_begin(one)}{quote(value, safe='')}" for one, value in entries))

    def __str__(self) -> str:
        return self._text

    def __len__(self) -> int:
        return self._text.count(" ")

    def __contains__(self, one: str) -> bool:
        return _begin(one) in self._text

    def put(self, one: str, value: str) -> Packed:
        """The list with this entry at its end, in place of one with the same ID."""
        return Packed(f"{self.without(one)}{_begin(one)}{quote(value, safe='')}")

    def without(self, one: str) -> Packed:
        """The list without the entry of this ID, if there is one."""
        before, found, after = self._text.partition(_begin(one))
        if not found:
            return self
        _, blank, rest = after.partition(" ")
        return Packed(before + blank + rest)


def _begin(one: str) -> str:
    return f" {quote(one, safe='')}:"


def unpacked(text: str) -> dict[str, str]:
    """The values by ID."""
    entries = (entry.partition(":") for entry in text.split())
    return {unquote(one): unquote(value) for one, _, value in entries}
