"""Several waiting calls of one run of an agent, on one card: what it shows, and the inputs of its activities."""

from __future__ import annotations

import hashlib

from pydantic import Field

from orchestration.domain.cards import Card
from orchestration.domain.posting import Posting
from orchestration.domain.request import CardRef, Recorded


class ListedCall(Recorded):
    """Payload of `CallListed`: what a call's own card would say now, and whom it pings when it comes."""

    card: Card
    notify: list[str] = Field(default_factory=list)

    @property
    def key(self) -> str:
        """Identifies the request and its start."""
        return f"{self.card.request_id} {self.card.nonce}"

    def mark(self) -> str:
        """Equal only for equal cards. It tells whether the list already has this one.

        Fields at their default are left out, so a release that adds a field gives an old card the same mark.
        """
        said = self.card.model_dump_json(exclude_defaults=True)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


class CallListView(Recorded):
    """Everything that the card of a list shows. The calls are in the order in which they came."""

    list_id: str
    cards: list[Card]


class CallListPostInput(Posting):
    """Input of `post_call_list`: the card, with the people and groups to ping."""

    channel: str
    view: CallListView
    notify: list[str] = Field(default_factory=list)


class CallListEditInput(Recorded):
    """Input of `edit_call_list`: make the card say what is true."""

    ref: CardRef
    view: CallListView
    attempt: int = Field(ge=1)
