"""The entities behind an agent's waiting calls: no grant is used too often, and no list closes with a call on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal.entity_state_shim import StateShim
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.request import AGENT_RUN, GRANT_USES
from orchestration.held_calls.agent_run import MOST, RunMember, RunState, agent_run
from orchestration.held_calls.grant_uses import (
    AT_ONCE,
    CloseGrant,
    GrantUsesState,
    OpenGrant,
    UseGrant,
    grant_uses,
)
from orchestration.runtime.converter import PydanticConverter

START = datetime(2026, 12, 1, 9, tzinfo=UTC)


class KeptEntity:
    """An entity on its own, with its state kept as a hub keeps it."""

    def __init__(self, name: str, run: Callable[[EntityContext, Any], Any]) -> None:
        self._kept = StateShim(None, PydanticConverter())
        self._id = EntityInstanceId(name, "0" * 40)
        self._run = run

    def run(self, operation: str, given: Any = None) -> Any:
        return self._run(EntityContext("-", operation, self._kept, self._id, PydanticConverter()), given)

    def state(self) -> Any:
        context = EntityContext("-", "touch", self._kept, self._id, PydanticConverter())
        return context.get_state(dict, {})


class KeptGrants(KeptEntity):
    def __init__(self) -> None:
        super().__init__(GRANT_USES, grant_uses)
        self.now = START

    def open(self, grant: str, of: int = 2, minutes: int = 60) -> Any:
        until = START + timedelta(minutes=minutes)
        asked = OpenGrant(id=grant, granted_by="U0ADA", until=until, of=of, now=self.now)
        return self.run("open", asked.model_dump(mode="json"))

    def use(self, grant: str, request: str, nonce: str = "n") -> int | None:
        asked = UseGrant(id=grant, request_id=request, nonce=nonce, title="t", now=self.now)
        used = self.run("use", asked.model_dump(mode="json"))
        return used["number"] if used else None

    def close(self, grant: str) -> list[str]:
        closing = CloseGrant(id=grant, now=self.now).model_dump(mode="json")
        return [use["request_id"] for use in self.run("close", closing)]

    def candidates(self) -> list[str]:
        return [one["id"] for one in self.run("candidates", {"now": self.now.isoformat()})]


def test_a_request_that_comes_again_is_the_same_use_and_the_last_use_is_the_last() -> None:
    grants = KeptGrants()
    assert grants.open("g") is True
    assert [grants.use("g", one) for one in ("a", "a", "b", "c", "a", "b")] == [1, 1, 2, None, 1, 2]
    assert grants.use("g", "a", "another start") is None
    assert grants.candidates() == []
    assert grants.close("g") == ["a", "b"]


def test_what_is_closed_or_over_is_never_used_nor_opened_again() -> None:
    grants = KeptGrants()
    grants.open("closed")
    grants.open("over", minutes=5)
    assert grants.close("closed") == []
    assert grants.use("closed", "a") is None
    assert grants.open("closed") is False, "as when the hub delivers the first operation once more"
    grants.now += timedelta(minutes=5)
    assert (grants.use("over", "a"), grants.candidates()) == (None, [])
    assert grants.open("late", minutes=5) is False
    assert grants.open("next") is True
    assert grants.use("closed", "a") is None
    assert grants.close("never there") == []


def test_only_so_many_stand_at_once() -> None:
    grants = KeptGrants()
    assert [grants.open(f"g{n}") for n in range(AT_ONCE + 1)] == [True] * AT_ONCE + [False]
    grants.close("g0")
    assert grants.open("one more") is True


@given(st.lists(st.tuples(st.sampled_from("gh"), st.sampled_from("abcdef"), st.booleans()), max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_no_grant_is_used_more_often_than_it_says(course: list[tuple[str, str, bool]]) -> None:
    grants = KeptGrants()
    grants.open("g", of=2)
    grants.open("h", of=3)
    numbers: dict[tuple[str, str], int] = {}
    closed: set[str] = set()
    for grant, request, closes in course:
        if closes and request == "a":
            grants.close(grant)
            closed.add(grant)
            continue
        number = grants.use(grant, request)
        if number is not None:
            assert numbers.setdefault((grant, request), number) == number
        assert number is None or grant not in closed or (grant, request) in numbers
    state = GrantUsesState.model_validate(grants.state())
    assert all(len(one.uses) <= one.of for one in state.grants)
    assert all([use.number for use in one.uses] == list(range(1, len(one.uses) + 1)) for one in state.grants)


class KeptRun(KeptEntity):
    def __init__(self) -> None:
        super().__init__(AGENT_RUN, agent_run)

    def join(self, request: str) -> str:
        return str(self.run("join", RunMember(request_id=request, nonce="n" * 22).model_dump(mode="json")))

    def leave(self, request: str) -> None:
        self.run("leave", RunMember(request_id=request, nonce="n" * 22).model_dump(mode="json"))


def test_calls_share_a_list_until_all_have_left_and_then_never_that_one_again() -> None:
    run = KeptRun()
    first = run.join("a")
    assert [run.join("b"), run.join("a")] == [first, first]
    run.leave("a")
    assert (run.run("over", first), run.join("c")) == (False, first)
    for one in ("b", "c", "c", "stranger"):
        run.leave(one)
    assert run.run("over", first) is True
    assert RunState.model_validate(run.state() or {}) == RunState()
    second = run.join("b")
    assert second != first
    assert (run.run("over", first), run.run("over", second)) == (True, False)


def test_a_list_takes_only_so_many_calls_and_an_older_one_closes_by_itself() -> None:
    run = KeptRun()
    lists = [run.join(f"r{n}") for n in range(MOST + 2)]
    first, second = lists[0], lists[-1]
    assert lists == [first] * MOST + [second] * 2
    assert run.join("r0") == first
    for n in range(MOST):
        assert run.run("over", first) is False
        run.leave(f"r{n}")
    assert (run.run("over", first), run.run("over", second)) == (True, False)
    assert run.join("late") == second


@pytest.mark.parametrize("entity", [KeptGrants, KeptRun])
def test_an_operation_that_there_is_not_is_refused(entity: type[KeptEntity]) -> None:
    with pytest.raises(ValueError, match="has no operation 'give'"):
        entity().run("give", {})  # type: ignore[call-arg]
