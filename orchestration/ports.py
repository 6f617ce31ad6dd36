"""What the activities need of the outside. `bot` implements these; the core knows no chat system."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orchestration.cards import Card
from orchestration.models import CardRef


class Notifier(Protocol):
    """Shows cards and messages to people.

    Every method is called from worker threads, blocks at most about ten seconds, and raises
    `ThrottledError` (wait, then try again), `DeliveryError` (never try again) or anything else (try again).
    """

    def post(self, channel: str, card: Card, notify: Sequence[str]) -> CardRef:
        """Post `card` to `channel`, pinging `notify` (people and groups)."""
        ...

    def find(self, channel: str, request_id: str, round: int, since: datetime) -> CardRef | None:
        """The copy already posted for this round at or after `since`; None when there is none, or no way to look."""
        ...

    def edit(self, ref: CardRef, card: Card) -> None:
        """Make the posted copy say what `card` says. A copy that somebody deleted is no error."""
        ...

    def tell(self, user: str, card: Card, where: CardRef | None) -> None:
        """Send `user` a direct message about the state of `card`, pointing at `where`."""
        ...


class Directory(Protocol):
    """Knows who belongs to which group."""

    def members(self, group: str) -> list[str]:
        """The IDs of the group's present members. Raises as `Notifier` does; an unknown group is a `DeliveryError`."""
        ...
