"""What a check has found: how bad it is, and a sentence that says what is and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    UNCHECKED = "unchecked"  # it could not be looked at, for another fault or because the server does not run
    WARNING = "warning"  # it works, and something will not
    ERROR = "error"  # something does not work


@dataclass(frozen=True)
class Finding:
    """`check` names what was looked at, such as `slack.scopes`. `text` ends with a full stop."""

    check: str
    severity: Severity
    text: str


def ok(check: str, text: str) -> Finding:
    """Nothing is wrong there."""
    return Finding(check, Severity.OK, text)


def unchecked(check: str, text: str) -> Finding:
    """Nobody could look."""
    return Finding(check, Severity.UNCHECKED, text)


def warning(check: str, text: str) -> Finding:
    """Something will not work, sometimes."""
    return Finding(check, Severity.WARNING, text)


def error(check: str, text: str) -> Finding:
    """Something does not work."""
    return Finding(check, Severity.ERROR, text)
