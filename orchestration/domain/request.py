"""The data types of an approval, as pydantic models: they are recorded and sent, with these names on the wire.

All JSON is snake_case. Durations are ISO 8601 on the wire (`PT2H`) and also read as `2h30m` in files;
amounts are decimal strings; times are UTC with an offset.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orchestration.domain.amounts import Number, currency_apart
from orchestration.domain.grants import GrantTerms, GrantUse
from orchestration.domain.held_call import HeldCall
from orchestration.domain.ids import PersonId
from orchestration.domain.names import EntityName, OrchestrationName
from orchestration.domain.responses import ResponseTarget
from orchestration.domain.text import Line, Prose, scalar_text

APPROVAL: Final = OrchestrationName.APPROVAL
RECONCILE: Final = OrchestrationName.RECONCILE
DELEGATE_CHANGE: Final = OrchestrationName.DELEGATE_CHANGE
SMS_CHALLENGE: Final = OrchestrationName.SMS_CHALLENGE
OWED_ANSWER: Final = OrchestrationName.OWED_ANSWER
POST_INTENT: Final = OrchestrationName.POST_INTENT
GATHERING: Final = OrchestrationName.GATHERING
RECONCILE_GATHERING: Final = OrchestrationName.RECONCILE_GATHERING
FULFILMENT: Final = OrchestrationName.FULFILMENT
STANDING_GRANT: Final = OrchestrationName.STANDING_GRANT
CALL_LIST: Final = OrchestrationName.CALL_LIST
PERSON: Final = EntityName.PERSON
WORKLIST: Final = EntityName.WORKLIST
PHONE: Final = EntityName.PHONE
ROSTER: Final = EntityName.ROSTER
HELD_CALL: Final = EntityName.HELD_CALL
CALL_RESULT: Final = OrchestrationName.CALL_RESULT
GRANT_USES: Final = EntityName.GRANT_USES
AGENT_RUN: Final = EntityName.AGENT_RUN
# Stored in every new instance, so that a later release knows which code made its history.
VERSION: Final = "1.0.0"

TokenName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$", description="The name of an API token")
]
# Random, new at each start: a request that starts again under an old ID is another request.
Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$", description="Which start of the request it was")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of what was asked")]
FIELD_VALUE: Final = 3000  # characters of the longest value that a field of any type takes
CallbackUrl = Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=500)]

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
    """Base of what a person or a program sends now: immutable, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recorded(Model):
    """Base of what another release may have written: unknown names are ignored, so a deploy breaks no open request."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Notified(Model):
    """A waiting orchestration that is to get the outcome, as an event of that name."""

    id: str = Field(pattern=r"^[!-?A-~][!-~]{0,99}$")
    event: str = Field(pattern=r"^[ -~]{1,100}$")


class EventFormat(StrEnum):
    """The format of an outcome that is POSTed."""

    STANDARD = "standard"
    CLOUDEVENTS = "cloudevents"


# ---- asking ----------------------------------------------------------------------------------------------


class ApprovalRequest(Model):
    """What is asked. `timeout` may shorten each level's own, never lengthen it.

    Its texts are kept as `orchestration.domain.text` has them, and digested so.
    """

    policy: Line = Field(min_length=1, max_length=40)
    title: Line = Field(min_length=1, max_length=150)
    description: Prose = Field(default="", max_length=10_000)
    amount: Annotated[Number, Field(ge=0, max_digits=15, decimal_places=2)] | None = None
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    fields: dict[str, Annotated[Prose, BeforeValidator(scalar_text), Field(max_length=FIELD_VALUE)]] = Field(
        default_factory=dict, max_length=10
    )
    requester: PersonId
    asked_with: TokenName | None = Field(default=None, description="The API token it was asked by, if it was")
    timeout: Duration | None = None
    callback_url: CallbackUrl | None = Field(default=None, description="Where the outcome is POSTed, signed")
    callback_format: EventFormat | None = Field(
        default=None, description="How it is written there; `standard` without it"
    )
    notify_instance: Notified | None = None
    respond: ResponseTarget | None = Field(
        default=None, description="Who else gets the outcome, and in which form"
    )
    responds_to: str | None = Field(
        default=None,
        description="Whom the service found `respond` to name, and admitted: an orchestration, or the origin of a URL",
    )
    responds_since: datetime | None = Field(
        default=None,
        description="When the instance that `respond` names was made; a later one of its ID is another",
    )
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)
    call: HeldCall | None = Field(
        default=None, description="The tool call that waits for it, as the service stamped it"
    )
    accepts_edits: bool = Field(
        default=False,
        description="Whether the asker acts on what was approved, and not on what they asked. Else nothing can be "
        "changed",
    )

    @model_validator(mode="before")
    @classmethod
    def _currency_apart(cls, given: Any) -> Any:
        return currency_apart(given)

    def facts(self) -> dict[str, Any]:
        """What was asked, as plain data: all that a decision is about, and nothing that comes later."""
        asked = self.model_dump(
            mode="json", include={"policy", "title", "description", "amount", "currency", "fields"}
        )
        if self.call is not None:
            asked["call"] = self.call.facts().model_dump(mode="json")
        return asked

    def digest(self) -> str:
        """SHA-256 (hex) over canonical JSON of its facts."""
        return digest_of_facts(self.facts())


def digest_of_facts(facts: Mapping[str, Any]) -> str:
    """The digest of a request with these facts, as its cards, decisions and receipts name it."""
    return hashlib.sha256(to_json(facts).encode()).hexdigest()


class Identity(Recorded):
    """What a decision is about: the start of the request, and what it asks. A request's ID alone says neither."""

    nonce: str = ""
    digest: str = ""


def new_nonce() -> str:
    """The nonce of one start: 128 random bits, safe in a URL."""
    while (made := secrets.token_urlsafe(16)).startswith("-"):  # a command line would take it for an option
        pass
    return made


def new_salt() -> str:
    """The salt of one start. The salt of each of its texts is derived from it. No receipt or card contains it."""
    return secrets.token_urlsafe(16)


# ---- deciding --------------------------------------------------------------------------------------------


class Status(StrEnum):
    """The status of a request: the first two values while it runs, the others when it has ended."""

    PENDING = "pending"
    ESCALATED = "escalated"
    APPROVED = "approved"
    AUTO_APPROVED = "auto_approved"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TERMINATED = "terminated"

    @property
    def ended(self) -> bool:
        """Whether nothing can change it any more."""
        return self not in {Status.PENDING, Status.ESCALATED}

    @property
    def is_yes(self) -> bool:
        """Whether it was approved, by people or by rule."""
        return self in {Status.APPROVED, Status.AUTO_APPROVED}


class Choice(StrEnum):
    """The two answers."""

    APPROVE = "approve"
    REJECT = "reject"


class Via(StrEnum):
    """The way by which a command came in."""

    CHAT = "chat"
    API = "api"
    SMS = "sms"


class Factor(StrEnum):
    """A second factor that confirmed an act."""

    SMS = "sms"


class Vote(Recorded):
    """One vote, from a seat: its round, whose seat it is, who cast it, and the digest of what they were shown."""

    round: int
    holder: PersonId = Field(
        description="Whose seat it is; another person than `actor` when a delegate casts it"
    )
    actor: PersonId
    choice: Choice
    comment: str = ""
    salt: str = Field(
        default="",
        description="With it the receipt's digest of the comment can be checked; empty without a comment",
    )
    via: Via
    token: TokenName | None = Field(default=None, description="The API token it came by, if it did")
    at: datetime
    digest: str = ""
    factor: Factor | None = Field(
        default=None, description="What confirmed it beside the session it came from"
    )
    seal: str = Field(default="", description="Of the command: that the service took it, for this request")
    grant: GrantTerms | None = Field(
        default=None, description="An approval's standing grant of calls like this one, where it gives one"
    )
    groups: list[str] | None = Field(
        default=None,
        exclude_if=lambda groups: groups is None,  # data of an older release is not changed
        description="The round's groups that the holder was in at that moment; none where an older release counted it",
    )


class RemarkKind(StrEnum):
    """What a remark is."""

    COMMENT = "comment"
    QUESTION = "question"
    ANSWER = "answer"


class Remark(Recorded):
    """Something said about the request. It changes no vote and no digest."""

    actor: PersonId
    kind: RemarkKind
    text: str
    at: datetime


class EscalationCause(StrEnum):
    """Why a level was escalated."""

    SILENCE = "silence"
    TOO_FEW_LEFT = "too_few_left"


class EditedValue(Recorded):
    """One value of a request that an approver changed. `path` is `amount`, `fields.NAME` or `arguments.PATH`.

    An amount is a text here, such as `4200.00`.
    """

    path: str
    before: str | bool | int | float
    after: str | bool | int | float


class RequestEdit(Recorded):
    """The changes of one edit by an approver. Every earlier approval is void: it was for another digest."""

    number: int
    actor: PersonId
    at: datetime
    level: str = Field(description="The level at which it was made")
    round: int
    via: Via
    token: TokenName | None = None
    factor: Factor | None = Field(
        default=None, description="What confirmed it beside the session it came from"
    )
    changes: list[EditedValue]
    digest_before: Digest
    digest: Digest
    voided: list[PersonId] = Field(default_factory=list, description="Whose votes it made void")


class LevelState(Recorded):
    """How one level stands or ended, with every vote that counts."""

    name: str
    status: Status
    round: int = Field(default=1, description="The level's own round; its escalation's is the next")
    needed: int = Field(default=1, description="How many approvals its own round takes")
    approvals: int = Field(
        default=0, description="How many of these it has: of different people, with a code where it needs one"
    )
    asked: list[str] = Field(
        default_factory=list,
        exclude_if=lambda asked: not asked,  # data of an older release is not changed
        description="Whom the policy names for it, people and groups; nothing that happens changes it",
    )
    approvers: list[str] = Field(
        default_factory=list,
        description="Who may decide: as `asked`, with each delegate in the place of the one for whom they decide",
    )
    waiting_for: list[str] = Field(default_factory=list, description="Who was asked and has not decided")
    delegates: dict[str, str] = Field(
        default_factory=dict, description="Who decides for whom: absent to delegate"
    )
    delegated: list[str] = Field(
        default_factory=list, description="Which of the absent handed their vote over; the others are away"
    )
    confirmed: list[str] = Field(
        default_factory=list,
        description="Which of the absent have a delegate who counts also where a decision needs a code",
    )
    deadline: datetime | None = None
    decisions: list[Vote] = Field(default_factory=list)
    escalated_at: datetime | None = None
    escalated_to: str | None = None
    escalated_because: EscalationCause | None = Field(
        default=None, description="Nobody decided in time, or too few people were left who may"
    )
    escalation_needed: int = Field(default=1, description="How many approvals the escalation's round takes")
    escalation_approvals: int = Field(default=0, description="How many of these it has")

    def awaited(self) -> list[str]:
        """Those whose decision is awaited: the people who were asked, or else the people and groups who may decide."""
        voted = {vote.actor for vote in self.decisions}
        return self.waiting_for or [who for who in self.approvers if who not in voted]

    def told(self, *, over: bool) -> LevelState:
        """The level as others see it: no awaited people once it is over. The record keeps who had not decided."""
        return self.model_copy(update={"waiting_for": [] if over else self.awaited()})


class CardRef(Recorded):
    """One posted copy of a card: where it is, and for which round it was posted."""

    channel: str
    ts: str
    round: int
    list_id: str = Field(
        default="", description="The list of waiting calls whose message it is; empty for a card of its own"
    )


class ActionState(Recorded):
    """The state of one outcome action."""

    label: str
    status: str = Field(default="pending", pattern="^(pending|done|failed)$")
    answer: str = ""


class Outcome(Recorded):
    """The output of `approval`: how it ended, who ended it, when and why."""

    request_id: str
    status: Status
    processed_by: str | None = None
    processed_at: datetime
    comments: str = ""
    comments_salt: str = Field(
        default="", description="With it the receipt's digest of `comments` can be checked"
    )
    reason: str = ""
    reason_salt: str = Field(
        default="", description="With it the receipt's digest of `reason` can be checked"
    )
    levels: list[LevelState] = Field(default_factory=list)
    digest: str = Field(description="Of what was decided: with every edit")
    asked_digest: str = Field(
        default="", description="Of what was asked; another one than `digest` where it was edited"
    )
    edits: list[RequestEdit] = Field(default_factory=list, description="What approvers changed, oldest first")
    nonce: str = Field(default="", description="Which start of the request it was; the receipt's `jti`")
    asked_without_seal: bool = Field(
        default=False,
        description="Another program on the task hub asked. It named the requester, and nobody checked who that is",
    )
    receipt: str | None = Field(default=None, description="Compact JWS (Ed25519) over the outcome")
    grant: GrantUse | None = Field(
        default=None, description="The standing grant by which it was approved, where nobody was asked"
    )

    def told(self) -> Outcome:
        """The outcome as others see it: without the people who were awaited."""
        return self.model_copy(update={"levels": [level.told(over=True) for level in self.levels]})


def to_json(value: object) -> str:
    """Canonical JSON of plain data (sorted keys, no spaces): equal values give equal strings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
