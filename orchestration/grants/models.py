"""The data types of a standing grant's workflow: its input and state, its events, and what others may see of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestration.approval.outbox_items import PostReply, RemoveCopies
from orchestration.domain.cards import Step
from orchestration.domain.commands import Stamped, Verdict
from orchestration.domain.grant_effects import CountedUse, GrantView, StartGrantInput
from orchestration.domain.grants import GrantEnd, GrantFacts
from orchestration.domain.names import EventName
from orchestration.domain.request import CardRef, Recorded
from orchestration.durable.outbox import Lane, OutboxItem

EVENT_USED: Final = EventName.GRANT_USED
EVENT_REVOKED: Final = EventName.GRANT_REVOKED
EVENT_DOUBTED: Final = EventName.GRANT_DOUBTED


class GrantRevocation(Stamped):
    """Payload of `GrantRevoked`: from now on, people are asked about each call again.

    `operator` says that an operator's token revokes it: then `actor` may be anybody.
    """

    operator: bool = False


class GrantDoubt(Recorded):
    """Payload of `GrantDoubted`: something may have changed, so the grant has to check itself.

    It contains nothing else.
    """


class PostGrant(OutboxItem):
    """Post the card, or tell `place` alone that it could not be posted."""

    urgency: ClassVar[int | None] = 1

    kind: Literal["post_grant"] = "post_grant"
    place: str
    trouble: str = ""


class EditGrant(OutboxItem):
    """Edit the card to what is true when the try starts."""

    urgency: ClassVar[int | None] = 2

    kind: Literal["edit_grant"] = "edit_grant"
    ref: CardRef

    def covered_by(self, waiting: OutboxItem) -> bool:
        """Whether a waiting edit makes this unnecessary: there is one card, and each edit shows the newest state."""
        return isinstance(waiting, EditGrant)


AnyGrantItem = Annotated[PostGrant | EditGrant | PostReply | RemoveCopies, Field(discriminator="kind")]


class GrantState(BaseModel):
    """Everything that changes while a grant stands. Mutable: one orchestration owns it."""

    model_config = ConfigDict(extra="ignore")

    opened: bool = False
    uses: list[CountedUse] = Field(default_factory=list, description="Those that were told, by number")
    ended: GrantEnd | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str = ""
    card: CardRef | None = None
    verdicts: list[Verdict] = Field(default_factory=list)
    held_replies: list[Step] = Field(default_factory=list, description="Lines that wait for the card")
    lanes: dict[str, Lane[AnyGrantItem]] = Field(default_factory=dict)


class GrantInput(Recorded):
    """The input of `standing_grant`."""

    given: StartGrantInput
    stopped: bool = Field(
        default=False, description="Another instance of it was stopped: this one only says so, and ends it"
    )
    state: GrantState | None = Field(
        default=None, description="Where an earlier generation stopped; none at start"
    )


class GrantProgress(Recorded):
    """The custom status and the output of `standing_grant`."""

    facts: GrantFacts
    opened: bool = Field(default=False, description="Whether it counts, or has counted")
    used: int = 0
    deciders: list[str] = Field(default_factory=list, description="Who may decide by its policy")
    owner: str | None = None
    ended: GrantEnd | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str = ""
    card: CardRef | None = None
    verdicts: list[Verdict] = Field(default_factory=list, description="The last ones, newest last")

    def stands(self, now: datetime) -> bool:
        """Whether the calls it approved may be made now."""
        return self.opened and self.ended is None and now < self.facts.terms.until

    def view(self) -> GrantView:
        """The content of its card."""
        return GrantView(
            facts=self.facts,
            used=self.used,
            ended=self.ended,
            ended_at=self.ended_at,
            ended_by=self.ended_by,
            reason=self.reason,
        )
