"""The `worklist` entity: the requests that concern a person or a user group. Its key is their ID.

It says where to look. What a request is about and how it stands is asked of the request itself, so that nothing here
can be out of date or tell more than a card does, and what was purged is gone. An ID that is signalled twice is there
once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.task import OrchestrationContext
from pydantic import Field

from orchestration.domain.ids import entity_key
from orchestration.domain.request import WORKLIST, Recorded

# A state is read and written whole with every signal, so each list keeps its newest. What waits is about 25 bytes a
# request, and nobody is to miss one: the limit is there for requests that signalled nothing when they ended.
WAITS_KEPT: Final = 1000
ASKED_KEPT: Final = 20
DECIDED_KEPT: Final = 20


class WorklistState(Recorded):
    """The state of the entity: request IDs, newest first."""

    waits: list[str] = Field(default_factory=list, description="They are named where it is to be decided")
    asked: list[str] = Field(default_factory=list, description="They asked for it")
    decided: list[str] = Field(default_factory=list, description="They voted on it")


def worklist(ctx: EntityContext, request_id: Any) -> None:
    """Operations, each with a request ID: `asked`, `waits`, `decided` (it waits no more), `done` (the same).

    `touch` changes nothing.
    """
    state = WorklistState.model_validate(ctx.get_state(dict, {}))
    match ctx.operation:
        case "asked":
            change = {"asked": _first(request_id, state.asked, ASKED_KEPT)}
        case "waits":
            change = {"waits": _first(request_id, state.waits, WAITS_KEPT)}
        case "decided":
            decided = _first(request_id, state.decided, DECIDED_KEPT)
            change = {"waits": _without(request_id, state.waits), "decided": decided}
        case "done":
            change = {"waits": _without(request_id, state.waits)}
        case "touch":
            change = {}
        case other:
            raise ValueError(f"a worklist has no operation {other!r}")
    state = state.model_copy(update=change)
    empty = not (state.waits or state.asked or state.decided)
    ctx.set_state(None if empty else state.model_dump(mode="json"))


def _first(request_id: str, others: list[str], kept: int) -> list[str]:
    return [request_id, *_without(request_id, others)][:kept]


def _without(request_id: str, others: list[str]) -> list[str]:
    return [other for other in others if other != request_id]


class WorklistUpdates:
    """One request's signals to the worklists, from its orchestration."""

    def __init__(self, ctx: OrchestrationContext, request_id: str) -> None:
        self._ctx = ctx
        self._request_id = request_id

    def asked(self, requester: str) -> None:
        """It is theirs."""
        self._signal("asked", [requester])

    def waits(self, principals: Collection[str]) -> None:
        """These people and groups may decide it now."""
        self._signal("waits", principals)

    def decided(self, person: str) -> None:
        """They have voted."""
        self._signal("decided", [person])

    def done(self, principals: Collection[str]) -> None:
        """It waits for them no more."""
        self._signal("done", principals)

    def change(self, before: Collection[str], now: Collection[str]) -> None:
        """Those who may decide it are others than before."""
        self.done([one for one in before if one not in now])
        self.waits([one for one in now if one not in before])

    def _signal(self, operation: str, principals: Collection[str]) -> None:
        for principal in dict.fromkeys(principals):
            self._ctx.signal_entity(
                EntityInstanceId(WORKLIST, entity_key(principal)), operation, self._request_id
            )
