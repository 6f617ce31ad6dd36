"""The `agent_run` entity: which list of waiting calls the calls of one run of an agent are on. Its key is the run's.

An entity runs one operation at a time across all processes. So calls that come at the same moment are on one list, and
a list that all calls have left gets no other one.
"""

from __future__ import annotations

from typing import Any

from durabletask.entities import EntityContext
from pydantic import Field

from orchestration.domain.names import call_list_id
from orchestration.domain.request import Recorded


class RunMember(Recorded):
    """Argument of `join` and `leave`: that start of a request."""

    request_id: str
    nonce: str


class RunState(Recorded):
    """The state of the entity: the list that is open, and the calls on it that have not ended."""

    list_id: str = ""
    members: list[RunMember] = Field(default_factory=list)


def agent_run(ctx: EntityContext, given: Any) -> Any:
    """Operations: `join` (a RunMember) → the ID of its list; `leave` (a RunMember); `over` (a list) → whether it is.

    A list is over once all that joined it have left. `touch` changes nothing.
    """
    state = RunState.model_validate(ctx.get_state(dict, {}))
    answer: Any = None
    match ctx.operation:
        case "join":
            member = RunMember.model_validate(given)
            name = state.list_id or call_list_id(member.request_id, member.nonce)
            others = [one for one in state.members if one != member]
            state, answer = RunState(list_id=name, members=[*others, member]), name
        case "leave":
            left = RunMember.model_validate(given)
            others = [one for one in state.members if one != left]
            state = RunState(list_id=state.list_id, members=others) if others else RunState()
        case "over":
            answer = state.list_id != given
        case "touch":
            pass
        case other:
            raise ValueError(f"a run has no operation {other!r}")
    ctx.set_state(state.model_dump(mode="json") if state.members else None)
    return answer
