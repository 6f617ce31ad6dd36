"""The calls of the gate to Countersign: ask about a call, use an approval up, and keep the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Ended:
    """How a request ended: whether the call may be claimed, and a sentence that says why, or why not."""

    is_yes: bool
    words: str


@dataclass(frozen=True)
class Claimed:
    """The call is to be made now, once. `arguments` are those that people changed; None for those that were asked."""

    arguments: Mapping[str, Any] | None


@dataclass(frozen=True)
class KnownCall:
    """What is known of a call that was claimed: `ran` is None where nobody can tell whether it was made.

    `at` is when its result came, or else when it was claimed. `result` is None where there is none that was kept.
    """

    ran: bool | None
    at: datetime | None
    result: Mapping[str, Any] | None


class PeopleAsking(Protocol):
    """Each raises `CountersignError` where it was refused, and tries again for as long as nobody answers."""

    async def ask(self, call: Mapping[str, Any], *, resume: bool) -> str:
        """The ID of the request that the call waits for. Gives up soon where nobody can be reached."""
        ...

    async def ended(self, request_id: str) -> Ended:
        """How it ended, once it has."""
        ...

    async def look(self, request_id: str) -> Ended | None:
        """How it ended; None while it is open. Raises `UnknownRequestError` where there is none."""
        ...

    async def claim(self, request_id: str, attempt: str, call: Mapping[str, Any]) -> Claimed | None:
        """Uses the approval of the call up; None where it cannot be used, as another attempt has done that."""
        ...

    async def keep(self, request_id: str, attempt: str, result: Mapping[str, Any]) -> None:
        """Keeps the result of the call."""
        ...

    async def release(self, request_id: str, attempt: str) -> None:
        """Says that the call was claimed and not made, so that people are asked again about the same call."""
        ...

    async def known(self, request_id: str) -> KnownCall | None:
        """What is known of the call; None where it was not made."""
        ...
