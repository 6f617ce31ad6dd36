"""Writes an error of the API in one line, for readers of plain text: a person at a terminal, or an agent."""

from __future__ import annotations

from collections.abc import Iterable


def problem_line(title: str, detail: str | None, errors: Iterable[tuple[str, str]]) -> str:
    """The line: what is wrong with each field, else the detail, else the title. `errors`: pairs of field and text."""
    faults = [fault if field in fault else f"{field}: {fault}" for field, fault in errors]
    return " ".join(dict.fromkeys(faults)) or detail or title
