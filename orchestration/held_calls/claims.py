"""The `held_call` entity: which approvals of one tool call are used. Its key is that of the call.

An entity runs one operation at a time across all processes, so an approval is used once. `number` is how many requests
for the call are settled. The request that is open, or approved and unused, is the one asked under this number. It never
decreases.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.request import Recorded

CLAIMS_KEPT: Final = 5


class Claim(Recorded):
    """Argument of `claim`: `attempt` wants to make the call that was approved under this number.

    `at` is when it was claimed; None for a claim by an older release.
    """

    number: int
    request_id: str
    nonce: str
    attempt: str
    at: datetime | None = None

    def same(self, other: Claim | None) -> bool:
        """Whether it is the same claim, perhaps repeated at another time."""
        return other is not None and self == other.model_copy(update={"at": self.at})


class HeldCallState(Recorded):
    """The state of the entity. The oldest claim is first."""

    number: int = 0
    claims: list[Claim] = Field(default_factory=list)

    @property
    def last_claim(self) -> Claim | None:
        """The claim that settled the previous number; None if that number was passed by."""
        return self.claim_on(self.number - 1)

    def claim_on(self, number: int) -> Claim | None:
        """The claim that used the approval of that number; None if there is none, or if it was forgotten."""
        return next((claim for claim in self.claims if claim.number == number), None)

    def forgot(self, number: int) -> bool:
        """Whether it is no longer known if the approval of that number was used."""
        return len(self.claims) >= CLAIMS_KEPT and number < self.claims[0].number


def held_call(ctx: EntityContext, given: Any) -> None:
    """Operations: `claim` (a Claim), of which the first for a number counts; `pass_by` (a number).

    Both settle the number, and do nothing if it is already settled. `touch` changes nothing.
    """
    state = HeldCallState.model_validate(ctx.get_state(dict, {}))
    match ctx.operation:
        case "claim":
            claim = Claim.model_validate(given)
            if claim.number == state.number:
                kept = [*state.claims, claim][-CLAIMS_KEPT:]
                state = HeldCallState(number=state.number + 1, claims=kept)
        case "pass_by":
            if int(given) == state.number:
                state = state.model_copy(update={"number": state.number + 1})
        case "touch":
            pass
        case other:
            raise ValueError(f"a held call has no operation {other!r}")
    ctx.set_state(state.model_dump(mode="json"))
