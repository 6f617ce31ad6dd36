"""Effects as data: what is still to do outside, so that it can be carried over a turn-over of the history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.cards import Notice, Step, Waiting
from orchestration.domain.request import CardRef, Recorded


class OutboxItem(Recorded):
    """One thing to do outside. `give_up` counts from its first try."""

    give_up: timedelta


class PostCard(OutboxItem):
    """PostCard the card of a round."""

    kind: Literal["post"] = "post"
    round: int
    channel: str
    notify: list[str]


class EditCard(OutboxItem):
    """Make a posted copy say what is true when the try starts."""

    kind: Literal["edit"] = "edit"
    ref: CardRef


class PostReply(OutboxItem):
    """Add a line to the trail."""

    kind: Literal["line"] = "line"
    step: Step


class SendMessage(OutboxItem):
    """SendMessageInput one person, or a channel."""

    kind: Literal["word"] = "word"
    user: str
    notice: Notice
    step: Step | None = None
    waiting: list[Waiting] = Field(default_factory=list)


class RunAction(OutboxItem):
    """Run the outcome's action of that index."""

    kind: Literal["act"] = "act"
    index: int


class SignReceipt(OutboxItem):
    """Have the outcome signed."""

    kind: Literal["seal"] = "seal"


class SendCallback(OutboxItem):
    """POST the outcome to where the one who asked wants it."""

    kind: Literal["call"] = "call"


AnyOutboxItem = Annotated[
    PostCard | EditCard | PostReply | SendMessage | RunAction | SignReceipt | SendCallback,
    Field(discriminator="kind"),
]


class Lane(BaseModel):
    """Errands that keep their order, and how far the first of them has come. Mutable: the outbox owns it."""

    model_config = ConfigDict(extra="ignore")

    queue: list[AnyOutboxItem] = Field(default_factory=list)
    attempt: int = 0
    since: datetime | None = None
    not_before: datetime | None = None
