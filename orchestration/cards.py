"""What a card says, as data. The chat system decides how it looks; this side decides what is true."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from orchestration.models import CardRef, LevelState, Recorded, Status


class Shown(Recorded):
    """A filled-in field of the request, with its words."""

    label: str
    value: str


class Card(Recorded):
    """Everything one posted copy shows. Rendering it twice gives the same card."""

    request_id: str
    round: int
    status: Status
    policy_title: str
    title: str
    description: str = ""
    amount: Decimal | None = None
    currency: str | None = None
    fields: list[Shown] = Field(default_factory=list)
    requester: str
    asked_at: datetime
    levels: list[LevelState]
    open: bool = Field(description="Whether this copy takes decisions")
    escalation: bool = Field(default=False, description="Whether this copy was posted for the escalation")
    escalated_at: datetime | None = None
    escalated_to: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    comments: str = ""
    reason: str = ""


class PostCard(Recorded):
    """Input of `post_card`. `notify` are the people and groups to ping."""

    channel: str
    card: Card
    notify: list[str] = Field(default_factory=list)
    attempt: int = Field(ge=1)
    scheduled_at: datetime


class EditCard(Recorded):
    """Input of `edit_card`: make the copy at `ref` say what `card` says."""

    ref: CardRef
    card: Card
    attempt: int = Field(ge=1)


class Tell(Recorded):
    """Input of `tell`: a direct message to one person that their request has come to `card.status`."""

    user: str
    card: Card
    where: CardRef | None = None
    attempt: int = Field(ge=1)


class Members(Recorded):
    """Input of `members`: the user groups whose members are asked for."""

    groups: list[str]


class Membership(Recorded):
    """Result of `members`: group ID to the IDs of its members at that moment."""

    groups: dict[str, list[str]]


class Delivery(Recorded):
    """Result of an effect: done (with the card it made), asked to wait, or impossible (with the reason)."""

    card: CardRef | None = None
    retry_after: float | None = Field(default=None, description="Seconds")
    impossible: str | None = None
