"""What a command prints of records: a table, one record, or JSON of chosen fields. Also shows that it waits.

On a terminal a table has headers, columns and colours (not with NO_COLOR). Elsewhere each record is one line
without headers, with tabs between its values. No value can contain a tab or a newline there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from bot.terminal import LiveLine, plain, say

T = TypeVar("T")
Item = Mapping[str, Any]

GAP: Final = "  "
LEAST: Final = 12  # characters of the last column, even on a narrow terminal
FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAME_TIME: Final = 0.1  # seconds for each frame
COLOURS: Final = {
    "approved": "32",
    "auto_approved": "32",
    "pending": "33",
    "escalated": "33",
    "rejected": "31",
    "timed_out": "31",
    "failed": "31",
    "terminated": "31",
}
HEADER: Final = "2"  # dim


@dataclass(frozen=True)
class Column:
    """One column of a table, or one line of a record. `of` returns its text, `for_people` the text on a terminal.

    A table leaves out `wide` columns if the terminal has no room for them.
    """

    header: str
    of: Callable[[Item], str]
    for_people: Callable[[Item], str] | None = None
    coloured: bool = False
    wide: bool = False

    def text(self, item: Item, *, terminal: bool) -> str:
        """The text in one line, without what could control the terminal or look like the next value."""
        return plain((self.for_people if terminal and self.for_people else self.of)(item))


def value(name: str, header: str | None = None) -> Column:
    """A column for a value that is a text or null."""
    return Column(header or name.upper(), lambda item: str(item[name] if item[name] is not None else ""))


def time(name: str, header: str) -> Column:
    """A column for a time: in ISO 8601, or on a terminal the local time to the minute."""

    def here(item: Item) -> str:
        return f"{datetime.fromisoformat(item[name]).astimezone():%Y-%m-%d %H:%M}" if item[name] else ""

    return Column(header, lambda item: item[name] or "", here)


def add_json(parser: argparse.ArgumentParser, fields: Sequence[str]) -> None:
    """Adds `--json FIELDS`: `given.json` is the list of the fields, or None. Without FIELDS the list has all fields."""

    def chosen(text: str) -> list[str]:
        names = [name for name in re.split(r"[,\s]+", text) if name]
        if unknown := [name for name in names if name not in fields]:
            raise argparse.ArgumentTypeError(
                f"there is no field {unknown[0]!r}; there are {', '.join(fields)}"
            )
        if not names:
            raise argparse.ArgumentTypeError(f"names no field; there are {', '.join(fields)}")
        return names

    action = parser.add_argument(
        "--json",
        metavar="FIELDS",
        nargs="?",
        const=[*fields],
        type=chosen,
        help="print these fields as JSON, separated by commas; without FIELDS, all of them",
    )
    action.completer = _fields_completer(fields)  # type: ignore[attr-defined]  # argcomplete looks for this name


def _fields_completer(fields: Sequence[str]) -> Callable[..., list[str]]:
    """A completer for the shell: completes the field being typed, leaving out the fields before it."""

    def complete(prefix: str, **_: object) -> list[str]:
        before, comma, _last = prefix.rpartition(",")
        return [f"{before}{comma}{name}" for name in fields if name not in before.split(",")]

    return complete


def show_table(items: Sequence[Item], columns: Sequence[Column], fields: Sequence[str] | None) -> None:
    """Prints the records: as an array of JSON with only the `fields` if these are given, or else as a table."""
    if fields is not None:
        show_json([_only(item, fields) for item in items])
        return
    terminal = _is_terminal()
    rows = [[column.text(item, terminal=terminal) for column in columns] for item in items]
    if not terminal:
        for row in rows:
            if not say("\t".join(row)):
                return
        return
    if not rows:
        return
    headers = [column.header for column in columns]
    widths = [max(map(_width, cells)) for cells in zip(headers, *rows, strict=True)]
    room = shutil.get_terminal_size().columns - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    if room < LEAST and any(column.wide for column in columns):
        show_table(items, [column for column in columns if not column.wide], None)
        return
    widths[-1] = max(LEAST, min(widths[-1], room))
    lines = [_line(headers, widths, [HEADER] * len(headers))]
    for row in rows:
        codes = [
            COLOURS.get(cell) if column.coloured else None for cell, column in zip(row, columns, strict=True)
        ]
        lines.append(_line(row, widths, codes))
    say("\n".join(lines))


def show_record(item: Item, lines: Sequence[Column], fields: Sequence[str] | None) -> None:
    """Prints one record: a JSON object with only the `fields` if these are given, or else a line for each value."""
    if fields is not None:
        show_json(_only(item, fields))
        return
    terminal = _is_terminal()
    said = [(line, line.text(item, terminal=terminal)) for line in lines]
    said = [(line, text) for line, text in said if text]
    if not terminal:
        say("\n".join(f"{line.header.lower()}\t{text}" for line, text in said))
        return
    width = max(_width(line.header) for line, _ in said)
    say(
        "\n".join(
            f"{_painted(_fitted(line.header.capitalize(), width), HEADER)}{GAP}"
            f"{_painted(text, COLOURS.get(text) if line.coloured else None)}"
            for line, text in said
        )
    )


def show_json(found: object) -> None:
    """Prints it as JSON in ASCII, so nothing in it can control the terminal. On a terminal, with line breaks."""
    say(json.dumps(found, indent=2 if _is_terminal() else None))


async def waiting(work: Coroutine[Any, Any, T], words: str) -> T:
    """Returns the result of the work. Meanwhile a terminal shows on standard error that the command waits."""
    if sys.stderr is None or not sys.stderr.isatty():
        return await work
    line = LiveLine(sys.stderr)
    task = asyncio.create_task(work)
    try:
        for number in range(sys.maxsize):
            await asyncio.wait([task], timeout=FRAME_TIME)
            if task.done():
                break
            line.show(f"{spinner(number)} {words}")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
        line.clear()
    return task.result()


def spinner(number: int) -> str:
    """The frame of the turning symbol with that number."""
    return FRAMES[number % len(FRAMES)]


def _only(item: Item, fields: Sequence[str]) -> dict[str, Any]:
    """Only these fields of a record. A field that an older server does not have is null."""
    return {name: item.get(name) for name in fields}


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _line(cells: Sequence[str], widths: Sequence[int], codes: Sequence[str | None]) -> str:
    fitted = [_fitted(cell, width) for cell, width in zip(cells, widths, strict=True)]
    fitted[-1] = fitted[-1].rstrip()
    return GAP.join(_painted(cell, code) for cell, code in zip(fitted, codes, strict=True))


def _painted(text: str, code: str | None) -> str:
    """The text in that colour, unless NO_COLOR is set or the terminal has no colours."""
    if code is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _width(text: str) -> int:
    """The width in columns of a terminal: most East Asian letters take two, and a combining accent none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _fitted(text: str, width: int) -> str:
    """The text in exactly this width: padded with spaces, or cut with an ellipsis at its end."""
    if (room := width - _width(text)) >= 0:
        return text + " " * room
    while _width(text) > width - 1:
        text = text[:-1]
    return _fitted(f"{text}…", width)
