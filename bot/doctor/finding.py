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
class DoctorFinding:
    """`check` names what was looked at, such as `slack.scopes`. `text` ends with a full stop."""

    check: str
    severity: Severity
    text: str


def ok(check: str, text: str) -> DoctorFinding:
    """Nothing is wrong there."""
    return DoctorFinding(check, Severity.OK, text)


def unchecked(check: str, text: str) -> DoctorFinding:
    """Nobody could look."""
    return DoctorFinding(check, Severity.UNCHECKED, text)


def warning(check: str, text: str) -> DoctorFinding:
    """Something will not work, sometimes."""
    return DoctorFinding(check, Severity.WARNING, text)


def error(check: str, text: str) -> DoctorFinding:
    """Something does not work."""
    return DoctorFinding(check, Severity.ERROR, text)
