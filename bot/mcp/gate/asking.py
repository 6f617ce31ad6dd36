"""The gate's calls to Countersign: ask about a tool call, claim its approval, and store its result."""

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
    """The call is to be made now, once. `arguments` are those that people changed; None if they changed none."""

    arguments: Mapping[str, Any] | None


@dataclass(frozen=True)
class KnownCall:
    """What is known of a claimed call. `ran` is None if it is unknown whether the call was made.

    `at` is when its result came, or else when it was claimed. `result` is None if none was stored.
    """

    ran: bool | None
    at: datetime | None
    result: Mapping[str, Any] | None


class PeopleAsking(Protocol):
    """Each method raises `CountersignError` if it is refused, and retries while Countersign does not answer."""

    async def ask(self, call: Mapping[str, Any], *, resume: bool) -> str:
        """Returns the ID of the request that the call waits for. Gives up soon if Countersign cannot be reached."""
        ...

    async def ended(self, request_id: str) -> Ended:
        """Waits until the request has ended, and returns how."""
        ...

    async def look(self, request_id: str) -> Ended | None:
        """Returns how the request ended; None while it is open. Raises `UnknownRequestError` where there is none."""
        ...

    async def claim(self, request_id: str, attempt: str, call: Mapping[str, Any]) -> Claimed | None:
        """Claims the call's approval; None if another attempt has claimed it."""
        ...

    async def keep(self, request_id: str, attempt: str, result: Mapping[str, Any]) -> None:
        """Stores the result of the call."""
        ...

    async def release(self, request_id: str, attempt: str) -> None:
        """Reports that the call was claimed but not made, so that people are asked again about the same call."""
        ...

    async def known(self, request_id: str) -> KnownCall | None:
        """Returns what is known of the call; None if it was not made."""
        ...
