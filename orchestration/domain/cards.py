"""What people are shown, as data. The chat system decides how it looks; this side decides what is true."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from orchestration.domain.request import (
    ActionState,
    CardRef,
    Choice,
    LevelState,
    Outcome,
    Recorded,
    Remark,
    Status,
)

# Why a request ended that ended without running a line of its own.
CUT_SHORT = {
    Status.TERMINATED: "It was stopped by an operator.",
    Status.FAILED: "It failed for a reason of ours; the operator can find it in the log.",
}


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
    levels: list[LevelState] = Field(default_factory=list)
    upcoming: list[str] = Field(default_factory=list, description="The names of the levels still to come")
    confirming: list[str] = Field(default_factory=list, description="Whose code is awaited")
    remarks: list[Remark] = Field(default_factory=list, description="The last few, newest last")
    actions: list[ActionState] = Field(default_factory=list)
    open: bool = Field(description="Whether this copy takes decisions")
    escalation: bool = Field(default=False, description="Whether this copy was posted for the escalation")
    ended_at: datetime | None = None
    ended_by: str | None = None
    comments: str = ""
    reason: str = ""


class StepKind(StrEnum):
    """What happened, for the thread."""

    VOTED = "voted"
    DELEGATED = "delegated"
    STANDS_IN = "stands_in"
    COMMENT = "comment"
    QUESTION = "question"
    ANSWER = "answer"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    LEVEL_PASSED = "level_passed"
    ACTION_DONE = "action_done"
    ACTION_FAILED = "action_failed"
    CARD_STALE = "card_stale"
    CODE_SENT = "code_sent"
    CODE_FAILED = "code_failed"
    ENDED = "ended"


class Step(Recorded):
    """One line of the trail under a card. `number` is unique within the request."""

    number: int
    kind: StepKind
    at: datetime
    actor: str | None = None
    to: str | None = None
    choice: Choice | None = None
    status: Status | None = None
    text: str = ""


class Notice(StrEnum):
    """Why a person gets a direct message."""

    PROGRESS = "progress"
    QUESTION = "question"
    ANSWER = "answer"
    ASKED = "asked"
    REMINDER = "reminder"
    DIGEST = "digest"
    ACTION_FAILED = "action_failed"
    CARD_STALE = "card_stale"
    CODE_FAILED = "code_failed"
    OUTCOME = "outcome"


class Waiting(Recorded):
    """One request that waits for a person."""

    request_id: str
    title: str
    deadline: datetime | None = None
    where: CardRef | None = None


class PostCardInput(Recorded):
    """Input of `post_card`. `notify` are the people and groups to ping."""

    channel: str
    card: Card
    notify: list[str] = Field(default_factory=list)
    attempt: int = Field(ge=1)
    scheduled_at: datetime


class EditCardInput(Recorded):
    """Input of `edit_card`: make the copy at `ref` say what `card` says."""

    ref: CardRef
    card: Card
    attempt: int = Field(ge=1)


class PostReplyInput(Recorded):
    """Input of `reply`: one more line in the thread under `ref`."""

    ref: CardRef
    request_id: str
    step: Step
    attempt: int = Field(ge=1)
    scheduled_at: datetime


class SendMessageInput(Recorded):
    """Input of `tell`: a direct message to `user` (or a post to a channel), about the request of `card`."""

    user: str
    notice: Notice
    card: Card
    where: CardRef | None = None
    step: Step | None = None
    waiting: list[Waiting] = Field(default_factory=list)
    attempt: int = Field(ge=1)


class RunActionInput(Recorded):
    """Input of `run_action`: POST the outcome, or call an installed action. `key` stays the same over all tries."""

    post: str | None = None
    activity: str | None = None
    key: str
    event: dict[str, object]
    attempt: int = Field(ge=1)


class SignReceiptInput(Recorded):
    """Input of `seal`: sign this."""

    outcome: Outcome
    policy: str
    requester: str
    attempt: int = Field(ge=1)


class SendCallbackInput(Recorded):
    """Input of `call_back`: POST the event. `id` stays the same over all tries; `asked_with` names the token."""

    url: str
    id: str
    asked_with: str | None = None
    event: dict[str, object]
    attempt: int = Field(ge=1)


class MembersInput(Recorded):
    """Input of `members`: the user groups whose members are asked for."""

    groups: list[str]


class Membership(Recorded):
    """Result of `members`: group ID to the IDs of its members at that moment."""

    groups: dict[str, list[str]]


class Delivery(Recorded):
    """Result of an effect: done (with what it made or answered), asked to wait, or impossible (with the reason)."""

    card: CardRef | None = None
    answer: str = ""
    retry_after: float | None = Field(default=None, description="Seconds")
    impossible: str | None = None
