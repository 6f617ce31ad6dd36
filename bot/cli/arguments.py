"""What arguments may look like: converters for argparse that several subcommands use."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from orchestration.domain.request import Duration


def duration(text: str) -> timedelta:
    """A duration such as 90s, 30m or 2d."""
    try:
        found: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, such as 90s, 30m or 2d") from error
    return found


def since(text: str) -> str:
    """A date, a time, or a duration that is counted back from now. Returns ISO 8601 with an offset."""
    try:
        return (datetime.now(UTC) - TypeAdapter(Duration).validate_python(text)).isoformat()
    except ValidationError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, no time and no duration") from error
    return found.astimezone().isoformat()
