"""The data types of a list of waiting calls: its input, its state, and what others may see of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestration.approval.outbox_items import PostReply, RemoveCopies
from orchestration.domain.call_lists import ListedCall
from orchestration.domain.cards import Card, Step
from orchestration.domain.names import EventName
from orchestration.domain.request import CardRef, Recorded
from orchestration.durable.outbox import Lane, OutboxItem

EVENT_LISTED: Final = EventName.CALL_LISTED


class PostCallList(OutboxItem):
    """Post the card."""

    urgency: ClassVar[int | None] = 1

    kind: Literal["post_call_list"] = "post_call_list"


class EditCallList(OutboxItem):
    """Edit the card to what is true when the try starts."""

    urgency: ClassVar[int | None] = 2

    kind: Literal["edit_call_list"] = "edit_call_list"

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether a waiting edit makes this unnecessary: there is one card, and each edit shows the newest state."""
        return isinstance(waiting, EditCallList)


AnyListItem = Annotated[PostCallList | EditCallList | PostReply | RemoveCopies, Field(discriminator="kind")]


class CallListState(BaseModel):
    """Everything that changes while calls wait. Mutable: one orchestration owns it."""

    model_config = ConfigDict(extra="ignore")

    calls: list[ListedCall] = Field(default_factory=list, description="In the order in which they came")
    card: CardRef | None = None
    problem: str = Field(default="", description="Why there will never be a card")
    heard: dict[str, str] = Field(
        default_factory=dict, description="Of each call, the mark of what it said last"
    )
    steps: int = 0
    held_replies: list[Step] = Field(default_factory=list, description="Lines that wait for the card")
    lanes: dict[str, Lane[AnyListItem]] = Field(default_factory=dict)

    def is_over(self) -> bool:
        """Whether no call on it still waits."""
        return all(call.card.status.ended for call in self.calls)

    def cards(self) -> list[Card]:
        """The content of each call's own card."""
        return [call.card for call in self.calls]


class CallListInput(Recorded):
    """The input of `call_list`: its channel, its agent run, and the first call."""

    channel: str
    run: str
    first: ListedCall
    state: CallListState | None = Field(
        default=None, description="Where an earlier generation stopped; none at start"
    )


class CallListProgress(Recorded):
    """The custom status and the output of `call_list`."""

    card: CardRef | None = None
    problem: str = ""
    calls: int = 0
    heard: dict[str, str] = Field(default_factory=dict)
