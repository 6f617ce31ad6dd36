"""What the operator's file says of a person counts, whether or not a policy names the person."""

from __future__ import annotations

from typing import Final

import pytest

from orchestration.domain.commands import Reason
from orchestration.domain.people import PersonEntry
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.people import ALWAYS

POLICIES = """
[people.U0SUE]
away = { from = 2020-01-01, until = 2099-12-31 }
[people.U0SAM]
[people.U0FAY]
delegate = "U0LEE"

[policies.pool]
title = "Delegates of a group"
channel = "C0POOL"
delegates = ["S0SUBSTITUTES"]
[[policies.pool.levels]]
name = "One"
approvers = ["U0ADA", "S0MANAGERS"]
timeout = "1d"

[policies.open]
title = "Delegates as the operator entered them"
channel = "C0POOL"
[[policies.open.levels]]
name = "One"
approvers = ["U0ADA", "S0MANAGERS"]
timeout = "1d"
"""
BOOK: Final = parsed(POLICIES)
GROUPS: Final = {"S0SUBSTITUTES": ["U0SUE", "U0SAM"], "S0MANAGERS": ["U0FAY"]}


@pytest.mark.parametrize(("to", "reason"), [("U0SUE", Reason.DELEGATE_UNFIT), ("U0SAM", Reason.RECORDED)])
def test_a_delegate_whom_no_policy_names_is_seen_to_be_away(to: str, reason: Reason) -> None:
    with DirectRequest(BOOK, "pool", GROUPS) as request:
        assert request.press(request.delegation("U0ADA", to)) is reason


@pytest.mark.parametrize(("to", "delegates"), [("U0SUE", {}), ("U0SAM", {"U0ADA": "U0SAM"})])
def test_nor_is_such_a_delegate_put_in_the_place_of_somebody_away(to: str, delegates: dict[str, str]) -> None:
    absent = {"U0ADA": PersonEntry(delegate=to, away=ALWAYS)}
    with DirectRequest(BOOK, "pool", GROUPS, entries=absent) as request:
        assert request.level.delegates == delegates


def test_a_member_of_a_group_may_hand_over_to_whom_the_operator_entered_for_them() -> None:
    with DirectRequest(BOOK, "open", GROUPS) as request:
        assert request.press(request.delegation("U0FAY", "U0BOB")) is Reason.DELEGATE_NOT_ALLOWED
        assert request.press(request.delegation("U0FAY", "U0LEE")) is Reason.RECORDED


def test_a_policy_that_lists_its_delegates_means_these_alone() -> None:
    with DirectRequest(BOOK, "pool", GROUPS) as request:
        assert request.press(request.delegation("U0FAY", "U0LEE")) is Reason.DELEGATE_NOT_ALLOWED
