"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing, in words. `sequence` is 0 where it is about a log as a whole. A notice is no fault."""

    log: str
    sequence: int
    words: str
    is_fault: bool = True

    def __str__(self) -> str:
        entry = f", entry {self.sequence}" if self.sequence else ""
        return f"{'' if self.is_fault else 'note: '}{self.log}{entry}: {self.words}"


class AuditFindings:
    """Gathers them, in the order in which they are found."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def fault(self, log: str, sequence: int, words: str) -> None:
        """Adds a fault: something is not as the server left it."""
        self.all.append(Finding(log, sequence, words))

    def note(self, log: str, sequence: int, words: str) -> None:
        """Adds a notice: something that an auditor should know, but that may be right."""
        self.all.append(Finding(log, sequence, words, is_fault=False))

    @property
    def faults(self) -> list[Finding]:
        """Those that are no notices."""
        return [one for one in self.all if one.is_fault]
