"""What people can do to a running request: the events' names and payloads, and the verdicts that answer them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from orchestration.domain.grants import GrantTerms
from orchestration.domain.ids import PersonId
from orchestration.domain.names import EventName
from orchestration.domain.request import (
    ActionState,
    CardRef,
    Choice,
    Digest,
    Identity,
    LevelState,
    Nonce,
    Outcome,
    Recorded,
    RemarkKind,
    RequestEdit,
    Status,
    TokenName,
    Via,
    to_json,
)
from orchestration.domain.text import Prose

EVENT_DECISION: Final = EventName.DECISION
EVENT_CANCELLED: Final = EventName.CANCELLED
EVENT_DELEGATED: Final = EventName.DELEGATED
EVENT_COMMENT: Final = EventName.COMMENT
EVENT_RETRY: Final = EventName.RETRY

EDITED_AT_ONCE: Final = 20  # values

CommandId = Annotated[str, Field(min_length=1, max_length=100)]


class SealedCommand(Recorded):
    """What every command carries: an ID that identifies repeats, and its seal.

    `nonce` and `digest` say what the person was shown. If given, they have to match the request.
    """

    command_id: CommandId
    answered: int = Field(
        default=0,
        ge=0,
        description="How many commands the request had answered when the service took this one",
    )
    nonce: Nonce | None = None
    digest: Digest | None = None
    seal: str = Field(
        default="",
        alias="$seal",
        exclude=True,
        description="Of the event that brought it: `orchestration.sealing` checked it, and the vote keeps it",
    )

    def fingerprint(self) -> str:
        """Digest of the command without its ID and what the service fills in. A repeat has the same one."""
        said = self.model_dump(mode="json", exclude={"command_id", "answered", *self._filled_in()})
        whole = to_json({"kind": type(self).__name__, **said})
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    def _filled_in(self) -> set[str]:
        return set()


class Stamped(SealedCommand):
    """What the service adds to every command to an approval: who sent it, and by which way."""

    actor: PersonId
    via: Via
    token: TokenName | None = None


EditPath = Annotated[str, Field(pattern=r"^(amount|(fields|arguments)\.[^\x00-\x1f\x7f]{1,200})$")]
EditValue = Annotated[str, Field(max_length=10_000)] | bool | int | float


class Decision(Stamped):
    """Payload of `ApprovalDecision`. With `edits` the approval is of what was shown with these values in it."""

    nonce: Nonce
    digest: Digest
    round: int = Field(ge=1)
    round_named: bool = Field(
        default=True,
        description="False: the other open round of this level will do, where they have a seat there",
    )
    choice: Choice
    comment: Prose = Field(default="", max_length=2000)
    edits: dict[EditPath, EditValue] = Field(
        default_factory=dict,
        max_length=EDITED_AT_ONCE,
        description="New values by path; only with an approval",
    )
    grant: GrantTerms | None = Field(
        default=None, description="Calls like this one are approved in advance, on these terms"
    )

    @model_validator(mode="after")
    def _edits_approve(self) -> Self:
        if self.edits and self.choice is not Choice.APPROVE:
            raise ValueError("edits go with an approval alone")
        if self.edits and self.grant is not None:
            raise ValueError("edits go with no grant, whose terms are those of the call as it was asked")
        return self

    def _filled_in(self) -> set[str]:
        # Left out where there are none, so that a decision has the same fingerprint as before there were edits.
        unsaid = set() if self.edits else {"edits"}
        return unsaid if self.round_named else {*unsaid, "round"}


class Cancellation(Stamped):
    """Payload of `ApprovalCancelled`: the requester withdraws the request."""

    reason: Prose = Field(default="", max_length=2000)


class Delegation(Stamped):
    """Payload of `ApprovalDelegated`: `actor` hands their vote at this level to `to`."""

    nonce: Nonce
    digest: Digest
    round: int = Field(ge=1)
    to: PersonId


class Comment(Stamped):
    """Payload of `ApprovalComment`. A question pings the requester, an answer the one who asked."""

    kind: RemarkKind
    text: Prose = Field(min_length=1, max_length=2000)


class Retry(Stamped):
    """Payload of `ApprovalActionRetry`: run the outcome's failed actions again."""


def command_id_of(payload: object) -> str | None:
    """The command ID of a payload that fits no model, to answer it by; None if it has no valid ID."""
    try:
        return TypeAdapter(CommandId).validate_python(
            payload["command_id"] if isinstance(payload, dict) else None
        )
    except (KeyError, ValidationError):
        return None


Command = Decision | Cancellation | Delegation | Comment | Retry

EVENTS: Final[dict[type[Command], EventName]] = {
    Decision: EVENT_DECISION,
    Cancellation: EVENT_CANCELLED,
    Delegation: EVENT_DELEGATED,
    Comment: EVENT_COMMENT,
    Retry: EVENT_RETRY,
}
COMMANDS: Final[dict[str, type[Command]]] = {name: model for model, name in EVENTS.items()}


class Reason(StrEnum):
    """Why a command was accepted or refused. `orchestration.service.messages` has the sentence for each."""

    RECORDED = "recorded"
    CODE_SENT = "code_sent"
    CODE_ON_ITS_WAY = "code_on_its_way"
    NOT_ENROLLED = "not_enrolled"
    UNCHANGED = "unchanged"
    NOT_AN_APPROVER = "not_an_approver"
    SELF_APPROVAL = "self_approval"
    COUNTED_BEFORE = "counted_before"
    HANDED_OVER = "handed_over"
    REVOKED = "revoked"
    DELEGATE_UNFIT = "delegate_unfit"
    DELEGATE_NOT_ENROLLED = "delegate_not_enrolled"
    DELEGATE_NOT_ALLOWED = "delegate_not_allowed"
    TOO_FEW_LEFT = "too_few_left"
    NEEDED_LATER = "needed_later"
    ONE_HOP = "one_hop"
    NOT_THE_REQUESTER = "not_the_requester"
    NOT_INVOLVED = "not_involved"
    NOT_ASKED = "not_asked"
    ANSWERED_BY_HOLDER = "answered_by_holder"
    NOT_THE_OWNER = "not_the_owner"
    NOTHING_TO_RETRY = "nothing_to_retry"
    RETRY_OVER = "retry_over"
    ROUND_OVER = "round_over"
    OUTDATED = "outdated"
    ID_REUSED = "id_reused"
    SUPERSEDED = "superseded"
    TOO_OFTEN = "too_often"
    REASON_REQUIRED = "reason_required"
    RESTARTED = "restarted"
    EDIT_NOT_ALLOWED = "edit_not_allowed"
    EDITED_TOO_OFTEN = "edited_too_often"
    REJECTION_STANDS = "rejection_stands"
    ALREADY_ENDED = "already_ended"
    NOT_GRANTABLE = "not_grantable"
    GRANT_TERMS = "grant_terms"
    GRANT_OWN_SEAT = "grant_own_seat"
    MALFORMED = "malformed"
    DIRECTORY_UNAVAILABLE = "directory_unavailable"
    UNKNOWN_REQUEST = "unknown_request"
    NO_ANSWER_YET = "no_answer_yet"


ACCEPTED: Final = frozenset({Reason.RECORDED, Reason.UNCHANGED, Reason.RESTARTED})

# The act does not count yet. It counts once its code is confirmed.
BEGUN: Final = frozenset({Reason.CODE_SENT, Reason.CODE_ON_ITS_WAY})


class Verdict(Recorded):
    """The durable answer to one command."""

    command_id: str
    reason: Reason
    ended_as: Status | None = None
    fingerprint: str = Field(
        default="", description="Of the whole command; empty for one that could not be read"
    )

    def is_on(self, command_id: str, fingerprint: str) -> bool:
        """Whether this verdict is on this command: another command may have come with the same ID."""
        return (self.command_id, self.fingerprint) == (command_id, fingerprint)

    @property
    def accepted(self) -> bool:
        """Whether the command took effect (now, or the same one before)."""
        return self.reason in ACCEPTED

    @property
    def begun(self) -> bool:
        """Whether the command waits for a code to be confirmed."""
        return self.reason in BEGUN


class AskMessage(Recorded):
    """A direct message on which a person can decide, once it is posted. `ref.round` is the round that it asks."""

    ref: CardRef
    message_id: str
    user: str
    reminds: bool = Field(default=False, description="Whether it is a reminder, and not the first that asks")
    seat: str = Field(default="", description="Whose seat its person was to vote from; empty in older ones")
    lost_seat: bool = Field(default=False, description="Whether its person was found without a seat since")
    shown: str = Field(
        default="", description="What it was last drawn from, to know when it has to be edited"
    )


class Progress(Recorded):
    """The custom status of a running or ended `approval`: what the service, the API and the sweep read."""

    request_id: str
    status: Status
    policy: str
    title: str
    amount: Decimal | None = Field(default=None, description="With every edit; None also in older ones")
    currency: str | None = None
    requester: str
    asked_at: datetime
    asked_without_seal: bool = False
    nonce: str = ""
    digest: str = Field(default="", description="Of what is asked now: with every edit")
    asked_digest: str = Field(default="", description="Of what was asked first")
    edits: list[RequestEdit] = Field(default_factory=list, description="What approvers changed, oldest first")
    editable: list[str] = Field(default_factory=list, description="What an approver may change now")
    answered: int = Field(default=0, description="How many commands it has answered so far")
    round: int
    steps: int = 0
    deadline: datetime | None = None
    levels: list[LevelState] = Field(default_factory=list)
    cards: list[CardRef] = Field(default_factory=list)
    messages: list[AskMessage] = Field(
        default_factory=list, description="The direct messages on which people can decide"
    )
    actions: list[ActionState] = Field(default_factory=list)
    confirming: dict[str, str] = Field(
        default_factory=dict, description="Person to the challenge they have to answer"
    )
    outcome: Outcome | None = Field(
        default=None, description="Set from the moment it ends, before the cards are edited"
    )
    callback_failed: bool = Field(default=False, description="Whether the callback was given up")
    response_failed: bool = Field(
        default=False, description="Whether the response was, and can be tried again"
    )
    receipt_pending: bool = Field(default=False, description="True between the outcome and its receipt")
    fulfilment: str | None = Field(
        default=None, description="The instance that carries on with it, once it is approved"
    )
    handed_over: int = Field(default=0, description="How often the cards were handed over to that")
    fulfilment_begun: bool = Field(default=False, description="Whether that was started")
    verdicts: list[Verdict] = Field(default_factory=list, description="The last 100, newest last")

    @property
    def identity(self) -> Identity:
        """The request and start that a decision has to name."""
        return Identity(nonce=self.nonce, digest=self.digest)
