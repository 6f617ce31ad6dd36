"""What a person does with their seat is checked in every round that it reaches: the code, and who would be left."""

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
[people.U0ADA]
phone = "+12025550142"
[people.U0MAL]
phone = "+12025550143"
[people.U0FIN]
phone = "+12025550144"
[people.U0FAY]
phone = "+12025550145"

[policies.inherits]
title = "The escalation needs the code of the first level"
channel = "C0INHERITS"
delegates = ["U0MAL", "U0CY"]
[[policies.inherits.levels]]
name = "First"
approvers = ["U0FIN", "U0FAY"]
sms = true
timeout = "1d"
[[policies.inherits.levels]]
name = "Second"
approvers = ["U0ADA", "U0BOB", "S0TEAM"]
timeout = "1d"
on_timeout = "escalate"
[policies.inherits.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "S0BOARD"]
timeout = "1d"

[policies.both]
title = "Two of the escalation, one of the level"
channel = "C0BOTH"
[[policies.both.levels]]
name = "Team"
approvers = ["U0ADA", "U0BOB"]
timeout = "1d"
on_timeout = "escalate"
[policies.both.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0BOB"]
quorum = 2
timeout = "1d"

[policies.stranded]
title = "Two levels need whoever is left"
channel = "C0STRANDED"
[[policies.stranded.levels]]
name = "First"
approvers = ["U0HAL", "U0BOB", "U0CY"]
quorum = 2
timeout = "1d"
[[policies.stranded.levels]]
name = "Second"
approvers = ["U0DAN", "U0BOB"]
timeout = "1d"
[[policies.stranded.levels]]
name = "Third"
approvers = ["U0HAL", "U0CY"]
timeout = "1d"

[policies.asker]
title = "It escalates to who asked"
channel = "C0ASKER"
[[policies.asker.levels]]
name = "Team"
approvers = ["U0ADA"]
timeout = "1d"
on_timeout = "escalate"
[policies.asker.escalation]
channel = "C0MORE"
approvers = ["U0RITA"]
timeout = "1d"
"""
BOOK = policy_file.parse(POLICIES, "reach.toml", SlackIds())
GROUPS: Final = {"S0TEAM": ["U0FAY", "U0TIM"], "S0BOARD": ["U0DIRK", "U0TIM"]}


def at_second_level(groups: dict[str, list[str]] | None = None) -> DirectRequest:
    """The first level, whose code the escalation of the second one inherits, is passed."""
    request = DirectRequest(BOOK, "inherits", groups or GROUPS)
    assert request.press(request.decision("U0FIN")) is Reason.CODE_SENT
    request.code_of("U0FIN")
    assert request.level.name == "Second"
    return request


# ---- a delegation needs the code of every round that it reaches --------------------------------------------


def test_a_delegation_needs_the_code_of_the_escalation_before_it_opens() -> None:
    """Whom it goes to then decides in both rounds, and Ada in neither."""
    with at_second_level() as request:
        assert request.press(request.delegation("U0ADA", "U0CY", 2)) is Reason.DELEGATE_NOT_ENROLLED
        assert request.press(request.delegation("U0ADA", "U0MAL", 2)) is Reason.CODE_SENT
        assert request.level.delegates == {}
        request.code_of("U0ADA")
        assert (request.level.delegates, request.level.confirmed) == ({"U0ADA": "U0MAL"}, ["U0ADA"])
        due = request.run.next_timer()
        assert due is not None
        request.run.advance(due)
        assert request.run.progress.status is Status.ESCALATED
        assert request.press(request.decision("U0ADA", round_=3)) is Reason.HANDED_OVER
        assert request.press(request.decision("U0MAL", round_=3)) is Reason.CODE_SENT
        request.code_of("U0MAL")
        assert request.run.output is not None
        assert request.run.output.processed_by == "U0MAL"


@pytest.mark.parametrize(
    ("actor", "verdict"),
    [
        ("U0BOB", Reason.RECORDED),  # no seat in the escalation
        ("U0TIM", Reason.DELEGATE_NOT_ENROLLED),  # one in both rounds, through a group
    ],
)
def test_a_delegation_needs_no_code_where_it_reaches_no_round_with_one(actor: str, verdict: Reason) -> None:
    with at_second_level() as request:
        assert request.press(request.delegation(actor, "U0CY", 2)) is verdict


def test_nobody_can_tell_which_rounds_it_reaches_while_the_directory_is_silent() -> None:
    with at_second_level() as request:
        request.people.failing = True
        assert request.press(request.delegation("U0ADA", "U0MAL", 2)) is Reason.DIRECTORY_UNAVAILABLE
        assert request.level.delegates == {}


# ---- who would be left in each of them -------------------------------------------------------------------


def test_a_delegation_that_would_make_the_escalation_impossible_is_refused_before_it_opens() -> None:
    with DirectRequest(BOOK, "both") as request:
        assert request.press(request.delegation("U0ADA", "U0BOB")) is Reason.TOO_FEW_LEFT
        assert request.level.delegates == {}


def test_an_absence_that_would_make_the_escalation_impossible_is_not_followed() -> None:
    entry = PersonEntry(delegate="U0BOB", away=ALL_YEAR)
    with DirectRequest(BOOK, "both", entries={"U0ADA": entry}) as request:
        assert request.level.delegates == {}
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert request.run.progress.status is Status.APPROVED


# ---- an approval leaves its round to others ----------------------------------------------------------------


def test_an_approval_that_would_leave_its_round_to_those_needed_later_is_refused() -> None:
    """Were Dan to approve for Hal, the later levels would need both Bob and Cy, and this one takes one more person."""
    entry = PersonEntry(delegate="U0DAN", away=ALL_YEAR)
    with DirectRequest(BOOK, "stranded", entries={"U0HAL": entry}) as request:
        assert request.level.delegates == {"U0HAL": "U0DAN"}
        assert request.press(request.decision("U0DAN")) is Reason.NEEDED_LATER
        assert request.run.progress.status is Status.PENDING
        for person in ("U0BOB", "U0CY"):
            assert request.press(request.decision(person)) is Reason.RECORDED
        assert request.level.name == "Second"


# ---- an escalation that cannot help ------------------------------------------------------------------------


def test_it_is_said_that_nobody_whom_it_escalates_to_may_decide() -> None:
    """Rita asks, and she is the only one it escalates to. Ada can still approve it."""
    with DirectRequest(BOOK, "asker") as request:
        due = request.run.next_timer()
        assert due is not None
        request.run.advance(due)
        [said] = [step.text for step in request.run.lines if step.kind == "escalated"]
        assert said == (
            "Nobody decided in time. Nobody whom it escalates to may decide it, "
            "but the approvers of the level Team still can."
        )
        assert request.press(request.decision("U0RITA", round_=2)) is Reason.SELF_APPROVAL
        assert request.press(request.decision("U0ADA")) is Reason.RECORDED
        assert request.run.progress.status is Status.APPROVED
