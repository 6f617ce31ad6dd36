"""The effects of a gathering as data: what is still to do outside. Carried in the state to the next generation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from orchestration.approval.outbox_items import (
    NotifyInstance,
    PostReply,
    RemoveCopies,
    SendCallback,
    SendResponse,
)
from orchestration.domain.gathering import Purpose
from orchestration.domain.request import CardRef
from orchestration.durable.outbox import OutboxItem


class PostGathering(OutboxItem):
    """Post one message: the card, a question to a person, or a notice."""

    urgency: ClassVar[int | None] = 1

    kind: Literal["post_gathering"] = "post_gathering"
    message_id: str
    purpose: Purpose
    place: str
    source: str | None = None
    person: str | None = Field(default=None, description="Who is asked by it")
    text: str = ""
    only_if_found: bool = Field(default=False, description="Look for it, and post nothing that is not there")
    looks_left: int = Field(
        default=0, description="How often it is looked for again, where it is not there yet"
    )


class EditGathering(OutboxItem):
    """Edit a posted message to what is true when the try starts."""

    urgency: ClassVar[int | None] = 2

    kind: Literal["edit_gathering"] = "edit_gathering"
    message_id: str
    purpose: Purpose
    source: str | None = None
    person: str | None = None
    ref: CardRef

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether a waiting edit makes this unnecessary: a lane has one message's edits, each of the newest state."""
        return isinstance(waiting, EditGathering)


class AskSystem(OutboxItem):
    """POST its question to a system."""

    kind: Literal["ask_system"] = "ask_system"
    source: str


class RecordGathering(OutboxItem):
    """Sign the result and put it on record."""

    kind: Literal["record_gathering"] = "record_gathering"


AnyGatheringItem = Annotated[
    PostGathering
    | EditGathering
    | AskSystem
    | RecordGathering
    | PostReply
    | RemoveCopies
    | SendCallback
    | NotifyInstance
    | SendResponse,
    Field(discriminator="kind"),
]
