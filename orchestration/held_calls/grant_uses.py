"""The `grant_uses` entity: counts the uses of the standing grants for calls of one pattern. Its key is the pattern's.

An entity runs one operation at a time across all processes, so no grant is used more often than it allows. A request
that is repeated, for example after a kill, is the same use.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.grant_effects import CountedUse
from orchestration.domain.grants import GrantUse
from orchestration.domain.request import Recorded

AT_ONCE: Final = 5  # grants for calls of one pattern
TITLE: Final = 100  # characters


class OpenGrant(Recorded):
    """Argument of `open`: from now on this grant counts."""

    id: str
    granted_by: str
    until: datetime
    of: int
    now: datetime


class UseGrant(Recorded):
    """Argument of `use`: this start of a request asks to be approved by this grant."""

    id: str
    request_id: str
    nonce: str
    title: str
    now: datetime


class CloseGrant(Recorded):
    """Argument of `close`: from now on the grant approves nothing more."""

    id: str
    now: datetime


class Candidate(Recorded):
    """A grant that could be used now."""

    id: str
    granted_by: str


class GrantCount(Recorded):
    """One grant and its uses, the oldest use first."""

    id: str
    granted_by: str
    until: datetime
    of: int
    uses: list[CountedUse] = Field(default_factory=list)
    closed: bool = False

    def usable(self, now: datetime) -> bool:
        """Whether the grant can be used once more."""
        return not self.closed and now < self.until and len(self.uses) < self.of

    def use_of(self, request_id: str, nonce: str) -> CountedUse | None:
        """The use by that start of a request; None if there is none."""
        return next((one for one in self.uses if (one.request_id, one.nonce) == (request_id, nonce)), None)


class GrantUsesState(Recorded):
    """The state of the entity. Expired grants are dropped when the next grant opens."""

    grants: list[GrantCount] = Field(default_factory=list)

    def of(self, grant: str) -> GrantCount | None:
        """The grant of that ID; None if there is none."""
        return next((one for one in self.grants if one.id == grant), None)

    def with_changed(self, changed: GrantCount) -> GrantUsesState:
        """The state with this grant replaced by its changed form."""
        kept = [changed if one.id == changed.id else one for one in self.grants]
        return GrantUsesState(grants=kept)


def grant_uses(ctx: EntityContext, given: Any) -> Any:
    """Operations: `open` (an OpenGrant) → whether it counts; `candidates` ({now}) → a list of Candidate.

    `use` (a UseGrant) → a GrantUse, or None if it does not count; `close` (a CloseGrant) → a list of CountedUse.
    """
    state = GrantUsesState.model_validate(ctx.get_state(dict, {}))
    answer: Any = None
    match ctx.operation:
        case "open":
            state, answer = _open(state, OpenGrant.model_validate(given))
        case "candidates":
            now = datetime.fromisoformat(given["now"])
            found = [one for one in state.grants if one.usable(now)]
            answer = [
                Candidate(id=one.id, granted_by=one.granted_by).model_dump(mode="json") for one in found
            ]
        case "use":
            state, use = _use(state, UseGrant.model_validate(given))
            answer = use.model_dump(mode="json") if use else None
        case "close":
            closing = CloseGrant.model_validate(given)
            if (known := state.of(closing.id)) is not None:
                state = state.with_changed(known.model_copy(update={"closed": True}))
            answer = [use.model_dump(mode="json") for use in (known.uses if known else [])]
        case "touch":
            pass
        case other:
            raise ValueError(f"a grant has no operation {other!r}")
    ctx.set_state(state.model_dump(mode="json") if state.grants else None)
    return answer


def _open(state: GrantUsesState, asked: OpenGrant) -> tuple[GrantUsesState, bool]:
    if (known := state.of(asked.id)) is not None:
        return state, not known.closed
    # A closed grant is kept until it expires, so that it cannot be opened again.
    kept = [one for one in state.grants if asked.now < one.until]
    if sum(not one.closed for one in kept) >= AT_ONCE or asked.now >= asked.until:
        return state, False
    new = GrantCount(id=asked.id, granted_by=asked.granted_by, until=asked.until, of=asked.of)
    return GrantUsesState(grants=[*kept, new]), True


def _use(state: GrantUsesState, asked: UseGrant) -> tuple[GrantUsesState, GrantUse | None]:
    grant = state.of(asked.id)
    if grant is None:
        return state, None
    counted = grant.use_of(asked.request_id, asked.nonce)
    if counted is None:
        if not grant.usable(asked.now):
            return state, None
        counted = CountedUse(
            number=len(grant.uses) + 1,
            request_id=asked.request_id,
            nonce=asked.nonce,
            title=asked.title[:TITLE],
            at=asked.now,
        )
        state = state.with_changed(grant.model_copy(update={"uses": [*grant.uses, counted]}))
    return state, GrantUse(
        grant=grant.id,
        granted_by=grant.granted_by,
        number=counted.number,
        of=grant.of,
        until=grant.until,
    )
