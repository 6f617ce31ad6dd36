"""What people see of a standing grant, and the inputs of the activities about one."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from orchestration.domain.grants import GrantEnd, GrantFacts
from orchestration.domain.ids import PersonId
from orchestration.domain.posting import Posting
from orchestration.domain.request import CardRef, Recorded


class CountedUse(Recorded):
    """One use of a grant: the request that it approved. `title` is what that request's card would say."""

    number: int = Field(ge=1)
    request_id: str
    nonce: str
    title: str
    at: datetime


class GrantView(Recorded):
    """Everything that the card of a grant shows. Rendering it twice gives the same card."""

    facts: GrantFacts
    used: int
    ended: GrantEnd | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str = ""


class GrantPostInput(Posting):
    """Input of `post_grant`: post the card, or with a `trouble` tell one person that there is no card."""

    place: str
    view: GrantView
    trouble: str = ""


class GrantEditInput(Recorded):
    """Input of `edit_grant`: make the card say what is true."""

    ref: CardRef
    view: GrantView
    attempt: int = Field(ge=1)


class StartGrantInput(Recorded):
    """Input of `start_grant`: the request is approved and signed, and this was granted with it.

    `channel` is where its card goes. `deciders` are the people and groups who may decide by its policy, `groups` the
    groups among them, and `owner` is that of the policy.
    """

    facts: GrantFacts
    channel: str
    deciders: list[str]
    groups: list[str] = Field(default_factory=list)
    owner: str | None = None
    attempt: int = Field(ge=1)


class TellUseInput(Recorded):
    """Input of `tell_use`: tell the grant of one use, so that its card shows it."""

    grant: str
    use: CountedUse
    attempt: int = Field(ge=1)


class GrantCheckInput(Recorded):
    """Input of `check_grant`: whether this grant of that person, by that policy, still counts now.

    With `before_use` the grant's own state is checked too, and it is told of a reason against it.
    """

    grant: str
    granted_by: PersonId
    policy: str
    policy_digest: str
    before_use: bool = False


class GrantStanding(Recorded):
    """Result of `check_grant`: it counts, or why it does not, as a sentence."""

    stands: bool
    reason: str = ""
