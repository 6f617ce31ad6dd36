"""The `worklist` entity: the requests that concern a person or a user group. Its key is their ID.

It says where to look. What a request is about and how it stands is asked of the request itself, so that nothing here
can be out of date or tell more than a card does, and what was purged is gone. An ID that is signalled twice is there
once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.task import OrchestrationContext
from pydantic import Field

from orchestration.domain.ids import entity_key
from orchestration.domain.request import WORKLIST, Recorded
from orchestration.people.urgency import most_urgent

# A state is read and written whole with every signal, so each list is bounded: of what waits, the most urgent are kept
# and the others counted; of the rest the newest are kept.
WAITS_KEPT: Final = 1000
OPEN_KEPT: Final = 2000
ASKED_KEPT: Final = 20
DECIDED_KEPT: Final = 20


class WorklistState(Recorded):
    """The state of the entity. The lists are of request IDs, newest first."""

    waits: dict[str, datetime | None] = Field(
        default_factory=dict, description="Where they are named to decide it, with its deadline"
    )
    unlisted: int = Field(default=0, description="How many less urgent ones wait that found no place")
    asked: list[str] = Field(default_factory=list, description="They asked for it")
    open: dict[str, str] = Field(
        default_factory=dict, description="What they asked for and has not ended, with the API token or empty"
    )
    decided: list[str] = Field(default_factory=list, description="They voted on it")


class Wait(Recorded):
    """Argument of `waits`."""

    request_id: str
    until: datetime | None = None


class OwnRequest(Recorded):
    """Argument of `asked`."""

    request_id: str
    token: str | None = None


def worklist(ctx: EntityContext, given: Any) -> None:
    """Operations: `asked` (an OwnRequest), `waits` (a Wait), and with a request ID `ended`, which undoes `asked`.

    `decided` and `done`, with a request ID too: it waits no more. `touch` changes nothing.
    """
    state = WorklistState.model_validate(ctx.get_state(dict, {}))
    change: dict[str, Any]
    match ctx.operation:
        case "asked":
            asked = OwnRequest.model_validate(given)
            opened = state.open | (
                {asked.request_id: asked.token or ""} if len(state.open) < OPEN_KEPT else {}
            )
            change = {"asked": _first(asked.request_id, state.asked, ASKED_KEPT), "open": opened}
        case "ended":
            change = {"open": {one: token for one, token in state.open.items() if one != given}}
        case "waits":
            change = _waiting(state, Wait.model_validate(given))
        case "decided":
            change = _done(state, given) | {"decided": _first(given, state.decided, DECIDED_KEPT)}
        case "done":
            change = _done(state, given)
        case "touch":
            change = {}
        case other:
            raise ValueError(f"a worklist has no operation {other!r}")
    state = state.model_copy(update=change)
    empty = not (state.waits or state.asked or state.decided or state.open)
    ctx.set_state(None if empty else state.model_dump(mode="json"))


def _waiting(state: WorklistState, wait: Wait) -> dict[str, Any]:
    """With it there. Where that is one too many, the least urgent one is counted instead."""
    waits = state.waits | {wait.request_id: wait.until}
    if len(waits) <= WAITS_KEPT:
        return {"waits": waits}
    kept = most_urgent(waits.items())[:WAITS_KEPT]
    return {"waits": {one: waits[one] for one in kept}, "unlisted": state.unlisted + len(waits) - len(kept)}


def _done(state: WorklistState, request_id: str) -> dict[str, Any]:
    """Without it. Where it was not there, it may be one of those that were only counted."""
    if request_id not in state.waits:
        return {"unlisted": max(state.unlisted - 1, 0)}
    return {"waits": {one: until for one, until in state.waits.items() if one != request_id}}


def _first(request_id: str, others: list[str], kept: int) -> list[str]:
    return [request_id, *_without(request_id, others)][:kept]


def _without(request_id: str, others: list[str]) -> list[str]:
    return [other for other in others if other != request_id]


class WorklistUpdates:
    """One request's signals to the worklists, from its orchestration."""

    def __init__(self, ctx: OrchestrationContext, request_id: str) -> None:
        self._ctx = ctx
        self._request_id = request_id

    def asked(self, requester: str, token: str | None) -> None:
        """It is theirs, and open. They asked by this API token, or by none."""
        self._signal("asked", [requester], OwnRequest(request_id=self._request_id, token=token))

    def ended(self, requester: str) -> None:
        """It is not open any more."""
        self._signal("ended", [requester])

    def waits(self, principals: Collection[str], until: datetime | None) -> None:
        """These people and groups may decide it now, until then."""
        self._signal("waits", principals, Wait(request_id=self._request_id, until=until))

    def decided(self, person: str) -> None:
        """They have voted."""
        self._signal("decided", [person])

    def done(self, principals: Collection[str]) -> None:
        """It waits for them no more."""
        self._signal("done", principals)

    def change(self, before: Collection[str], now: Collection[str], until: datetime | None) -> None:
        """Those who may decide it, until then, are others than before."""
        self.done([one for one in before if one not in now])
        self.waits([one for one in now if one not in before], until)

    def _signal(self, operation: str, principals: Collection[str], given: Recorded | None = None) -> None:
        argument = self._request_id if given is None else given.model_dump(mode="json")
        for principal in dict.fromkeys(principals):
            self._ctx.signal_entity(EntityInstanceId(WORKLIST, entity_key(principal)), operation, argument)
