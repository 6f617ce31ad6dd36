"""The nouns of an approval, as pydantic models: what crosses every durable boundary, and the names on the wire.

All JSON is snake_case. Durations are ISO 8601 on the wire (`PT2H`) and also read as `2h30m` in files;
amounts are decimal strings; times are UTC with an offset.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

APPROVAL: Final = "approval"
# Stamped on every new instance, so that a later release knows which code its history was made by.
VERSION: Final = "1.0.0"

EVENT_DECISION: Final = "ApprovalDecision"
EVENT_CANCELLED: Final = "ApprovalCancelled"

MESSAGE_EVENT_TYPE: Final = "approval_requested"

UserId = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{1,30}$")]
ChannelId = Annotated[str, Field(pattern=r"^[CDG][A-Z0-9]{1,30}$")]
PrincipalId = Annotated[str, Field(pattern=r"^[UWS][A-Z0-9]{1,30}$", description="A person or a user group")]

_DURATION: Final = re.compile(r"^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")


def _duration(value: object) -> object:
    """`2d`, `1h30m`, `90s` → timedelta; anything else is left to pydantic (ISO 8601 among it)."""
    if isinstance(value, str) and value and (found := _DURATION.match(value.strip())) and any(found.groups()):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if isinstance(value, (int, float)):
        raise ValueError('a duration needs its unit, such as "2d", "12h" or "90s"')  # noqa: TRY004 - pydantic reports only these
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0), le=timedelta(days=366))]


class Model(BaseModel):
    """The base of all that is written to the task hub: immutable, and strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recorded(Model):
    """What an older or newer release may have written: unknown names are passed over, so a deploy breaks no wait."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# ---- policy ----------------------------------------------------------------------------------------------


class OnTimeout(StrEnum):
    """What silence leads to. It is never taken for consent."""

    ESCALATE = "escalate"
    EXPIRE = "expire"
    REJECT = "reject"


class FieldSpec(Recorded):
    """One more thing a requester fills in, shown on the card."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    label: str | None = Field(default=None, max_length=48)
    required: bool = False

    @property
    def title(self) -> str:
        """The words beside the field, for a person."""
        return self.label or self.name.replace("_", " ").capitalize()


class Level(Recorded):
    """One stage of deciding: who, how many of them, and for how long."""

    name: str = Field(min_length=1, max_length=40)
    approvers: list[PrincipalId] = Field(min_length=1, max_length=50)
    notify: list[PrincipalId] = Field(default_factory=list, max_length=20)
    quorum: int = Field(default=1, ge=1, le=50)
    timeout: Duration
    on_timeout: OnTimeout = OnTimeout.EXPIRE


class Escalation(Recorded):
    """Where silence goes: another channel, other people, one more wait."""

    channel: ChannelId
    approvers: list[PrincipalId] = Field(min_length=1, max_length=50)
    notify: list[PrincipalId] = Field(default_factory=list, max_length=20)
    timeout: Duration


class Policy(Recorded):
    """How one kind of request is decided. A copy travels in each instance, so a later edit changes no open request."""

    key: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: str = Field(min_length=1, max_length=60)
    channel: ChannelId
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    fields: list[FieldSpec] = Field(default_factory=list, max_length=10)
    levels: list[Level] = Field(min_length=1, max_length=10)
    escalation: Escalation | None = None
    allow_self_approval: bool = False
    require_reason: bool = True


# ---- request ---------------------------------------------------------------------------------------------


class ApprovalRequest(Model):
    """What is asked. `timeout` may shorten each level's own, never lengthen it."""

    policy: str = Field(min_length=1, max_length=40)
    title: str = Field(min_length=1, max_length=150)
    description: str = Field(default="", max_length=10_000)
    amount: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)] | None = None
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    fields: dict[str, Annotated[str, Field(max_length=500)]] = Field(default_factory=dict, max_length=10)
    requester: UserId
    timeout: Duration | None = None
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)

    def digest(self) -> str:
        """SHA-256 (hex) over canonical JSON of what was asked: what a decision is about, and nothing that follows."""
        asked = self.model_dump(
            mode="json", include={"policy", "title", "description", "amount", "currency", "fields"}
        )
        return hashlib.sha256(
            json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        ).hexdigest()


class ApprovalInput(Recorded):
    """The input of the `approval` orchestration. The requester is stamped by the door, never by a message body."""

    request: ApprovalRequest
    policy: Policy


# ---- commands and verdicts -------------------------------------------------------------------------------


class Choice(StrEnum):
    """The two answers."""

    APPROVE = "approve"
    REJECT = "reject"


class Via(StrEnum):
    """The way by which a command came in."""

    SLACK = "slack"
    API = "api"
    SMS = "sms"


class Decision(Recorded):
    """Payload of `ApprovalDecision`. The door stamps `actor`, `via` and `command_id`."""

    command_id: str = Field(min_length=1, max_length=100)
    actor: UserId
    via: Via
    round: int = Field(ge=1)
    choice: Choice
    comment: str = Field(default="", max_length=2000)


class Cancellation(Recorded):
    """Payload of `ApprovalCancelled`."""

    command_id: str = Field(min_length=1, max_length=100)
    actor: UserId
    via: Via
    reason: str = Field(default="", max_length=2000)


class Reason(StrEnum):
    """Why a command was accepted or refused. The words for a person are made from it in `orchestration.words`."""

    RECORDED = "recorded"
    UNCHANGED = "unchanged"
    NOT_AN_APPROVER = "not_an_approver"
    SELF_APPROVAL = "self_approval"
    NOT_THE_REQUESTER = "not_the_requester"
    ROUND_OVER = "round_over"
    REASON_REQUIRED = "reason_required"
    ALREADY_ENDED = "already_ended"
    MALFORMED = "malformed"
    DIRECTORY_UNAVAILABLE = "directory_unavailable"
    UNKNOWN_REQUEST = "unknown_request"
    NO_ANSWER_YET = "no_answer_yet"


ACCEPTED: Final = frozenset({Reason.RECORDED, Reason.UNCHANGED})


class Verdict(Recorded):
    """The durable answer to one command."""

    command_id: str
    reason: Reason
    ended_as: Status | None = None

    @property
    def accepted(self) -> bool:
        """Whether the command took effect (now, or the same one before)."""
        return self.reason in ACCEPTED


# ---- state and outcome -----------------------------------------------------------------------------------


class Status(StrEnum):
    """Where a request stands: the first two while it runs, the rest when it has ended."""

    PENDING = "pending"
    ESCALATED = "escalated"
    APPROVED = "approved"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TERMINATED = "terminated"

    @property
    def ended(self) -> bool:
        """Whether nothing can change it any more."""
        return self not in {Status.PENDING, Status.ESCALATED}


class Vote(Recorded):
    """One person's answer at one level."""

    actor: UserId
    choice: Choice
    comment: str = ""
    via: Via
    at: datetime


class LevelState(Recorded):
    """How one level stands or ended, with every vote that counts."""

    name: str
    status: Status
    quorum: int = 1
    deadline: datetime | None = None
    decisions: list[Vote] = Field(default_factory=list)


class CardRef(Recorded):
    """One posted copy of a card: where it is, and for which round it was posted."""

    channel: str
    ts: str
    round: int


class Outcome(Recorded):
    """The output of `approval`: how it ended, who ended it, when and why."""

    request_id: str
    status: Status
    processed_by: str | None = None
    processed_at: datetime
    comments: str = ""
    reason: str = ""
    levels: list[LevelState] = Field(default_factory=list)
    digest: str


class Progress(Recorded):
    """The custom status of a running or ended `approval`: what the door, the API and the sweep read."""

    request_id: str
    status: Status
    policy: str
    title: str
    requester: str
    round: int
    deadline: datetime | None = None
    levels: list[LevelState] = Field(default_factory=list)
    cards: list[CardRef] = Field(default_factory=list)
    outcome: Outcome | None = Field(
        default=None, description="Set from the moment it ends, before the cards are edited"
    )
    verdicts: list[Verdict] = Field(default_factory=list, description="The last 20, newest last")


Verdict.model_rebuild()


def to_json(value: Any) -> str:
    """Canonical JSON (sorted keys, no spaces) of a model or of plain data: equal values give equal strings."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
