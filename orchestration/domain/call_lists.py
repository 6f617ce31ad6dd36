"""Several waiting calls of one run of an agent, on one card: what it shows, and the inputs of its activities."""

from __future__ import annotations

from pydantic import Field

from orchestration.domain.cards import Card
from orchestration.domain.posting import Posting
from orchestration.domain.request import CardRef, Recorded


class ListedCall(Recorded):
    """Payload of `CallListed`: what a call's own card would say now, and whom it pings when it comes."""

    card: Card
    notify: list[str] = Field(default_factory=list)


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
