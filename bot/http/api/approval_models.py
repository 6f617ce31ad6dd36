"""What programs see of an approval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from bot.http.api.fulfilment_models import FulfilmentView
from orchestration.approval.status import RequestView
from orchestration.domain.commands import Progress
from orchestration.domain.request import (
    ActionState,
    CardRef,
    LevelState,
    Outcome,
    RequestEdit,
    Status,
    digest_of_facts,
)

# Where people find the newest of a request's cards; None while there is none.
CardUrl = Callable[[Sequence[CardRef]], str | None]


class Approval(BaseModel):
    """Where a request stands, and how it ended."""

    id: str
    status: Status
    policy: str
    title: str
    amount: Decimal | None = Field(description="With every edit; null where the request has none")
    currency: str | None
    requester: str
    asked_at: datetime
    nonce: str = Field(description="Which start of the request this is. A decision names it")
    digest: str = Field(description="SHA-256 of what is asked, with every edit. A decision names it")
    asked_digest: str = Field(description="SHA-256 of what was asked first; another one where it was edited")
    edits: list[RequestEdit] = Field(description="What approvers changed, oldest first")
    editable: list[str] = Field(
        description="What an approver may change now, as `edits` of a decision names it"
    )
    round: int
    deadline: datetime | None
    card_url: str | None = Field(
        description="Where its newest card is in Slack; null until it is posted, or if it has none"
    )
    levels: list[LevelState] = Field(
        description="Those so far, the newest last. `waiting_for` is whose decision one waits for, and empty once it "
        "is over"
    )
    actions: list[ActionState]
    outcome: Outcome | None
    fulfilment: FulfilmentView | None = Field(
        description="Where it stands after its approval, if anything follows"
    )

    @classmethod
    def of(
        cls, progress: Progress, fulfilment: FulfilmentView | None = None, card_url: str | None = None
    ) -> Approval:
        """From the core's progress, without what only Slack and the service need."""
        return cls(
            id=progress.request_id,
            status=progress.status,
            policy=progress.policy,
            title=progress.title,
            amount=progress.amount,
            currency=progress.currency,
            requester=progress.requester,
            asked_at=progress.asked_at,
            nonce=progress.nonce,
            digest=progress.digest,
            asked_digest=progress.asked_digest,
            edits=progress.edits,
            editable=progress.editable,
            round=progress.round,
            deadline=progress.deadline,
            card_url=card_url,
            levels=[
                level.told(over=level.status.ended or progress.status.ended) for level in progress.levels
            ],
            actions=progress.actions,
            outcome=progress.outcome.told() if progress.outcome else None,
            fulfilment=fulfilment,
        )


class AskedFacts(BaseModel):
    """What the request asks, with every edit. A decision covers exactly these facts."""

    id: str
    nonce: str = Field(description="Which start of the request this is. A decision names it")
    digest: str = Field(description="SHA-256 of the canonical JSON of `facts`. A decision names it")
    facts: dict[str, Any] = Field(
        description="`policy`, `title`, `description`, `amount`, `currency`, `fields`, and `call` of a tool call"
    )

    @classmethod
    def of(cls, view: RequestView) -> AskedFacts:
        """Builds the model from one view of the request, so that the digest matches the facts."""
        facts = view.request.facts()
        return cls(
            id=view.progress.request_id,
            nonce=view.progress.nonce,
            digest=digest_of_facts(facts),
            facts=facts,
        )


class ApprovalPage(BaseModel):
    """A page. It may be shorter than asked for, even empty, and still have a `next`."""

    items: list[Approval]
    next: str | None = Field(description="Send it as `after` for what follows; null at the end")
