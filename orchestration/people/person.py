"""The `person` entity: the reminders of one person, and whether they are away. Keyed by the person's ID.

Only levels that remind, or whose quorum is all, tell it what waits. Everything that waits for a person, or for their
groups, is on the `worklist`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.cards import Waiting
from orchestration.domain.effects import DelegateChange
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import DELEGATE_CHANGE, Recorded
from orchestration.people.urgency import most_urgent

# With more than this many waiting, a person gets one digest a day instead of a ping each.
MANY: Final = 5
# The state is read and written whole, so only the most urgent of the waiting requests are kept; the rest are counted.
WAITS_KEPT: Final = 200
DIGEST_KEPT: Final = 20
DIGEST_EVERY: Final = timedelta(days=1)
# SMS an hour about changes of the delegate. A chat message reports every change.
TEXTS_PER_HOUR: Final = 5
CHANGES_KEPT: Final = 20
# How far the clocks of two processes that take changes may differ.
CLOCKS_DIFFER: Final = timedelta(minutes=5)


class Reminder(Recorded):
    """Whether to remind: with the digest if there is one, not at all if `quiet`."""

    quiet: bool = False
    digest: list[Waiting] = Field(default_factory=list, description="The most urgent")
    more: int = Field(default=0, description="How many others wait")


class Changed(Recorded):
    """A change of a person's entry that was applied."""

    id: str
    at: datetime


class PersonState(Recorded):
    """The state of the entity."""

    waits: dict[str, Waiting] = Field(default_factory=dict, description="The most urgent")
    unlisted: int = Field(default=0, description="How many others found no place")
    digest_at: datetime | None = None
    entry: PersonEntry | None = None
    changes: list[Changed] = Field(default_factory=list, description="The last ones, newest last")
    changed: int = Field(default=0, description="How many changes were obeyed in all")
    texted: list[datetime] = Field(default_factory=list, description="When, within the last hour")


def person(ctx: EntityContext, given: Any) -> Any:
    """Operations: `waits` (a Waiting), `done` (a request ID), `remind` ({now}) → Reminder, `entry` → their own entry.

    `set_entry` (a DelegateChange) starts `delegate_change` if it changes anything. That orchestration calls `may_text`
    ({now}) → whether to send an SMS. `touch` changes nothing.
    """
    state = PersonState.model_validate(ctx.get_state(dict, {}))
    match ctx.operation:
        case "waits":
            wait = Waiting.model_validate(given)
            waits = {**state.waits, wait.request_id: wait}
            kept = {one.request_id: one for one in _by_deadline(waits)[:WAITS_KEPT]}
            state = state.model_copy(
                update={"waits": kept, "unlisted": state.unlisted + len(waits) - len(kept)}
            )
        case "done":
            rest = {request_id: wait for request_id, wait in state.waits.items() if request_id != given}
            # A request that is not listed may be one of those that were only counted.
            others = state.unlisted if given in state.waits else max(state.unlisted - 1, 0)
            state = state.model_copy(update={"waits": rest, "unlisted": others})
        case "remind":
            reminder, state = _remind(state, datetime.fromisoformat(given["now"]))
            _keep(ctx, state)
            return reminder.model_dump(mode="json")
        case "set_entry":
            change = DelegateChange.model_validate(given)
            if _came_before(change, state):
                return None
            if change.entry != state.entry:
                ctx.schedule_new_orchestration(
                    DELEGATE_CHANGE, input=change.model_dump(mode="json", by_alias=True)
                )
            obeyed = [*state.changes, Changed(id=change.change_id, at=change.changed_at)]
            state = state.model_copy(
                update={
                    "entry": change.entry,
                    "changes": obeyed[-CHANGES_KEPT:],
                    "changed": state.changed + 1,
                }
            )
        case "touch":
            pass
        case "entry":
            return state.entry.model_dump(mode="json", by_alias=True) if state.entry else None
        case "may_text":
            now = datetime.fromisoformat(given["now"])
            texted = [at for at in state.texted if now - at < timedelta(hours=1)]
            may = len(texted) < TEXTS_PER_HOUR
            _keep(ctx, state.model_copy(update={"texted": [*texted, now] if may else texted}))
            return may
        case other:
            raise ValueError(f"a person has no operation {other!r}")
    _keep(ctx, state)
    return None


def _came_before(change: DelegateChange, state: PersonState) -> bool:
    """Whether the change is a repeat: whoever controls the hub may keep an old sealed change, and send it again.

    A change that follows all known ones is the newest, whatever its time says, so that a clock that was set back keeps
    nobody from returning. Two changes may be made at once; then their times decide.
    """
    if any(one.id == change.change_id for one in state.changes):
        return True
    if change.follows >= state.changed:
        return False
    newest = max((one.at for one in state.changes), default=change.changed_at)
    return change.changed_at < newest - CLOCKS_DIFFER


def _keep(ctx: EntityContext, state: PersonState) -> None:
    """Stores the state. An empty state is deleted, so that a person for whom nothing waits leaves nothing behind."""
    empty = not state.waits and state.entry is None and not state.texted and not state.changes
    ctx.set_state(None if empty else state.model_dump(mode="json", by_alias=True))


def _remind(state: PersonState, now: datetime) -> tuple[Reminder, PersonState]:
    in_all = len(state.waits) + state.unlisted
    if in_all <= MANY:
        return Reminder(), state
    if state.digest_at is not None and now - state.digest_at < DIGEST_EVERY:
        return Reminder(quiet=True), state
    digest = _by_deadline(state.waits)[:DIGEST_KEPT]
    return Reminder(digest=digest, more=in_all - len(digest)), state.model_copy(update={"digest_at": now})


def _by_deadline(waits: dict[str, Waiting]) -> list[Waiting]:
    """The waiting requests, the most urgent first; those without a deadline last."""
    order = most_urgent((request_id, wait.deadline) for request_id, wait in waits.items())
    return [waits[request_id] for request_id in order]
