"""The models of a fulfilment: its input and state, the events that move it, and its published progress."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from orchestration.approval.outbox_items import EditCard, PostReply, RemoveCopies, SendMessage
from orchestration.domain.cards import Step
from orchestration.domain.commands import CommandId
from orchestration.domain.effects import HandOverInput, StepCause
from orchestration.domain.fulfilment import FulfilmentEnd
from orchestration.domain.ids import PersonId
from orchestration.domain.names import EventName
from orchestration.domain.request import ActionState, CardRef, Recorded, Status, TokenName, Via
from orchestration.domain.text import Prose
from orchestration.durable.outbox import Lane, OutboxItem

EVENT_RECEIVED: Final = EventName.FULFILMENT_EVENT
EVENT_CANCELLED: Final = EventName.FULFILMENT_CANCELLED
EVENT_RETRY: Final = EventName.FULFILMENT_RETRY
EVENT_HANDED_OVER: Final = EventName.FULFILMENT_HANDED_OVER

LONGEST_PAYLOAD: Final = 8_000  # characters of canonical JSON
STEPS_KEPT: Final = 50
PAYLOADS_KEPT: Final = 10  # payloads of the newest steps; the digest of every payload is on record


class HookDelivery(Recorded):
    """Payload of `FulfilmentEvent`: what a hook received. `attempt_id` identifies this one call."""

    attempt_id: CommandId
    name: str = Field(max_length=100)
    delivery_id: str = Field(
        min_length=1, max_length=200, description="As its sender gave it, or of the body"
    )
    payload: JsonValue = None
    token: TokenName | None = Field(default=None, description="The API token that the address was made with")


class FulfilmentCancellation(Recorded):
    """Payload of `FulfilmentCancelled`: the owner cancels the fulfilment."""

    attempt_id: CommandId
    actor: PersonId
    via: Via
    token: TokenName | None = None
    reason: Prose = Field(default="", max_length=2000)


class FulfilmentRetry(Recorded):
    """Payload of `FulfilmentRetry`: the owner has the failed actions tried again."""

    attempt_id: CommandId
    actor: PersonId
    via: Via
    token: TokenName | None = None


class FulfilmentReason(StrEnum):
    """What an event or a cancellation has done."""

    MOVED = "moved"
    WAITS = "waits"
    DUPLICATE = "duplicate"
    CONDITION_FAILED = "condition_failed"
    UNKNOWN_EVENT = "unknown_event"
    TOO_LATE = "too_late"
    TOO_MANY = "too_many"
    ENDED = "ended"
    NOT_THE_OWNER = "not_the_owner"
    NOT_HERE = "not_here"
    NOT_IN_CHARGE = "not_in_charge"
    RETRIED = "retried"
    NOTHING_TO_RETRY = "nothing_to_retry"
    NO_ANSWER_YET = "no_answer_yet"


class FulfilmentVerdict(Recorded):
    """The durable answer to one call. `state` is the state of the fulfilment after the call."""

    attempt_id: str
    reason: FulfilmentReason
    state: str
    needs: str = Field(default="", description="What the event would have to say")


class FulfilmentStep(Recorded):
    """One state that the fulfilment entered, and the cause."""

    number: int
    cause: StepCause
    state: str
    previous: str | None = None
    event: str | None = None
    delivery_id: str | None = None
    actor: str | None = None
    token: str | None = None
    at: datetime
    payload: JsonValue = None
    payload_salt: str = Field(default="", description="With it the digest on record can be checked")
    payload_digest: str | None = None
    on_record: bool = False
    line: int = Field(default=0, description="The number of its line in the thread, and of its message")


class EntryAction(Recorded):
    """The state of one action of `on_enter`."""

    step: int
    index: int
    state: ActionState


class FulfilmentProgress(Recorded):
    """The progress of a fulfilment: the custom status of its instance, and its output."""

    id: str
    request_id: str
    nonce: str
    policy: str
    owner: str | None = None
    state: str
    entered_at: datetime
    deadline: datetime | None = Field(default=None, description="When its owner is reminded, or was")
    overdue: bool = False
    escalated: bool = False
    end: FulfilmentEnd | None = None
    stopped: Status | None = Field(default=None, description="How it was cut short, where it was")
    awaits: list[str] = Field(default_factory=list, description="The events that move it on now")
    kept: list[str] = Field(
        default_factory=list, description="The events that came early and wait for their state"
    )
    steps: list[FulfilmentStep] = Field(default_factory=list, description="The last 50, oldest first")
    actions: list[EntryAction] = Field(default_factory=list)
    verdicts: list[FulfilmentVerdict] = Field(default_factory=list)
    cards: list[CardRef] = Field(default_factory=list)
    numbers: int = 0

    @property
    def over(self) -> bool:
        """Whether the fulfilment has ended or was stopped, so that nothing moves it any more."""
        return self.end is not None or self.stopped is not None


# ---- the outbox ------------------------------------------------------------------------------------------


class RecordStep(OutboxItem):
    """Put a step on record."""

    kind: Literal["record_step"] = "record_step"
    number: int


class RunEntryAction(OutboxItem):
    """Run the action number `index` of those on entering the state of step `step`."""

    kind: Literal["run_entry_action"] = "run_entry_action"
    step: int
    index: int


FulfilmentItem = Annotated[
    EditCard | PostReply | SendMessage | RemoveCopies | RecordStep | RunEntryAction,
    Field(discriminator="kind"),
]


# ---- what a fulfilment continues from --------------------------------------------------------------------


class FulfilmentRecord(BaseModel):
    """Everything that changes while a request is fulfilled. Mutable: only one orchestration uses it."""

    model_config = ConfigDict(extra="ignore")

    state: str
    entered_at: datetime
    deadline: datetime | None = None
    escalate_at: datetime | None = None
    overdue: bool = False
    escalated: bool = False
    refused: int = Field(default=0, description="Events that moved nothing in this state")
    end: FulfilmentEnd | None = None
    stopped: Status | None = None
    linger_until: datetime | None = None
    step_number: int = 0
    steps: list[FulfilmentStep] = Field(default_factory=list)
    kept: list[HookDelivery] = Field(default_factory=list)
    seen: list[str] = Field(
        default_factory=list, description="What tells a delivery from others; oldest first"
    )
    unmet: dict[str, str] = Field(
        default_factory=dict, description="Those of `seen` whose conditions failed, and in which state"
    )
    verdicts: list[FulfilmentVerdict] = Field(default_factory=list)
    actions: list[EntryAction] = Field(default_factory=list)
    numbers: int = 0
    held: list[Step] = Field(default_factory=list, description="Lines that wait for the first card")
    lanes: dict[str, Lane[FulfilmentItem]] = Field(default_factory=dict)


class FulfilmentInput(Recorded):
    """The input of the `fulfilment` orchestration. `stopped`: how another instance ended; this one reports it."""

    given: HandOverInput
    record: FulfilmentRecord | None = None
    stopped: Status | None = None
