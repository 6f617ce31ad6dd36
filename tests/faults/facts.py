"""Facts of a run, from which the ledger is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.workspace import Workspace
from tests.faults.front_door import InboundDelivery
from tests.faults.life import RequestAsked
from tests.faults.trouble import Hold


@dataclass
class Facts:
    """`stands` gives each request that the product has, by ID, as its API shows it."""

    workspace: Workspace
    bots: int = 1
    asked: list[RequestAsked] = field(default_factory=list)
    stands: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    deliveries: list[InboundDelivery] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)  # trigger IDs by which a view was opened
    holds: list[Hold] = field(default_factory=list)
    callbacks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # delivery ID, outcome
    phones: Mapping[str, str] = field(default_factory=dict)  # phone number by person
    codes: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)  # files that must hold no number and no code
    logs: list[Path] = field(default_factory=list)
    records: list[str] = field(default_factory=list)  # what an audit of the records finds
    check: str = ""  # what `hub check` complains about
    deaths: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)

    def outcome(self, request_id: str | None) -> dict[str, Any] | None:
        """How a request ended; None where it has not."""
        found: dict[str, Any] | None = (self.stands.get(request_id or "") or {}).get("outcome")
        return found

    def votes(self, request_id: str | None) -> Iterator[dict[str, Any]]:
        """Every vote that counts, or counted in a level that is over."""
        for level in (self.stands.get(request_id or "") or {}).get("levels", []):
            yield from level["decisions"]

    def messages(self) -> list[Message]:
        """Every message of the workspace, including the private ones."""
        rows = self.workspace.store.all("SELECT channel, ts FROM message ORDER BY ts")
        found = (self.workspace.messages.get(row["channel"], row["ts"]) for row in rows)
        return [message for message in found if message is not None]

    def direct(self, person: str) -> list[Message]:
        """What was said to a person alone, in the app's own channel."""
        return self.workspace.messages.in_channel(f"D{person[1:]}")


def payload(message: Message, event: str) -> dict[str, Any] | None:
    """The payload of a message's metadata, where the metadata is of that kind; else None."""
    metadata = message.metadata or {}
    found: dict[str, Any] | None = (
        metadata.get("event_payload") if metadata.get("event_type") == event else None
    )
    return found
