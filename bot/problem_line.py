"""An error of the API in one line, for whoever reads no JSON: a person at a terminal, or an agent."""

from __future__ import annotations

from collections.abc import Iterable


def problem_line(title: str, detail: str | None, errors: Iterable[tuple[str, str]]) -> str:
    """What is wrong with each field, by its name; else the detail; else the title. `errors`: pairs of these."""
    faults = [fault if field in fault else f"{field}: {fault}" for field, fault in errors]
    return " ".join(dict.fromkeys(faults)) or detail or title
