"""Warnings about the records of this process, for `/readyz`."""

from __future__ import annotations

from typing import Final

SHOWN: Final = 5


class Alarms:
    """What went wrong since the start. `unavailable` is why nothing can be put on record at this moment."""

    def __init__(self) -> None:
        self.unavailable: str | None = None
        self._conflicts: dict[str, str] = {}
        self._damaged: dict[str, None] = {}

    @property
    def conflicts(self) -> int:
        """The number of requests that got a second outcome."""
        return len(self._conflicts)

    def conflict(self, request: str, on_record: str, said: str) -> None:
        """Notes that a second outcome of the request came, and was not signed."""
        self._conflicts[request] = (
            f"A second outcome of {request} came: {on_record} is on record, and now it is said to be {said}. "
            "It was not signed. Find out who made it."
        )

    def damaged(self, log: str) -> None:
        """Notes that a log was cut or changed."""
        self._damaged[log] = None

    def sentences(self) -> list[str]:
        """Returns all warnings as sentences; of many of one kind only the first."""
        found: list[str] = []
        if self.unavailable is not None:
            found.append(
                f"Nothing can be put on record ({self.unavailable}), so no outcome is signed and none goes out. "
                "Make room on the disk; it is tried again."
            )
        found += [
            f"The log {log} of the records was cut or changed; another one was begun. "
            "Run countersign audit verify."
            for log in list(self._damaged)[:SHOWN]
        ]
        return found + list(self._conflicts.values())[:SHOWN]
