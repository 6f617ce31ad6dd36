"""The effects of a request: the input of each activity that does one, and its result."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field, JsonValue

from orchestration.domain.cards import AskState, Card, Notice, Step, Waiting
from orchestration.domain.documents import DocumentMove, ReviewedDocument
from orchestration.domain.held_call import CallFacts
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy import Policy
from orchestration.domain.posting import Posting
from orchestration.domain.request import (
    ApprovalRequest,
    CardRef,
    EventFormat,
    Identity,
    Notified,
    Outcome,
    Recorded,
)


class PostCardInput(Posting):
    """Input of `post_card`. `notify` are the people and groups to ping."""

    channel: str
    card: Card
    notify: list[str] = Field(default_factory=list)
    list_id: str = Field(default="", description="The list of waiting calls that it is a part of")
    run: str = Field(default="", description="The key of the agent's run whose list that is")


class EditCardInput(Recorded):
    """Input of `edit_card`: make the copy at `ref` say what `card` says."""

    ref: CardRef
    card: Card
    attempt: int = Field(ge=1)


class PostReplyInput(Posting):
    """Input of `post_reply`: one more message in the thread under `ref`, with a line for each step."""

    ref: CardRef
    request_id: str
    steps: list[Step] = Field(min_length=1)


class PostPreviewInput(Posting):
    """Input of `post_preview`: show the document of a review, from `place`, in the thread under `ref`."""

    ref: CardRef
    request_id: str
    place: str
    document: ReviewedDocument


class SendMessageInput(Posting):
    """Input of `send_message`: to a person directly, or to a channel, about the request of `card`.

    `message_id` tells the message from all others of this start of the request.
    """

    message_id: str
    user: str
    notice: Notice
    card: Card
    where: CardRef | None = None
    step: Step | None = None
    waiting: list[Waiting] = Field(default_factory=list, description="The most urgent that wait for them")
    more: int = Field(default=0, description="How many others wait")
    asking: AskState | None = Field(
        default=None, description="Of a message on which the person can decide; None of all others"
    )


class EditMessageInput(Recorded):
    """Input of `edit_message`: make the posted one at `ref` say what `message` says."""

    ref: CardRef
    message: SendMessageInput
    attempt: int = Field(ge=1)


class RemoveCopiesInput(Recorded):
    """Input of `remove_copies`: keep one copy of what may have been posted twice, and remove the others.

    It is the card of a `round`, the lines of `steps`, or the message of a `message_id`; one of them is given. `place`
    is the channel, or the person of a direct message. `ref` is the card that stays, or the one above the lines. If they
    are lines or messages, the first stays.
    """

    request_id: str
    identity: Identity
    place: str
    ref: CardRef | None = None
    round: int | None = None
    steps: list[int] = Field(default_factory=list)
    message_id: str | None = None
    attempt: int = Field(ge=1)


class RunActionInput(Recorded):
    """Input of `run_action`: POST the outcome, or call an installed action. `key` stays the same over all tries.

    `policy` is the policy of the request: its secret signs a POST.
    """

    policy: str
    post: str | None = None
    format: EventFormat = EventFormat.STANDARD
    activity: str | None = None
    move: DocumentMove | None = Field(default=None, description="The document of a review, to be moved")
    key: str
    event: dict[str, object]
    attempt: int = Field(ge=1)


class SignReceiptInput(Recorded):
    """Input of `sign_receipt`: the outcome, and the other facts of the request that the receipt binds.

    `policy_digest` is of the policy as it was copied when the request was made. `asked_with` names the API token.
    """

    outcome: Outcome
    policy: str
    policy_digest: str
    requester: str
    asked_with: str | None = None
    asked_at: datetime
    amount: Decimal | None = None
    currency: str | None = None
    call: CallFacts | None = None
    asked_call: CallFacts | None = Field(
        default=None, description="The call as it was asked, where it was changed since"
    )
    attempt: int = Field(ge=1)


class SendCallbackInput(Recorded):
    """Input of `send_callback`: POST the event. `id` stays the same over all tries; `asked_with` names the token."""

    url: str
    id: str
    asked_with: str | None = None
    format: EventFormat | None = Field(
        default=None, description="None for a response: its event is all the body"
    )
    event: JsonValue
    attempt: int = Field(ge=1)


class NotifyInstanceInput(Recorded):
    """Input of `notify_instance`: raise that event, with the outcome, on an orchestration that waits for it.

    `orchestration` is the orchestration that the instance has to run, and `since` is when the instance was made. If
    both are given, the event is a response: an instance that is gone is a failure, and `asked_with` names the token.
    """

    request_id: str
    target: Notified
    orchestration: str | None = None
    since: datetime | None = None
    asked_with: str | None = None
    data: JsonValue
    attempt: int = Field(ge=1)


class ReadOutcomeInput(Recorded):
    """Input of `read_outcome`: the request, and the orchestration that asked it by `notify_instance`."""

    request_id: str
    asker: Notified


class AskedOutcome(Recorded):
    """Result of `read_outcome`: what was asked, as it is on record, and how it ended."""

    request: ApprovalRequest
    outcome: Outcome


class MembersInput(Recorded):
    """Input of `members`: the user groups whose members are asked for."""

    groups: list[str]


class Membership(Recorded):
    """Result of `members`: group ID to the IDs of its members at that moment."""

    groups: dict[str, list[str]]


class ActivePeopleInput(Recorded):
    """Input of `active_people`: the people who are looked up."""

    people: list[str]


class ActivePeople(Recorded):
    """Result of `active_people`: those who are human, active members of the workspace at that moment."""

    people: list[str]


class DelegateChange(Recorded):
    """Input of `tell_delegate_change` and `text_delegate_change`: a person's new absence and delegate.

    `entry` is what they are said to have set, None where it was taken back.
    """

    person: str
    entry: PersonEntry | None = None
    change_id: str = Field(description="Random: a change that comes again is passed over")
    changed_at: datetime
    follows: int = Field(
        default=0, ge=0, description="How many changes of the person were obeyed when it was made"
    )
    attempt: int = Field(default=1, ge=1)
    maybe_done: bool = Field(default=False, description="Whether an earlier try may have told them")


class HandOverInput(Recorded):
    """Input of `hand_over`: start the fulfilment of a request, or tell it how the request's card is now.

    `card` is as the approval last had it, and `cards` are its copies. `approved` is the request and its outcome, as
    others get them. A higher `revision` is newer. `begun`: the fulfilment was started before; if it does not exist any
    more, it was purged and is not started again.
    """

    request_id: str
    salt: str
    policy: Policy
    request: ApprovalRequest
    card: Card
    cards: list[CardRef] = Field(default_factory=list)
    approved: dict[str, JsonValue]
    revision: int = Field(ge=1)
    begun: bool = False
    attempt: int = Field(ge=1)


class StepCause(StrEnum):
    """Why a fulfilment entered a state."""

    APPROVED = "approved"
    EVENT = "event"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    STOPPED = "stopped"


class RecordStepInput(Recorded):
    """Input of `record_step`: a step of a fulfilment, as it goes on record.

    The payload itself stays on the hub. The record has its salted digest, or None without a payload.
    """

    request_id: str
    nonce: str
    fulfilment: str = Field(description="The ID of its instance")
    number: int = Field(ge=1)
    cause: StepCause
    state: str
    from_state: str | None = Field(
        default=None, description="An entry of the records has a `previous` of its own"
    )
    event: str | None = None
    delivery: str | None = Field(default=None, description="The ID that the sender gave the delivery")
    actor: str | None = None
    token: str | None = Field(default=None, description="The API token that made the address, or was used")
    at: datetime
    payload_digest: str | None = None
    attempt: int = Field(ge=1)


class Delivery(Recorded):
    """Result of an effect: done (with what it made or answered), asked to wait, failed for now, or impossible."""

    card: CardRef | None = None
    answer: str = ""
    retry_after: float | None = Field(default=None, description="Seconds; this try did nothing")
    failed: str | None = Field(default=None, description="Why this try failed; the next may succeed")
    impossible: str | None = None
    unsure: bool = Field(default=False, description="Another try may have done it, or this one all the same")

    @property
    def to_do(self) -> bool:
        """Whether it is still to be done, as far as this try knows."""
        return any(one is not None for one in (self.retry_after, self.failed, self.impossible))
