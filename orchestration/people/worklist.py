"""The `worklist` entity: the IDs of the requests that concern a person or a user group. Its key is their ID.

It holds IDs only. The content and status of a request are read from the request itself. So nothing here can be out of
date, show more than a card does, or outlive a purge. An ID that is signalled twice is listed once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.task import OrchestrationContext
from pydantic import BeforeValidator, Field

from orchestration.domain.ids import entity_key
from orchestration.domain.request import WORKLIST, Recorded
from orchestration.people.packed import Packed, unpacked
from orchestration.people.urgency import most_urgent

# A state is read and written whole with every signal, so each list is bounded. Of the waiting requests the most urgent
# are kept and the others counted; of the other lists the newest are kept.
WAITS_KEPT: Final = 1000
OPEN_KEPT: Final = 2000
ASKED_KEPT: Final = 20
DECIDED_KEPT: Final = 20


def _deadlines(given: Any) -> Any:
    return {one: until or None for one, until in unpacked(given).items()} if isinstance(given, str) else given


def _by_id(given: Any) -> Any:
    return unpacked(given) if isinstance(given, str) else given


class WorklistState(Recorded):
    """The state of the entity. The lists contain request IDs, newest first.

    In its JSON, `waits` and `open`, which may have a thousand entries, are texts of a `Packed`. A deadline is in
    seconds since 1970 there.
    """

    waits: Annotated[dict[str, datetime | None], BeforeValidator(_deadlines)] = Field(
        default_factory=dict, description="Where they are named to decide it, with its deadline"
    )
    unlisted: int = Field(default=0, description="How many less urgent ones wait that found no place")
    asked: list[str] = Field(default_factory=list, description="They asked for it")
    open: Annotated[dict[str, str], BeforeValidator(_by_id)] = Field(
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

    `decided` and `done`, also with a request ID: the request no longer waits. `touch` changes nothing.
    """
    # The JSON of a WorklistState, changed without parsing its lists: reading and writing a thousand entries would take
    # longer than all the rest of the operation.
    state = _brought_forward(ctx.get_state(dict, {}))
    match ctx.operation:
        case "asked":
            asked = OwnRequest.model_validate(given)
            _put_first(state, "asked", asked.request_id, ASKED_KEPT)
            opened = Packed(state.get("open", ""))
            if len(opened) < OPEN_KEPT:
                state["open"] = str(opened.put(asked.request_id, asked.token or ""))
        case "ended":
            state["open"] = str(Packed(state.get("open", "")).without(given))
        case "waits":
            _wait(state, Wait.model_validate(given))
        case "decided":
            _done(state, given)
            _put_first(state, "decided", given, DECIDED_KEPT)
        case "done":
            _done(state, given)
        case "touch":
            pass
        case other:
            raise ValueError(f"a worklist has no operation {other!r}")
    ctx.set_state(state if any(map(state.get, ("waits", "asked", "decided", "open"))) else None)


def _brought_forward(state: dict[str, Any]) -> dict[str, Any]:
    """The state, with lists that an older release wrote as JSON objects converted to texts."""
    if any(isinstance(state.get(name), dict) for name in ("waits", "open")):
        known = WorklistState.model_validate(state)
        waits = ((one, _seconds(until)) for one, until in known.waits.items())
        state |= {"waits": str(Packed.of(waits)), "open": str(Packed.of(known.open.items()))}
    return state


def _seconds(until: datetime | None) -> str:
    return str(int(until.timestamp())) if until else ""


def _wait(state: dict[str, Any], wait: Wait) -> None:
    """Adds the request. If that is one too many, the least urgent one is only counted."""
    waits = Packed(state.get("waits", "")).put(wait.request_id, _seconds(wait.until))
    if (over := len(waits) - WAITS_KEPT) > 0:
        deadlines = (
            (one, datetime.fromtimestamp(int(until), UTC) if until else None)
            for one, until in unpacked(str(waits)).items()
        )
        for one in most_urgent(deadlines)[WAITS_KEPT:]:
            waits = waits.without(one)
        state["unlisted"] = state.get("unlisted", 0) + over
    state["waits"] = str(waits)


def _done(state: dict[str, Any], request_id: str) -> None:
    """Removes the request. If it is not listed, it may be one of those that were only counted."""
    waits = Packed(state.get("waits", ""))
    if request_id in waits:
        state["waits"] = str(waits.without(request_id))
    else:
        state["unlisted"] = max(state.get("unlisted", 0) - 1, 0)


def _put_first(state: dict[str, Any], name: str, request_id: str, kept: int) -> None:
    others = [other for other in state.get(name, ()) if other != request_id]
    state[name] = [request_id, *others][:kept]


class WorklistUpdates:
    """Sends one request's signals to the worklists, from its orchestration."""

    def __init__(self, ctx: OrchestrationContext, request_id: str) -> None:
        self._ctx = ctx
        self._request_id = request_id

    def asked(self, requester: str, token: str | None) -> None:
        """Lists the request as the requester's own and open; `token` is the API token they asked by."""
        self._signal("asked", [requester], OwnRequest(request_id=self._request_id, token=token))

    def ended(self, requester: str) -> None:
        """Removes the request from the requester's open ones."""
        self._signal("ended", [requester])

    def waits(self, principals: Collection[str], until: datetime | None) -> None:
        """Lists the request for these people and groups, who may decide it `until` then."""
        self._signal("waits", principals, Wait(request_id=self._request_id, until=until))

    def decided(self, person: str) -> None:
        """Lists the request as decided by this person."""
        self._signal("decided", [person])

    def done(self, principals: Collection[str]) -> None:
        """Removes the request from the waiting ones of these people and groups."""
        self._signal("done", principals)

    def change(self, before: Collection[str], now: Collection[str], until: datetime | None) -> None:
        """Replaces the people and groups who may decide the request, `until` then."""
        self.done([one for one in before if one not in now])
        self.waits([one for one in now if one not in before], until)

    def _signal(self, operation: str, principals: Collection[str], given: Recorded | None = None) -> None:
        argument = self._request_id if given is None else given.model_dump(mode="json")
        for principal in dict.fromkeys(principals):
            self._ctx.signal_entity(EntityInstanceId(WORKLIST, entity_key(principal)), operation, argument)
