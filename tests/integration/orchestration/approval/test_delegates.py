"""Who may be a delegate, which rounds one must leave decidable, and who is named where it waits."""

from __future__ import annotations

from typing import Final

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.commands import Reason
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.request import Status
from tests.support.direct_request import DirectRequest

ALL_YEAR: Final = Away.model_validate({"from": "2026-01-01", "until": "2026-12-31"})
POLICIES = """
[policies.self]
title = "The requester may decide"
channel = "C0SELF"
allow_self_approval = true
[[policies.self.levels]]
name = "Team"
approvers = ["U0RITA", "U0ADA", "U0BOB"]
timeout = "1d"

[policies.listed]
title = "Lists its delegates"
channel = "C0LISTED"
delegates = ["U0ADA"]
[[policies.listed.levels]]
name = "Team"
approvers = ["U0FIN", "U0BOB"]
timeout = "1d"

[policies.unlisted]
title = "Lists none"
channel = "C0UNLISTED"
[[policies.unlisted.levels]]
name = "Team"
approvers = ["U0FIN", "U0BOB"]
timeout = "1d"

[policies.two]
title = "Two in both rounds"
channel = "C0TWO"
[[policies.two.levels]]
name = "Team"
approvers = ["U0ADA", "U0BOB"]
quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.two.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0CY"]
timeout = "1d"

[policies.group]
title = "A group, and then Fay"
channel = "C0GROUP"
[[policies.group.levels]]
name = "Managers"
approvers = ["S0MANAGERS", "U0RITA"]
timeout = "1d"
on_timeout = "escalate"
[[policies.group.levels]]
name = "Finance"
approvers = ["U0FAY", "S0MANAGERS", "U0ADA"]
timeout = "1d"
[policies.group.escalation]
channel = "C0MORE"
approvers = ["U0MAX"]
timeout = "1d"

[people.U0ADA]
phone = "+12025550142"
[people.U0DIRK]
phone = "+12025550143"
[people.U0FIN]
phone = "+12025550144"
delegate = "U0DIRK"

[policies.coded]
title = "A code first, and then in the escalation"
channel = "C0CODED"
delegates = ["U0MAL", "U0FIN"]
[[policies.coded.levels]]
name = "First"
approvers = ["U0DIRK"]
sms = true
timeout = "1d"
[[policies.coded.levels]]
name = "Second"
approvers = ["U0ADA", "U0BOB"]
quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.coded.escalation]
channel = "C0MORE"
approvers = ["U0ADA"]
timeout = "1d"
"""
BOOK: Final = policy_file.parse(POLICIES, "delegates.toml", SlackIds())


def silence(request: DirectRequest) -> None:
    due = request.run.next_timer()
    assert due is not None
    request.run.advance(due)


# ---- who may be one --------------------------------------------------------------------------------------


def test_the_requester_is_nobody_s_delegate_even_where_they_may_decide() -> None:
    with DirectRequest(BOOK, "self") as request:
        assert request.press(request.delegation("U0ADA", "U0RITA")) is Reason.DELEGATE_UNFIT
        assert request.press(request.delegation("U0RITA", "U0BOB")) is Reason.RECORDED


def test_nor_while_somebody_is_away() -> None:
    away = {"U0ADA": PersonEntry(delegate="U0RITA", away=ALL_YEAR)}
    with DirectRequest(BOOK, "self", entries=away) as request:
        assert request.level.delegates == {}


@pytest.mark.parametrize(("policy", "asked"), [("listed", {}), ("unlisted", {"U0FIN": "U0DIRK"})])
def test_an_operator_s_delegate_has_to_be_on_the_list_where_a_policy_has_one(
    policy: str, asked: dict[str, str]
) -> None:
    away = {"U0FIN": PersonEntry(delegate="U0DIRK", away=ALL_YEAR)}
    with DirectRequest(BOOK, policy, entries=away) as request:
        assert request.level.delegates == asked
    with DirectRequest(BOOK, policy) as request:
        verdict = request.press(request.delegation("U0FIN", "U0DIRK"))
        assert verdict is (Reason.RECORDED if asked else Reason.DELEGATE_NOT_ALLOWED)


# ---- what one must leave ---------------------------------------------------------------------------------


def test_a_delegation_on_the_escalation_s_card_leaves_the_level_s_own_round_decidable() -> None:
    with DirectRequest(BOOK, "two") as request:
        silence(request)
        assert request.press(request.delegation("U0ADA", "U0BOB", round_=2)) is Reason.TOO_FEW_LEFT
        assert request.press(request.delegation("U0ADA", "U0CY", round_=2)) is Reason.RECORDED


def test_an_absence_at_the_escalation_leaves_the_level_s_own_round_decidable() -> None:
    with DirectRequest(BOOK, "two") as request:
        request.people.entries["U0ADA"] = PersonEntry(delegate="U0BOB", away=ALL_YEAR)
        silence(request)
        assert request.run.progress.status is Status.ESCALATED
        assert request.level.delegates == {}, "with Bob for Ada only one is left of two"


# ---- who is named where it waits -------------------------------------------------------------------------


def test_whoever_may_not_vote_is_not_waited_for() -> None:
    with DirectRequest(BOOK, "group", {"S0MANAGERS": ["U0ADA"]}) as request:
        assert request.level.approvers == ["S0MANAGERS"], "Rita asked for it"
        assert "U0RITA" not in request.waited_for()
        request.press(request.decision("U0ADA"))
        assert request.level.approvers == ["U0FAY", "S0MANAGERS"], "Ada has decided before"
        assert request.waited_for() == {"U0FAY", "S0MANAGERS"}


@pytest.mark.parametrize("decider", ["U0MAX", "U0BOB"])
def test_the_delegate_of_a_member_of_a_group_is_named_and_forgotten_again(decider: str) -> None:
    with DirectRequest(BOOK, "group", {"S0MANAGERS": ["U0ADA", "U0BOB"]}) as request:
        assert request.press(request.delegation("U0ADA", "U0MAX")) is Reason.RECORDED
        assert request.level.approvers == ["S0MANAGERS", "U0MAX"]
        assert request.waited_for() == {"S0MANAGERS", "U0MAX"}
        request.press(request.decision(decider))
        assert request.waited_for() == {"U0FAY", "S0MANAGERS"} | ({"U0ADA"} if decider == "U0BOB" else set())


def test_who_hands_over_anew_is_waited_for_no_more_nor_is_their_first_delegate() -> None:
    away = PersonEntry(delegate="U0MAL", away=ALL_YEAR)
    with DirectRequest(BOOK, "coded", entries={"U0ADA": away}) as request:
        request.press(request.decision("U0DIRK"))
        request.code_of("U0DIRK")
        assert request.waited_for() == {"U0MAL", "U0BOB"}
        silence(request)
        assert request.waited_for() == {"U0MAL", "U0BOB", "U0ADA"}, (
            "without a code Ada handed nothing over here"
        )
        request.press(request.delegation("U0ADA", "U0FIN", round_=3))
        request.code_of("U0ADA")
        assert request.waited_for() == {"U0BOB", "U0FIN"}
