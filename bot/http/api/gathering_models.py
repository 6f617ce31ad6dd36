"""The models of what programs send and receive about gatherings, as in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from bot.http.api.models import Line, Span, Text, Wait, not_blank
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.gathering import AnswerWay, GatheringProgress, GatheringStatus
from orchestration.domain.request import CallbackUrl, EventFormat, Model, Nonce, Notified
from orchestration.domain.responses import GatheringResponse
from orchestration.service.gathering_messages import gathering_sentence

SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class NewGathering(Model):
    """A gathering. The requester is always the token's owner."""

    policy: Annotated[Line, Field(min_length=1, max_length=40)]
    title: Annotated[Line, AfterValidator(not_blank), Field(min_length=1, max_length=150)]
    description: Annotated[Text, Field(max_length=10_000)] = ""
    timeout: Span | None = Field(
        default=None, description="Shortens the policy's own time, never lengthens it"
    )
    callback_url: CallbackUrl | None = Field(
        default=None, description="Where the result is POSTed, signed by the Standard Webhooks scheme"
    )
    callback_format: EventFormat | None = Field(
        default=None, description="How it is written there: `standard`, or `cloudevents` for CloudEvents 1.0"
    )
    notify_instance: Notified | None = Field(
        default=None, description="An orchestration that gets the result as an event; needs the scope admin"
    )
    respond: GatheringResponse | None = Field(
        default=None,
        description="Somebody else's waiting orchestration, which gets the result in a form of its own; needs the "
        "scope `respond:ORCHESTRATION`, or `respond:ORIGIN` for a URL",
    )


class StartedGathering(BaseModel):
    """A gathering that is on disk."""

    id: str
    status_uri: str
    answer_uris: dict[str, str] = Field(
        description="For each system that you are to ask, the address to POST its answer to. It has a key. A system "
        "that the policy has asked by a POST gets its address there, and nobody else does"
    )


class NewAnswer(Model):
    """The answer of the token's owner for a source that they are asked for."""

    source: SourceName
    nonce: Nonce
    values: dict[str, str | int | float | bool | None] = Field(max_length=10)


class NewWithdrawal(Model):
    """The requester wants no more answers."""

    reason: Annotated[Text, Field(max_length=2000)] = ""


class GatheringCommandResult(BaseModel):
    """Whether a command took effect, and why not."""

    accepted: bool
    reason: Reason
    message: str = Field(description="The sentence that a person gets in Slack")

    @classmethod
    def of_verdict(cls, verdict: Verdict) -> GatheringCommandResult:
        """From the core's verdict."""
        return cls(accepted=verdict.accepted, reason=verdict.reason, message=gathering_sentence(verdict))


class GivenAnswer(BaseModel):
    """An answer that counts. `actor` is null where a system gave it."""

    actor: str | None
    holder: str | None = Field(
        default=None,
        description="Who was asked: another person than `actor` where a delegate answered for them",
    )
    at: datetime
    way: AnswerWay
    values: dict[str, str]
    corrections: int = Field(description="How many answers of this source it has replaced")


class GatheredSource(BaseModel):
    """How one source stands."""

    title: str
    person: str | None
    delegate: str | None = Field(default=None, description="Who is asked instead of `person`, who is away")
    event: str | None
    answer: GivenAnswer | None
    problem: str = Field(description="Why it could not be asked; empty where it was")


class GatheringShown(BaseModel):
    """Where a gathering stands, and what it has collected."""

    id: str
    status: GatheringStatus
    policy: str
    title: str
    requester: str
    asked_at: datetime
    deadline: datetime | None
    card_url: str | None = Field(
        description="Where its card is in Slack; null until it is posted, or if it has none"
    )
    escalated_at: datetime | None = Field(
        description="When the channel of the policy's escalation was told that answers are missing"
    )
    nonce: str
    digest: str
    sources: dict[str, GatheredSource]
    missing: list[str]
    collected_at: datetime | None = Field(description="When it ended; null while it runs")
    is_complete: bool
    ended_by: str | None
    reason: str
    record: str | None = Field(
        description="The signed entry of the records, once it has ended and is on record"
    )

    @classmethod
    def of_progress(cls, progress: GatheringProgress, card_url: str | None) -> GatheringShown:
        """From the core's progress."""
        result = progress.result
        sources = {
            source.name: GatheredSource(
                title=source.title,
                person=source.person,
                delegate=source.delegate,
                event=source.event,
                answer=GivenAnswer.model_validate(source.answer.model_dump()) if source.answer else None,
                problem=source.problem,
            )
            for source in progress.sources
        }
        return cls(
            id=progress.request_id,
            status=progress.status,
            policy=progress.policy,
            title=progress.title,
            requester=progress.requester,
            asked_at=progress.asked_at,
            deadline=progress.deadline,
            card_url=card_url,
            escalated_at=progress.escalated_at,
            nonce=progress.nonce,
            digest=progress.digest,
            sources=sources,
            missing=[name for name, source in sources.items() if source.answer is None],
            collected_at=result.collected_at if result else None,
            is_complete=result.is_complete if result else False,
            ended_by=result.ended_by if result else None,
            reason=result.reason if result else "",
            record=result.record if result else None,
        )


class GatheringQuery(Model):
    """How to look at one gathering."""

    wait: Wait | None = Field(default=None, description="Answer as soon as it has ended, or after this time")
