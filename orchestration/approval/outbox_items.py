"""The effects of a request as data: what is still to do outside. Carried in the state to the next generation.

What people act on goes first: cards, then edits, then messages, then the lines of the thread.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from orchestration.domain.cards import Notice, Step, Waiting
from orchestration.domain.commands import AskMessage
from orchestration.domain.request import CardRef
from orchestration.durable.outbox import OutboxItem

LINES_TOGETHER: Final = 5  # in one message of the thread


class PostCard(OutboxItem):
    """Post the card of a round."""

    urgency: ClassVar[int | None] = 1

    kind: Literal["post_card"] = "post_card"
    round: int
    channel: str
    notify: list[str]
    list_id: str = ""


class EditCard(OutboxItem):
    """Edit a posted copy to what is true when the try starts."""

    urgency: ClassVar[int | None] = 2

    kind: Literal["edit_card"] = "edit_card"
    ref: CardRef

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether a waiting edit makes this unnecessary: a lane has one copy's edits, each of the newest state."""
        return isinstance(waiting, EditCard)


class PostReply(OutboxItem):
    """Add lines to the thread.

    Waiting lines are joined into one message, because a channel takes about one message a second.
    """

    urgency: ClassVar[int | None] = 4

    kind: Literal["post_reply"] = "post_reply"
    steps: list[Step]

    def joined(self, later: OutboxItem) -> PostReply | None:
        """Both items as one; not if that is too long, or if one of them has to be looked for first."""
        if not isinstance(later, PostReply) or self.maybe_done != later.maybe_done:
            return None
        steps = [*self.steps, *later.steps]
        if len(steps) > LINES_TOGETHER:
            return None
        return self.model_copy(update={"steps": steps, "give_up": max(self.give_up, later.give_up)})


class SendMessage(OutboxItem):
    """Send a message to one person, or to a channel."""

    urgency: ClassVar[int | None] = 3

    kind: Literal["send_message"] = "send_message"
    message_id: str = Field(description="Unique among the messages of the request")
    user: str
    notice: Notice
    step: Step | None = None
    waiting: list[Waiting] = Field(default_factory=list)
    more: int = 0
    round: int | None = Field(default=None, description="The round that it asks its person to decide")
    seat: str = Field(default="", description="Whose seat that person is to vote from, where it asks")

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether this is a reminder of a round about which a message to the person still waits."""
        asks = isinstance(waiting, SendMessage) and waiting.round is not None and waiting.round == self.round
        return asks and self.notice is Notice.REMINDER


class EditMessage(OutboxItem):
    """Edit a direct message on which a person can decide to what is true when the try starts."""

    urgency: ClassVar[int | None] = 3

    kind: Literal["edit_message"] = "edit_message"
    message: AskMessage

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether a waiting edit makes this unnecessary. A lane has the edits of one message only."""
        return isinstance(waiting, EditMessage)


class PostPreview(OutboxItem):
    """Show the document of a review under the first card."""

    urgency: ClassVar[int | None] = 4

    kind: Literal["post_preview"] = "post_preview"


class RemoveCopies(OutboxItem):
    """Delete all copies but one of a post that may have been made twice. See the activity's input for the fields."""

    kind: Literal["remove_copies"] = "remove_copies"
    place: str
    ref: CardRef | None = None
    round: int | None = None
    steps: list[int] = Field(default_factory=list)
    message_id: str | None = None


class RunAction(OutboxItem):
    """Run the outcome's action of that index."""

    kind: Literal["run_action"] = "run_action"
    index: int


class SignReceipt(OutboxItem):
    """Have the outcome signed."""

    kind: Literal["sign_receipt"] = "sign_receipt"


class SendCallback(OutboxItem):
    """POST the outcome to the request's callback URL."""

    # Another party's server may be down for days, so it is not asked every five minutes.
    longest_backoff: ClassVar[timedelta] = timedelta(hours=1)

    kind: Literal["send_callback"] = "send_callback"
    again: bool = Field(default=False, description="Whether it had been given up, and was told so")


class NotifyInstance(OutboxItem):
    """Raise the outcome as an event on the orchestration that the request names."""

    kind: Literal["notify_instance"] = "notify_instance"


class SendResponse(OutboxItem):
    """Send the outcome, in the form that the request defines, to another program's instance or URL."""

    longest_backoff: ClassVar[timedelta] = timedelta(hours=1)

    kind: Literal["send_response"] = "send_response"
    again: bool = Field(default=False, description="Whether it had been given up, and was told so")


class HandOver(OutboxItem):
    """Start the fulfilment, or tell it the present cards. Runs after any edit that is under way."""

    urgency: ClassVar[int | None] = 3

    kind: Literal["hand_over"] = "hand_over"

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether a waiting one makes this unnecessary: each sends what is true when it starts."""
        return isinstance(waiting, HandOver)


class AddToDigest(OutboxItem):
    """Have the channel's digest count the request, which has no card of its own."""

    kind: Literal["add_to_digest"] = "add_to_digest"


class StartGrant(OutboxItem):
    """Start the standing grant that was given with the approval."""

    kind: Literal["start_grant"] = "start_grant"


class TellUse(OutboxItem):
    """Tell the grant that it approved the request, so that its card shows the use."""

    kind: Literal["tell_use"] = "tell_use"


AnyOutboxItem = Annotated[
    PostCard
    | EditCard
    | PostReply
    | PostPreview
    | SendMessage
    | EditMessage
    | RemoveCopies
    | RunAction
    | SignReceipt
    | SendCallback
    | NotifyInstance
    | SendResponse
    | HandOver
    | AddToDigest
    | StartGrant
    | TellUse,
    Field(discriminator="kind"),
]
