"""The effects of a request as data: what is still to do outside. A later generation gets them with the state."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from orchestration.domain.cards import Notice, Step, Waiting
from orchestration.domain.request import CardRef
from orchestration.durable.outbox import OutboxItem


class PostCard(OutboxItem):
    """Post the card of a round."""

    kind: Literal["post_card"] = "post_card"
    round: int
    channel: str
    notify: list[str]


class EditCard(OutboxItem):
    """Make a posted copy say what is true when the try starts."""

    kind: Literal["edit_card"] = "edit_card"
    ref: CardRef

    def covered_by(self, waiting: OutboxItem) -> bool:
        """A lane holds the edits of one copy, and each edit says what is true when it starts."""
        return isinstance(waiting, EditCard)


class PostReply(OutboxItem):
    """Add a line to the thread."""

    kind: Literal["post_reply"] = "post_reply"
    step: Step


class SendMessage(OutboxItem):
    """Send a message to one person, or to a channel."""

    kind: Literal["send_message"] = "send_message"
    user: str
    notice: Notice
    step: Step | None = None
    waiting: list[Waiting] = Field(default_factory=list)
    more: int = 0


class RunAction(OutboxItem):
    """Run the outcome's action of that index."""

    kind: Literal["run_action"] = "run_action"
    index: int


class SignReceipt(OutboxItem):
    """Have the outcome signed."""

    kind: Literal["sign_receipt"] = "sign_receipt"


class SendCallback(OutboxItem):
    """POST the outcome to the request's callback URL."""

    # Somebody else's server may be away for days: asking it every five minutes would help nobody.
    longest_backoff: ClassVar[timedelta] = timedelta(hours=1)

    kind: Literal["send_callback"] = "send_callback"
    again: bool = Field(default=False, description="Whether it had been given up, and was told so")


class NotifyInstance(OutboxItem):
    """Raise the outcome as an event on the orchestration that the request names."""

    kind: Literal["notify_instance"] = "notify_instance"


AnyOutboxItem = Annotated[
    PostCard | EditCard | PostReply | SendMessage | RunAction | SignReceipt | SendCallback | NotifyInstance,
    Field(discriminator="kind"),
]
