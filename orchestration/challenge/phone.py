"""The `phone` entity: one number's open challenges, its hourly limit and its lock. Keyed by the number's keyed digest.

An entity runs one operation at a time across all processes, so parallel operations cannot exceed the limit. The entity
under `ACCOUNT` belongs to no number: it stores what an operator was told of the provider's account.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.request import Recorded

# Codes that did not come back. Somebody who presses in vain a few times is no attacker, and confirmed codes do not
# count.
PER_HOUR: Final = 10
WINDOW: Final = timedelta(hours=1)
TOLD_FOR: Final = timedelta(days=1)
ACCOUNT: Final = "account"
ENDED_KEPT: Final = 3  # challenges, so that a late reply can be told how its code ended


class Opening(Recorded):
    """Argument of `open`. `limit` is how many challenges that count against it may begin in an hour."""

    challenge_id: str
    now: datetime
    until: datetime
    limit: int = PER_HOUR


class Opened(Recorded):
    """Result of `open`: refused while locked. `locked_now` is set only on the refusal that locked it.

    Also refused, as `busy`, while the messages now being sent would reach the limit if all of them are accepted.
    """

    allowed: bool
    locked_now: bool = False
    busy: bool = False


class Closing(Recorded):
    """Argument of `close`. `counts` says whether the limit counts it, and `verified` that the number receives texts.

    If a challenge was counted when its message was sent, but does not count after all, its count is taken back.
    """

    challenge_id: str
    counts: bool
    verified: bool = False


class Telling(Recorded):
    """Argument of `tell`, which returns whether to tell an operator of `what`: at most once a day."""

    what: str
    now: datetime


class OpenChallenge(Recorded):
    """A challenge that waits for an answer from this number. It counts from when the provider accepted its message."""

    until: datetime
    begun: datetime
    counted: bool = False


class PhoneState(Recorded):
    """The state of the entity."""

    open: dict[str, OpenChallenge] = Field(default_factory=dict)
    ended: list[str] = Field(default_factory=list, description="The last few that were open, newest last")
    begun: list[datetime] = Field(
        default_factory=list, description="When those challenges of the last hour began that count"
    )
    locked_until: datetime | None = None
    told: dict[str, datetime] = Field(
        default_factory=dict, description="When an operator was told, by what of"
    )


def phone(ctx: EntityContext, given: Any) -> Any:
    """Runs one operation.

    `open` (an Opening) → Opened; `sent` (a challenge's ID): its message was accepted, so it counts; `close` (a
    Closing); `tell` (a Telling) → bool; `recovered`: the reported troubles are over; `touch`, which changes nothing.
    """
    state = PhoneState.model_validate(ctx.get_state(dict, {}))
    result: Any = None
    match ctx.operation:
        case "open":
            opened, state = _open(state, Opening.model_validate(given))
            result = opened.model_dump(mode="json")
        case "sent":
            state = _count(state, str(given))
        case "close":
            state = _close(state, Closing.model_validate(given))
        case "tell":
            result, state = _tell(state, Telling.model_validate(given))
        case "recovered":
            state = state.model_copy(update={"told": {}})
        case "touch":
            pass
        case other:
            raise ValueError(f"a phone has no operation {other!r}")
    ctx.set_state(state.model_dump(mode="json"))
    return result


def _open(state: PhoneState, opening: Opening) -> tuple[Opened, PhoneState]:
    """Begins a challenge. If the limit was reached within the last hour, locks the number for an hour instead."""
    now = opening.now
    for over in [challenge for challenge, what in state.open.items() if what.until <= now]:
        # It was never closed, so it is unknown whether its message was sent: it counts.
        state = _close(state, Closing(challenge_id=over, counts=True))
    state = state.model_copy(update={"begun": [at for at in state.begun if now - at < WINDOW]})
    if opening.challenge_id in state.open:  # the same start, delivered again
        return Opened(allowed=True), state
    if state.locked_until is not None and now < state.locked_until:
        return Opened(allowed=False), state
    if len(state.begun) >= opening.limit:
        locked = state.model_copy(update={"locked_until": now + WINDOW})
        return Opened(allowed=False, locked_now=True), locked
    if len(state.begun) + sum(not what.counted for what in state.open.values()) >= opening.limit:
        return Opened(allowed=False, busy=True), state
    begun = {**state.open, opening.challenge_id: OpenChallenge(until=opening.until, begun=now)}
    return Opened(allowed=True), state.model_copy(update={"open": begun, "locked_until": None})


def _count(state: PhoneState, challenge_id: str) -> PhoneState:
    """Counts the challenge, once."""
    what = state.open.get(challenge_id)
    if what is None or what.counted:
        return state
    counted = {**state.open, challenge_id: what.model_copy(update={"counted": True})}
    return state.model_copy(update={"open": counted, "begun": [*state.begun, what.begun]})


def _take_back(state: PhoneState, challenge_id: str) -> PhoneState:
    """Takes back the count of the challenge."""
    what = state.open.get(challenge_id)
    if what is None or not what.counted:
        return state
    begun = list(state.begun)
    if what.begun in begun:  # not there any more after an hour
        begun.remove(what.begun)
    return state.model_copy(update={"begun": begun})


def _close(state: PhoneState, closing: Closing) -> PhoneState:
    state = (_count if closing.counts else _take_back)(state, closing.challenge_id)
    rest = {challenge: what for challenge, what in state.open.items() if challenge != closing.challenge_id}
    ended = state.ended
    if closing.challenge_id in state.open:
        ended = [*ended, closing.challenge_id][-ENDED_KEPT:]
    told = {} if closing.verified else state.told
    return state.model_copy(update={"open": rest, "ended": ended, "told": told})


def _tell(state: PhoneState, telling: Telling) -> tuple[bool, PhoneState]:
    told = {what: at for what, at in state.told.items() if telling.now - at < TOLD_FOR}
    new = telling.what not in told
    return new, state.model_copy(update={"told": {**told, telling.what: told.get(telling.what, telling.now)}})
