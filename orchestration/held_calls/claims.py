"""The `held_call` entity: which approvals of one tool call are used up. Its key is that of the call.

An entity runs one operation at a time across all processes, so an approval is used once. `number` counts what was
settled: the request that is open, or approved and not used, is the one that was asked under it. It only ever grows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.request import Recorded

CLAIMS_KEPT: Final = 5


class Claim(Recorded):
    """Argument of `claim`: `attempt` is to make the call that was approved under this number.

    `at` is when it was claimed; None of one by an older release.
    """

    number: int
    request_id: str
    nonce: str
    attempt: str
    at: datetime | None = None

    def same(self, other: Claim | None) -> bool:
        """Whether it is the same claim, perhaps made again a little later."""
        return other is not None and self == other.model_copy(update={"at": self.at})


class HeldCallState(Recorded):
    """The state of the entity. The claims are oldest first."""

    number: int = 0
    claims: list[Claim] = Field(default_factory=list)

    @property
    def last_claim(self) -> Claim | None:
        """The claim that settled the number before this one; None where that was passed by."""
        return self.claim_on(self.number - 1)

    def claim_on(self, number: int) -> Claim | None:
        """Who used the approval of that number; None where nobody did, or where that is long ago."""
        return next((claim for claim in self.claims if claim.number == number), None)

    def forgot(self, number: int) -> bool:
        """Whether it cannot be told any more if the approval of that number was used."""
        return len(self.claims) >= CLAIMS_KEPT and number < self.claims[0].number


def held_call(ctx: EntityContext, given: Any) -> None:
    """Operations: `claim` (a Claim), of which the first for a number counts; `pass_by` (a number).

    Both settle the number, and neither does anything for one that is settled. `touch` changes nothing.
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
