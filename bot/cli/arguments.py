"""Converters for argparse that several subcommands use."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any, Final

EXAMPLES: Final = "examples:"


def duration(text: str) -> timedelta:
    """A duration such as 90s, 30m or 2d."""
    found = _duration(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, such as 90s, 30m or 2d")
    return found


def since(text: str) -> str:
    """A point in time: a date, a time, or a duration counted back from now. Returns ISO 8601 with an offset."""
    ago = _duration(text)
    if ago is not None:
        return (datetime.now(UTC) - ago).isoformat()
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, no time and no duration") from error
    return found.astimezone().isoformat()


def _duration(text: str) -> timedelta | None:
    # Imported late: these take longer to import than most commands without a duration take to run.
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from orchestration.domain.request import Duration  # noqa: PLC0415

    try:
        found: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        return None
    return found


def at_least_one(text: str) -> int:
    """A whole number above zero."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


class _Help(argparse.HelpFormatter):
    """A help formatter that keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(EXAMPLES) else super()._fill_text(text, width, indent)


def examples(*lines: str) -> dict[str, Any]:
    """The arguments of `add_parser` that end a command's help with these example calls."""
    return {"epilog": "\n".join([EXAMPLES, *(f"  {line}" for line in lines)]), "formatter_class": _Help}
