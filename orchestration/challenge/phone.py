"""The `phone` entity: one number's open challenges, its hourly limit and its lock. Keyed by the number's keyed digest.

An entity runs one operation at a time across all processes, so the limit cannot be raced.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.request import Recorded

PER_HOUR: Final = 5
WINDOW: Final = timedelta(hours=1)


class Opening(Recorded):
    """Argument of `open`."""

    challenge_id: str
    now: datetime
    until: datetime


class Opened(Recorded):
    """Result of `open`: refused while locked; `locked_now` tells the one refusal that locked it."""

    allowed: bool
    locked_now: bool = False


class OpenChallenge(Recorded):
    """A challenge that waits for an answer from this number."""

    until: datetime


class PhoneState(Recorded):
    """The state of the entity."""

    open: dict[str, OpenChallenge] = Field(default_factory=dict)
    begun: list[datetime] = Field(
        default_factory=list, description="When the challenges of the last hour began"
    )
    locked_until: datetime | None = None


def phone(ctx: EntityContext, given: Any) -> Any:
    """Operations: `open` (an Opening) → Opened, `close` (a challenge's ID), `touch`, which changes nothing."""
    state = PhoneState.model_validate(ctx.get_state(dict, {}))
    match ctx.operation:
        case "open":
            opened, state = _open(state, Opening.model_validate(given))
            ctx.set_state(state.model_dump(mode="json"))
            return opened.model_dump(mode="json")
        case "close":
            rest = {challenge: what for challenge, what in state.open.items() if challenge != given}
            ctx.set_state(state.model_copy(update={"open": rest}).model_dump(mode="json"))
            return None
        case "touch":
            ctx.set_state(state.model_dump(mode="json"))
            return None
        case other:
            raise ValueError(f"a phone has no operation {other!r}")


def _open(state: PhoneState, opening: Opening) -> tuple[Opened, PhoneState]:
    """Begins a challenge, unless five began within the hour: then the number is locked for an hour."""
    now = opening.now
    still = {challenge: what for challenge, what in state.open.items() if what.until > now}
    if opening.challenge_id in still:  # the same start, delivered again
        return Opened(allowed=True), state
    begun = [at for at in state.begun if now - at < WINDOW]
    if state.locked_until is not None and now < state.locked_until:
        return Opened(allowed=False), state.model_copy(update={"open": still})
    if len(begun) >= PER_HOUR:
        locked = state.model_copy(update={"open": still, "begun": begun, "locked_until": now + WINDOW})
        return Opened(allowed=False, locked_now=True), locked
    still[opening.challenge_id] = OpenChallenge(until=opening.until)
    return Opened(allowed=True), PhoneState(open=still, begun=[*begun, now])
