"""The models of what programs send and receive, as in the OpenAPI document. No body names the requester."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from bot.slack.ids import PERSON
from orchestration.domain.amounts import Number, currency_apart
from orchestration.domain.commands import EDITED_AT_ONCE, EditPath, EditValue, Reason, Verdict
from orchestration.domain.request import (
    FIELD_VALUE,
    CallbackUrl,
    Choice,
    Digest,
    Duration,
    EventFormat,
    Model,
    Nonce,
    Notified,
    RemarkKind,
    Status,
)
from orchestration.domain.responses import ResponseTarget
from orchestration.domain.text import hostile, is_blank, line, prose, scalar_text
from orchestration.service.messages import sentence

BODY_LIMIT: Final = 256 * 1024  # bytes
LONGEST_WAIT: Final = timedelta(minutes=2)

# The characters that `orchestration.domain.text` calls hostile, for the OpenAPI document.
_HOSTILE: Final = r"\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"


def _readable(value: object, *, one_line: bool) -> object:
    """Returns the text as it is stored. Hostile characters are an error; in what a person types they are removed."""
    if not isinstance(value, str):
        return value
    if (found := hostile(value, one_line=one_line)) is not None:
        raise ValueError(f"contains U+{ord(found):04X}, a control character")
    return line(value) if one_line else prose(value)


def _line(value: object) -> object:
    return _readable(value, one_line=True)


def _text(value: object) -> object:
    return _readable(value, one_line=False)


Line = Annotated[
    str,
    BeforeValidator(_line),
    Field(json_schema_extra={"pattern": rf"^[^\u0000-\u001f{_HOSTILE}]*$"}),
]
Text = Annotated[
    str,
    BeforeValidator(_text),
    Field(json_schema_extra={"pattern": rf"^[^\u0000-\u0008\u000b-\u001f{_HOSTILE}]*$"}),
]
FieldValue = Annotated[
    Text,
    BeforeValidator(scalar_text),
    Field(max_length=FIELD_VALUE),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "maxLength": FIELD_VALUE,
                    "pattern": rf"^[^\u0000-\u0008\u000b-\u001f{_HOSTILE}]*$",
                },
                {"type": "number"},
                {"type": "boolean"},
            ]
        }
    ),
]
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)?)?")


def _iso(given: object) -> object:
    """Pydantic would also take a number of seconds."""
    if isinstance(given, str) and not _TIME.fullmatch(given):
        raise ValueError("is no time in ISO 8601, such as 2026-11-26T14:02:00Z")
    return given


Time = Annotated[datetime, BeforeValidator(_iso)]
_SPAN: Final = {"type": "string", "pattern": "^[1-9][0-9]{0,2}[smhd]$", "examples": ["30m"]}
Span = Annotated[Duration, WithJsonSchema({**_SPAN, "description": 'Such as "90s", "30m", "12h" or "2d"'})]
Wait = Annotated[
    Duration,
    Field(le=LONGEST_WAIT),
    WithJsonSchema(
        {"type": "string", "pattern": "^([1-9]|[1-9][0-9]|1[01][0-9]|120)s$", "examples": ["30s"]}
    ),
]


def not_blank(text: str) -> str:
    """Returns the text. Raises `ValueError` if it is blank."""
    if is_blank(text):
        raise ValueError("is blank")
    return text


class Matter(Model):
    """What people are asked to approve, by a program over HTTP or by an agent over MCP."""

    policy: Annotated[Line, Field(min_length=1, max_length=40)]
    title: Annotated[Line, AfterValidator(not_blank), Field(min_length=1, max_length=150)]
    description: Annotated[Text, Field(max_length=10_000)] = ""
    amount: Annotated[Number, Field(ge=0, max_digits=15, decimal_places=2)] | None = Field(
        default=None,
        description="A number, or text such as `4200`, `4,200.00` or `4200.50 USD`; what says two things is refused",
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    fields: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], FieldValue] = Field(
        default_factory=dict,
        max_length=10,
        description="By name, as `GET /api/policies` lists them with their types. A date is `2026-12-24`, a person an "
        "ID, a choice one of its choices",
    )
    timeout: Span | None = Field(
        default=None, description="Shortens each level's own time, never lengthens it"
    )

    @model_validator(mode="before")
    @classmethod
    def _currency_apart(cls, given: Any) -> Any:
        return currency_apart(given)


class NewApproval(Matter):
    """A request for an approval. The requester is always the token's owner."""

    callback_url: CallbackUrl | None = Field(
        default=None, description="Where the outcome is POSTed, signed by the Standard Webhooks scheme"
    )
    callback_format: EventFormat | None = Field(
        default=None, description="How it is written there: `standard`, or `cloudevents` for CloudEvents 1.0"
    )
    notify_instance: Notified | None = Field(
        default=None, description="An orchestration that gets the outcome as an event; needs the scope admin"
    )
    accepts_edits: bool = Field(
        default=False,
        description="Whether the program acts on the request in the outcome, which approvers may have changed if "
        "the policy allows it. Else they can change nothing",
    )
    respond: ResponseTarget | None = Field(
        default=None,
        description="Somebody else's waiting orchestration, which gets the outcome in a form of its own; needs the "
        "scope `respond:ORCHESTRATION`, or `respond:ORIGIN` for a URL",
    )


class NewHook(Model):
    """Which event an outside system may raise, and for how long."""

    # An ID is compared and never shown, so it is taken as it is.
    instance_id: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
    event_name: Annotated[str, Field(pattern=r"^[ -~]{1,100}$")]
    expires_in: Span = Field(
        default=timedelta(days=7),
        description="How long the address is good",
        json_schema_extra={"default": "7d"},  # as a program would spell it
    )


class Hook(BaseModel):
    """An address that raises one event. Whoever has it can use it until it expires."""

    url: str
    expires_at: datetime


class Jwk(BaseModel):
    """A public key, as a JWK."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class RetiredJwk(Jwk):
    """A public key that signs no more."""

    retired_at: datetime = Field(description="What it signed then or later does not count")


class JwkSet(BaseModel):
    """The public keys that receipts are checked with, the one that signs first."""

    issuer: str = Field(description="The server's address, which its receipts name as `iss`")
    keys: list[Jwk]
    retired_keys: list[RetiredJwk] = Field(
        description="Apart from the others, so that what they signed is refused where nobody looks at `retired_at`"
    )


class NewDecision(Model):
    """A decision of the token's owner, on what the approval was when they looked: its `nonce` and `digest`."""

    choice: Choice
    nonce: Nonce
    digest: Digest
    comment: Annotated[Text, Field(max_length=2000)] = ""
    edits: dict[EditPath, EditValue] = Field(
        default_factory=dict,
        max_length=EDITED_AT_ONCE,
        description="With `approve`: new values by path, such as `arguments.command`, `amount` or `fields.NAME`. What "
        "is approved is what was shown with these in it; every approval given before is void",
    )
    round: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = Field(
        default=None, description="The round it is meant for; without it, the one that is open"
    )


class NewCancellation(Model):
    """A withdrawal by the requester."""

    reason: Annotated[Text, Field(max_length=2000)] = ""


class NewRemark(Model):
    """A comment, question or answer about the request."""

    text: Annotated[Text, AfterValidator(not_blank), Field(min_length=1, max_length=2000)]
    kind: RemarkKind = RemarkKind.COMMENT


class CommandResult(BaseModel):
    """Whether a command took effect, and why not."""

    accepted: bool
    reason: Reason
    message: str = Field(description="The sentence that a person gets in Slack")
    ended_as: Status | None = None
    card_url: str | None = Field(
        default=None,
        description="Where the newest card of the request is in Slack; null where it was refused",
    )

    @classmethod
    def of(cls, verdict: Verdict, card_url: str | None = None) -> CommandResult:
        """From the core's verdict."""
        return cls(
            accepted=verdict.accepted,
            reason=verdict.reason,
            message=sentence(verdict),
            ended_as=verdict.ended_as,
            card_url=card_url,
        )


class Started(BaseModel):
    """A request that is on disk, and where to follow it: the names that Durable Functions clients know."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    id: str
    status_query_get_uri: str = Field(alias="statusQueryGetUri")
    send_event_post_uri: str = Field(alias="sendEventPostUri")
    terminate_post_uri: str = Field(alias="terminatePostUri")
    suspend_post_uri: str = Field(alias="suspendPostUri")
    resume_post_uri: str = Field(alias="resumePostUri")
    rewind_post_uri: str = Field(alias="rewindPostUri")
    restart_post_uri: str = Field(alias="restartPostUri")
    purge_history_delete_uri: str = Field(alias="purgeHistoryDeleteUri")


class ApprovalQuery(Model):
    """How to look at one approval."""

    wait: Wait | None = Field(default=None, description="Answer as soon as it is decided, or after this time")


class ApprovalListQuery(Model):
    """Which approvals, and which page of them."""

    status: Status | None = None
    policy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] | None = None
    requester: Annotated[str, Field(pattern=PERSON)] | None = None
    since: Time | None = Field(default=None, description="Asked at or after; without an offset, UTC")
    until: Time | None = Field(default=None, description="Asked before; without an offset, UTC")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[Line, Field(max_length=200)] | None = None


class Instance(BaseModel):
    """An instance, under the names that Durable Functions clients know."""

    name: str
    instanceId: str  # noqa: N815 - theirs, as all of them here
    runtimeStatus: str  # noqa: N815
    input: Any
    customStatus: Any  # noqa: N815
    output: Any
    createdTime: str  # noqa: N815
    lastUpdatedTime: str  # noqa: N815
    historyEvents: list[dict[str, Any]] | None = None  # noqa: N815


class Purged(BaseModel):
    """How many instances were forgotten."""

    instancesDeleted: int  # noqa: N815


class FieldError(BaseModel):
    """One thing that is wrong, by the name of its field."""

    field: str
    detail: str


class ProblemDetails(BaseModel):
    """An error in the form of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = Field(default_factory=list)
    verdict: CommandResult | None = Field(default=None, description="Where a command was refused")


Method = Literal["GET", "POST", "DELETE"]
