"""The result of a check: how bad it is, and a sentence that says what is wrong and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    UNCHECKED = "unchecked"  # not checked, because of another fault or because the server does not run
    WARNING = "warning"  # it works, but something will fail
    ERROR = "error"  # something does not work


@dataclass(frozen=True)
class DoctorFinding:
    """`check` names what was looked at, such as `slack.scopes`. `text` ends with a full stop."""

    check: str
    severity: Severity
    text: str


def ok(check: str, text: str) -> DoctorFinding:
    """A finding that nothing is wrong."""
    return DoctorFinding(check, Severity.OK, text)


def unchecked(check: str, text: str) -> DoctorFinding:
    """A finding that this could not be checked."""
    return DoctorFinding(check, Severity.UNCHECKED, text)


def warning(check: str, text: str) -> DoctorFinding:
    """A finding that something will fail sometimes."""
    return DoctorFinding(check, Severity.WARNING, text)


def error(check: str, text: str) -> DoctorFinding:
    """A finding that something does not work."""
    return DoctorFinding(check, Severity.ERROR, text)
