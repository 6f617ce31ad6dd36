"""The `agent_run` entity: the lists of waiting calls of one run of an agent. Its key is the run's.

An entity runs one operation at a time across all processes. So calls that come at the same moment are on one list, and
no call joins a list that all its calls have left.
"""

from __future__ import annotations

from typing import Any, Final

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.names import call_list_id
from orchestration.domain.request import Recorded

# The most calls that one list takes: all of them are in its state and in each edit of its card.
MOST: Final = 20


class RunMember(Recorded):
    """Argument of `join` and `leave`: one start of a request."""

    request_id: str
    nonce: str


class ListedMember(RunMember):
    """A waiting call, and the list it is on."""

    list_id: str


class RunState(Recorded):
    """The state of the entity: the list that takes calls now, how many it has taken, and the calls not yet ended."""

    list_id: str = ""
    joined: int = 0
    members: list[ListedMember] = Field(default_factory=list)

    def list_of(self, member: RunMember) -> str | None:
        """The list that the call is on; None if it is on none."""
        return next((one.list_id for one in self.members if _is(one, member)), None)


def agent_run(ctx: EntityContext, given: Any) -> Any:
    """Operations: `join` (a RunMember) → the ID of its list; `leave` (a RunMember); `over` (a list) → bool; `touch`.

    A list is over once all calls that joined it have left and no other call can join it. `touch` changes nothing.
    """
    state = RunState.model_validate(ctx.get_state(dict, {}))
    answer: Any = None
    match ctx.operation:
        case "join":
            member = RunMember.model_validate(given)
            state = _joined(state, member)
            answer = state.list_of(member)
        case "leave":
            state = _left(state, RunMember.model_validate(given))
        case "over":
            answer = state.list_id != given and all(one.list_id != given for one in state.members)
        case "touch":
            pass
        case other:
            raise ValueError(f"a run has no operation {other!r}")
    ctx.set_state(state.model_dump(mode="json") if state.members else None)
    return answer


def _joined(state: RunState, member: RunMember) -> RunState:
    if state.list_of(member) is not None:
        return state
    name, joined = state.list_id, state.joined
    if not name or joined >= MOST:
        name, joined = call_list_id(member.request_id, member.nonce), 0
    listed = ListedMember(request_id=member.request_id, nonce=member.nonce, list_id=name)
    return RunState(list_id=name, joined=joined + 1, members=[*state.members, listed])


def _left(state: RunState, member: RunMember) -> RunState:
    left = [one for one in state.members if not _is(one, member)]
    if any(one.list_id == state.list_id for one in left):
        return RunState(list_id=state.list_id, joined=state.joined, members=left)
    return RunState(members=left)


def _is(one: RunMember, other: RunMember) -> bool:
    return (one.request_id, one.nonce) == (other.request_id, other.nonce)
