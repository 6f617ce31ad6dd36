"""The data of the `approval` orchestration: its input, and the state that the next generation continues from."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from orchestration.approval.outbox_items import AnyOutboxItem, SendMessage
from orchestration.domain.cards import Step
from orchestration.domain.commands import AskMessage, Reason, Verdict
from orchestration.domain.grants import GrantPattern, GrantUse
from orchestration.domain.ids import PersonId
from orchestration.domain.people import KnownPerson
from orchestration.domain.policy import Policy
from orchestration.domain.request import (
    ActionState,
    ApprovalRequest,
    CardRef,
    EscalationCause,
    LevelState,
    Recorded,
    Remark,
    RequestEdit,
    Status,
    Vote,
)
from orchestration.durable.outbox import Lane


class Handled(Recorded):
    """A command that was answered, kept for longer than its verdict. In the list, the oldest is first."""

    id: str = Field(description="The beginning of the SHA-256 of the command ID")
    fingerprint: str
    actor: str
    reason: Reason
    answered: int = Field(default=0, description="What the service stamped on it")
    decides: bool = Field(default=False, description="Whether it is a decision or a delegation")


class LostCard(Recorded):
    """A card of an open round that cannot be posted, and why."""

    round: int
    channel: str
    problem: str


class State(BaseModel):
    """Everything that changes while a request is decided. Mutable: one orchestration owns it."""

    model_config = ConfigDict(extra="ignore")

    asked_at: datetime
    status: Status = Status.PENDING
    level_index: int = 0
    level_open: bool = False
    escalated: bool = False
    escalated_at: datetime | None = None
    escalated_because: EscalationCause | None = None
    round: int = 0
    open_rounds: list[int] = Field(default_factory=list)
    deadline: datetime | None = None
    remind_at: datetime | None = None
    shortened: bool = Field(
        default=False, description="Whether the requester asked for less time than the level has"
    )
    gone: list[str] = Field(
        default_factory=list, description="Who is asked, and is no active member of the workspace any more"
    )
    undecidable: bool = Field(default=False, description="Whether no open round can be approved any more")
    asked: list[str] | None = Field(
        default=None, description="Who was asked when the level opened; None while nobody could tell"
    )
    delegates: dict[str, str] = Field(default_factory=dict)
    delegated: list[str] = Field(default_factory=list)
    confirmed: list[str] = Field(
        default_factory=list, description="Whose delegate counts also in a round that needs a code"
    )
    votes: list[Vote] = Field(default_factory=list)
    edits: list[RequestEdit] = Field(default_factory=list, description="What approvers changed, oldest first")
    confirming: dict[str, str] = Field(
        default_factory=dict, description="Person to the challenge they have to answer"
    )
    challenges: int = 0
    counted: list[str] = Field(default_factory=list)
    past_levels: list[LevelState] = Field(default_factory=list)
    cards: list[CardRef] = Field(default_factory=list)
    messages: list[AskMessage] = Field(
        default_factory=list, description="The direct messages on which people can decide, oldest first"
    )
    remarks: list[Remark] = Field(default_factory=list)
    verdicts: list[Verdict] = Field(default_factory=list)
    answered: int = Field(default=0, description="How many commands were answered so far")
    handled: list[Handled] = Field(default_factory=list)
    steps: int = 0
    decided_by: Vote | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    comments: str = ""
    reason: str = ""
    grant: GrantUse | None = Field(default=None, description="The grant that approved it")
    list_id: str = Field(
        default="", description="The list of waiting calls that the first card is a part of, where it is one"
    )
    left_list: bool = False
    actions: list[ActionState] = Field(default_factory=list)
    callback_failed: bool = False
    response_failed: bool = False
    receipt_pending: bool = False
    receipt: str | None = None
    retry_until: datetime | None = None
    lanes: dict[str, Lane[AnyOutboxItem]] = Field(default_factory=dict)
    lost_cards: list[LostCard] = Field(
        default_factory=list, description="Those whose people are still to be asked without one"
    )
    handed_over: int = Field(
        default=0,
        description="How often the cards were handed over to the fulfilment, which draws them since",
    )
    fulfilment_begun: bool = False
    held_replies: list[Step] = Field(default_factory=list)
    held_messages: list[SendMessage] = Field(default_factory=list)


class Taken(Recorded):
    """Result of `take_policy`: the input to continue with, or why there is none."""

    given: ApprovalInput | None = None
    problem: str = ""


class ApprovalInput(Recorded):
    """The input of the `approval` orchestration. The service sets the requester; no message body does."""

    request: ApprovalRequest
    nonce: str = Field(default="", description="Random, made at the start, by us: see `take_policy`")
    salt: str = Field(
        default="", description="Random, made with the nonce: the salt of each text comes from it"
    )
    policy: Policy | None = Field(default=None, description="Taken first, where another orchestration asks")
    policy_digest: str = Field(
        default="",
        description="Of the policy as it is written, with the levels that this amount is not asked at",
    )
    asked_without_seal: bool = Field(
        default=False, description="Another program on the task hub asked, and named the requester"
    )
    people: dict[PersonId, KnownPerson] = Field(
        default_factory=dict, description="Those whom the policy names"
    )
    run: str = Field(
        default="", description="The key of the agent's run, whose waiting calls are shown together"
    )
    pattern: GrantPattern | None = Field(
        default=None, description="Which calls the grants are about that may approve it, or be given on it"
    )
    state: State | None = Field(
        default=None, description="Where an earlier generation stopped; none at start"
    )
