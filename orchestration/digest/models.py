"""The data types of the listener: its input, its state, and what others may see of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.digests import DigestSummary
from orchestration.domain.request import Recorded
from orchestration.durable.outbox import Lane, OutboxItem

EVERY: Final = timedelta(hours=1)


class SendDigest(OutboxItem):
    """Post a summary to the channel or, if that is impossible, to the owner of a policy that is in it.

    With `copies`, it has been posted, maybe more than once: delete all copies but one.
    """

    number: int
    place: str
    summary: DigestSummary
    problem: str = ""
    copies: bool = False


class DigestState(BaseModel):
    """Everything that changes while the listener runs. Mutable: one orchestration owns it."""

    model_config = ConfigDict(extra="ignore")

    held: DigestSummary | None = None
    due_at: datetime | None = Field(
        default=None, description="When what is held is posted, or the listener ends"
    )
    closing: bool = Field(default=False, description="Whether it ends, unless a line comes just now")
    sent: int = Field(default=0, description="How many digests were put on their way")
    seen: list[str] = Field(
        default_factory=list, description="The newest lines of the channel, by their keys; newest last"
    )
    lanes: dict[str, Lane[SendDigest]] = Field(default_factory=dict)


class DigestInput(Recorded):
    """The input of `channel_digest`.

    A new listener starts with the `seen` of the one before it, and without a `state`.
    """

    channel: str
    seen: list[str] = Field(default_factory=list)
    state: DigestState | None = None


class DigestProgress(Recorded):
    """The custom status and the output of `channel_digest`."""

    channel: str
    held: int = Field(description="How many requests the next message counts so far")
    since: datetime | None = Field(default=None, description="When the first of them came")
    due_at: datetime | None = Field(default=None, description="When they are posted")
    sending: bool = Field(default=False, description="Whether a message is on its way, or tried again")
    closing: bool = False
    sent: int = 0
    seen: list[str] = Field(
        default_factory=list,
        description="At the end alone: the newest lines, for the listener that comes next",
    )
