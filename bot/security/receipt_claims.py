"""What a receipt says of an outcome, claim by claim. `make reference` writes its page from these models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from orchestration.domain.grants import GrantTerms, GrantUse
from orchestration.domain.held_call import CallFacts
from orchestration.domain.request import Choice, Factor, Status, Via

_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


class _Claims(BaseModel):
    """Claims as they are signed: those of `left_out` are missing where they do not apply, the others are null."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)
    left_out: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {
            name: value
            for name, value in dump(self).items()
            if value is not None or name not in self.left_out
        }


class ReceiptDecision(_Claims):
    """One vote that counted."""

    left_out = frozenset({"groups", "grant"})

    level: str = Field(description="The name of the level that it was cast in")
    actor: str = Field(description="Who voted")
    round: int = Field(
        description="The round of the request that it was cast in: levels and escalations, counted as they were posted"
    )
    for_: str | None = Field(
        alias="for", description="The approver in whose place a delegate voted; null without a delegate"
    )
    choice: Choice
    comment_digest: str | None = Field(description="Salted digest of the comment; null without one")
    via: Via = Field(description="By which way the vote came")
    factor: Factor | None = Field(
        description="What confirmed it, such as a code by SMS; null if nothing had to"
    )
    token: str | None = Field(description="The API token that it came with; null without one")
    at: _Time
    groups: list[str] | None = Field(
        default=None,
        description="The groups of the level in which the holder of the seat was at that moment, as Slack said. Not in "
        "receipts of older releases",
    )
    grant: GrantTerms | None = Field(
        default=None, description="The standing grant that the vote gave. Left out where it gave none"
    )


class ReceiptEdit(_Claims):
    """One change that an approver made to what was asked. It has no values, only paths and digests."""

    actor: str = Field(description="Who changed it")
    level: str = Field(description="The name of the level that was asked then")
    round: int
    paths: list[str] = Field(description="What was changed")
    voided: list[str] = Field(description="Whose votes the change made void")
    digest_before: str = Field(description="`digest` before the change")
    digest: str = Field(description="`digest` after the change")
    via: Via
    factor: Factor | None
    token: str | None
    at: _Time


class ReceiptClaims(_Claims):
    """What a receipt says of an outcome. Each also has `iss`, `signed_at`, `log`, `sequence` and `previous`."""

    left_out = frozenset({"call", "asked_digest", "asked_call", "edits", "grant"})

    sub: str = Field(description="The request's ID")
    jti: str = Field(
        description="The nonce of this start of the request. After a purge the same ID may be decided again"
    )
    policy: str = Field(description="The name of the policy that decided")
    policy_digest: str = Field(
        description="SHA-256 of the policy as it was when the request was made; `countersign policies digest` prints it"
    )
    requester: str = Field(description="Who asked")
    asked_with: str | None = Field(description="The API token that it was asked with; null without one")
    asked_without_seal: bool = Field(
        description="True if another program on the task hub asked. Then nobody checked who the requester is"
    )
    asked_at: _Time
    digest: str = Field(
        description="SHA-256 of what was decided: policy, title, description, amount, currency, fields, and the tool "
        "call if one waited"
    )
    asked_digest: str | None = Field(
        default=None, description="The same of what was asked. Only where approvers changed it"
    )
    edits: list[ReceiptEdit] | None = Field(
        default=None, description="The changes, oldest first. Only where approvers changed what was asked"
    )
    call: CallFacts | None = Field(
        default=None, description="The tool call that was decided. Only where one waited"
    )
    asked_call: CallFacts | None = Field(
        default=None, description="The tool call that was asked. Only where approvers changed it"
    )
    grant: GrantUse | None = Field(
        default=None,
        description="The standing grant that approved it. Only where one did, and nobody was asked",
    )
    amount: str | None = Field(description="The amount as it was decided; null without one")
    currency: str | None
    status: Status = Field(description="How it ended")
    reported_by_hub: bool = Field(
        description="True if nobody's act ended it: the task hub said that a time was over, or that the instance had "
        "failed or was stopped"
    )
    processed_by: str | None = Field(description="Who ended it; null if nobody's act did")
    processed_at: _Time = Field(description="When it ended")
    reason_digest: str | None = Field(description="Salted digest of the outcome's `reason`; null without one")
    comments_digest: str | None = Field(
        description="Salted digest of the outcome's `comments`; null without any"
    )
    decisions: list[ReceiptDecision] = Field(
        description="Every vote that counted, in the order of the levels"
    )
