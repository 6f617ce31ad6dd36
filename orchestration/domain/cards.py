"""What people are shown, as data. The chat system decides only how it looks."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from orchestration.domain.fields import FieldType
from orchestration.domain.fulfilment import FulfilmentEnd
from orchestration.domain.request import (
    ActionState,
    CardRef,
    Choice,
    Factor,
    Identity,
    LevelState,
    Recorded,
    Remark,
    RemarkKind,
    RequestEdit,
    Status,
    Vote,
)


class Shown(Recorded):
    """A filled-in field of the request, with its label."""

    label: str
    value: str
    # Data of an older release is not changed.
    type: FieldType = Field(default=FieldType.TEXT, exclude_if=lambda kind: kind is FieldType.TEXT)


class FulfilmentLine(Recorded):
    """The state of a request's fulfilment after its approval. `path` ends with the present state."""

    path: list[str]
    awaits: list[str] = Field(default_factory=list, description="The events that move it on")
    until: datetime | None = Field(default=None, description="When its owner is reminded")
    overdue: bool = False
    end: FulfilmentEnd | None = None
    stopped: Status | None = Field(default=None, description="How it was cut short, where it was")


class Card(Recorded):
    """Everything one posted copy shows. Rendering it twice gives the same card."""

    request_id: str
    nonce: str
    digest: str
    asked_digest: str = Field(default="", description="Of what was asked, where that was changed since")
    edits: list[RequestEdit] = Field(default_factory=list)
    editable: bool = Field(default=False, description="Whether an approver may change anything")
    round: int
    status: Status
    policy_title: str
    title: str
    description: str = ""
    amount: Decimal | None = None
    currency: str | None = None
    fields: list[Shown] = Field(default_factory=list)
    verbatim: bool = Field(
        default=False, description="Whether the description is code, to be shown character by character"
    )
    requester: str
    asked_without_seal: bool = Field(
        default=False,
        description="Another program on the task hub named the requester, and nobody checked that",
    )
    asked_at: datetime
    levels: list[LevelState] = Field(default_factory=list)
    upcoming: list[str] = Field(default_factory=list, description="The names of the levels still to come")
    confirming: list[str] = Field(default_factory=list, description="Whose code is awaited")
    remarks: list[Remark] = Field(default_factory=list, description="The last few, newest last")
    actions: list[ActionState] = Field(default_factory=list)
    fulfilment: FulfilmentLine | None = None
    open: bool = Field(description="Whether this copy takes decisions")
    grantable: bool = Field(
        default=False, description="Whether calls like this one may be approved in advance on this copy"
    )
    confirm: bool = Field(default=False, description="Whether Approve asks again, in a dialog, on this copy")
    escalation: bool = Field(default=False, description="Whether this copy was posted for the escalation")
    ended_at: datetime | None = None
    ended_by: str | None = None
    comments: str = ""
    reason: str = ""

    @property
    def identity(self) -> Identity:
        """The request and start that a decision made on this copy is for."""
        return Identity(nonce=self.nonce, digest=self.digest)

    @property
    def newest_vote(self) -> Vote | None:
        """The last vote that was given on any level."""
        votes = [vote for level in self.levels for vote in level.decisions]
        return max(votes, key=lambda vote: vote.at, default=None)

    @property
    def answered_at(self) -> datetime | None:
        """The time of the last answer if no question follows it, else the end of a request with remarks, else None."""
        talk = [remark for remark in self.remarks if remark.kind is not RemarkKind.COMMENT]
        if talk and talk[-1].kind is RemarkKind.ANSWER:
            return talk[-1].at
        return self.ended_at if self.remarks else None


class StepKind(StrEnum):
    """What happened, for the thread."""

    VOTED = "voted"
    EDITED = "edited"  # what is asked, by an approver
    DELEGATED = "delegated"
    AWAY = "away"
    COMMENT = "comment"
    QUESTION = "question"
    ANSWER = "answer"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    LEVEL_PASSED = "level_passed"
    ACTION_DONE = "action_done"
    ACTION_FAILED = "action_failed"
    CARD_STALE = "card_stale"
    CARD_NOT_POSTED = "card_not_posted"
    CARD_LATE = "card_late"
    PREVIEW_FAILED = "preview_failed"  # of the document that is reviewed
    UNSIGNED = "unsigned"  # the outcome got no receipt, and never will
    APPROVERS_GONE = "approvers_gone"  # from the workspace
    CODE_SENT = "code_sent"
    CODE_FAILED = "code_failed"
    CODE_UNDELIVERED = "code_undelivered"  # so it is reported; it still counts if it comes
    REFUSED = "refused"  # although the code was right
    STATE_ENTERED = "state_entered"  # of a fulfilment, as all of these
    STATE_OVERDUE = "state_overdue"
    STATE_ESCALATED = "state_escalated"
    EVENT_REFUSED = "event_refused"
    STEP_UNRECORDED = "step_unrecorded"
    FULFILMENT_STOPPED = "fulfilment_stopped"
    ENDED = "ended"
    ASKED_INSTEAD = "asked_instead"  # these five are of gatherings
    SOURCE_ANSWERED = "source_answered"
    SOURCE_CORRECTED = "source_corrected"
    SOURCE_NOT_ASKED = "source_not_asked"
    GATHERED = "gathered"
    GRANT_USED = "grant_used"  # these two are of standing grants
    GRANT_ENDED = "grant_ended"
    CALL_JOINED = "call_joined"  # a list of waiting calls


class Step(Recorded):
    """One line of the thread under a card. `number` is unique within the request."""

    number: int
    kind: StepKind
    at: datetime
    actor: str | None = None
    to: str | None = None
    people: list[str] = Field(default_factory=list)
    place: str | None = None
    round: int | None = Field(default=None, description="The round whose card it is about")
    choice: Choice | None = None
    status: Status | None = None
    factor: Factor | None = Field(
        default=None, description="What confirmed it beside the session it came from"
    )
    text: str = ""
    edit: RequestEdit | None = None
    state: str | None = Field(default=None, description="Of a fulfilment")
    event: str | None = Field(default=None, description="By which it came there")


class Notice(StrEnum):
    """Why a person gets a direct message."""

    PROGRESS = "progress"
    QUESTION = "question"
    ANSWER = "answer"
    ASKED = "asked"
    REMINDER = "reminder"
    DIGEST = "digest"
    ACTION_FAILED = "action_failed"
    NOTIFICATION_REFUSED = "notification_refused"
    CARD_STALE = "card_stale"
    CARD_NOT_POSTED = "card_not_posted"
    CARD_LATE = "card_late"
    UNSIGNED = "unsigned"  # the outcome got no receipt, and never will
    APPROVERS_GONE = "approvers_gone"
    CODE_FAILED = "code_failed"
    CODE_UNDELIVERED = "code_undelivered"
    REFUSED = "refused"  # although the code was right
    VOTE_WITHDRAWN = "vote_withdrawn"
    EDITED = "edited"
    VOTE_VOIDED = "vote_voided"  # as what is asked was changed since
    OUTCOME = "outcome"
    FULFILMENT = "fulfilment"  # its step says what happened


class AskState(StrEnum):
    """The state of the decision that a direct message asks for."""

    OPEN = "open"
    VOTED = "voted"
    REPEATED = "repeated"  # by a later message
    OVER = "over"  # it does not wait for this person any more
    NO_SEAT = "no_seat"  # they have lost their seat, so the message shows nothing more of the request


class Waiting(Recorded):
    """One request that waits for a person."""

    request_id: str
    title: str
    deadline: datetime | None = None
    where: CardRef | None = None
