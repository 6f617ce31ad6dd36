"""The entity of used approvals: the first claim counts, and a number is never given again."""

from __future__ import annotations

from typing import Any

import pytest
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal.entity_state_shim import StateShim
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.request import HELD_CALL
from orchestration.held_calls.claims import CLAIMS_KEPT, Claim, HeldCallState, held_call
from orchestration.runtime.converter import PydanticConverter


class KeptClaims:
    """The entity on its own, with its state kept as a hub keeps it."""

    def __init__(self) -> None:
        self._kept = StateShim(None, PydanticConverter())

    def run(self, operation: str, given: Any = None) -> HeldCallState:
        entity = EntityInstanceId(HELD_CALL, "0" * 64)
        context = EntityContext("-", operation, self._kept, entity, PydanticConverter())
        held_call(context, given)
        return HeldCallState.model_validate(context.get_state(dict, {}))

    def claim(self, number: int, attempt: str) -> HeldCallState:
        claim = Claim(number=number, request_id="deploy-1", nonce="n", attempt=attempt)
        return self.run("claim", claim.model_dump(mode="json"))


def winner(state: HeldCallState, number: int) -> str | None:
    claim = state.claim_on(number)
    return claim.attempt if claim else None


def test_the_first_claim_of_a_number_counts_and_its_repeat_changes_nothing() -> None:
    entity = KeptClaims()
    assert winner(entity.claim(0, "one"), 0) == "one"
    assert winner(entity.claim(0, "two"), 0) == "one"
    state = entity.claim(0, "one")
    assert (winner(state, 0), state.number, len(state.claims)) == ("one", 1, 1)


def test_what_is_passed_by_cannot_be_claimed_and_what_is_claimed_not_passed_by() -> None:
    entity = KeptClaims()
    assert entity.run("pass_by", 0).number == 1
    assert winner(entity.claim(0, "late"), 0) is None
    assert entity.run("pass_by", 0).number == 1
    assert winner(entity.claim(1, "now"), 1) == "now"
    assert entity.run("pass_by", 1).number == 2
    assert winner(entity.claim(5, "early"), 5) is None
    assert entity.run("touch").number == 2
    with pytest.raises(ValueError, match="no operation 'unsealed'"):
        entity.run("unsealed")


@given(st.lists(st.tuples(st.sampled_from(["claim", "pass_by"]), st.integers(0, 6), st.sampled_from("abc"))))
def test_in_whatever_order_they_come_each_number_has_one_winner_for_good(
    operations: list[tuple[str, int, str]],
) -> None:
    entity, number, won = KeptClaims(), 0, dict[int, str]()
    for operation, about, attempt in operations:
        state = entity.claim(about, attempt) if operation == "claim" else entity.run("pass_by", about)
        assert number <= state.number <= number + 1
        number = state.number
        for claim in state.claims:
            assert won.setdefault(claim.number, claim.attempt) == claim.attempt
        assert len(state.claims) <= CLAIMS_KEPT
