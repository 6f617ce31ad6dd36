"""Pieces of a log that are copied as one object: whole entries, of a limited size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_ENTRIES: Final = 2000
MOST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class Segment:
    """The entries from `first` to `last`, with all bytes that belong to them."""

    first: int
    last: int
    lines: bytes


def next_segment(entries: Iterator[tuple[int, bytes]]) -> Segment | None:
    """The next piece of these entries, each with its number; None at their end. It takes no more than it returns."""
    first = last = size = count = 0
    found: list[bytes] = []
    for sequence, lines in entries:
        first, last = first or sequence, sequence
        found.append(lines)
        size, count = size + len(lines), count + 1
        if count >= MOST_ENTRIES or size >= MOST_BYTES:
            break
    return Segment(first, last, b"".join(found)) if found else None
