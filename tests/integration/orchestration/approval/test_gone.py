"""Who is asked and has left the workspace hears nothing, so others are told: at the opening, and with reminders."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import Reason
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest

LEVELS: Final = """
[[policies.{key}.levels]]
name = "First"
approvers = ["U0ADA", "U0GONE", "S0TEAM"]
remind_every = "1h"
timeout = "1d"
on_timeout = "escalate"
[policies.{key}.escalation]
channel = "C0MORE"
approvers = ["U0BOB", "U0LEFT"]
timeout = "1d"
"""
POLICIES = (
    """
[policies.owned]
title = "With an owner"
channel = "C0OWNED"
owner = "U0OLGA"
"""
    + LEVELS.format(key="owned")
    + """
[policies.unowned]
title = "Without one"
channel = "C0UNOWNED"
"""
    + LEVELS.format(key="unowned")
    + """
[policies.left]
title = "Whose owner has left"
channel = "C0LEFT"
owner = "U0GONE"
"""
    + LEVELS.format(key="left")
)
BOOK: Final = parsed(POLICIES)


def told(request: DirectRequest) -> list[tuple[str, list[str]]]:
    """Who was told of whom."""
    return [
        (one.user, one.step.people) for one in request.run.messages if one.notice is Notice.APPROVERS_GONE
    ]


@pytest.mark.parametrize(("policy", "who"), [("owned", "U0OLGA"), ("unowned", "U0RITA"), ("left", "U0RITA")])
def test_who_has_left_is_told_when_a_level_opens_and_when_it_escalates(policy: str, who: str) -> None:
    with DirectRequest(BOOK, policy, {"S0TEAM": ["U0SAM"]}, inactive={"U0GONE", "U0LEFT"}) as request:
        assert told(request) == [(who, ["U0GONE"])]
        assert [one.people for one in request.run.lines if one.kind is StepKind.APPROVERS_GONE] == [
            ["U0GONE"]
        ]
        request.run.advance(request.run.now + timedelta(days=1, minutes=1))
        assert told(request) == [(who, ["U0GONE"]), (who, ["U0LEFT"])]
        assert request.press(request.decision("U0BOB", round_=2)) is Reason.RECORDED


def test_who_leaves_later_is_told_once_and_is_not_reminded() -> None:
    with DirectRequest(BOOK, "owned", {"S0TEAM": ["U0SAM"]}) as request:
        assert told(request) == []
        request.people.inactive.add("U0SAM")
        request.run.advance(request.run.now + timedelta(hours=3, minutes=1))
        assert told(request) == [("U0OLGA", ["U0SAM"])]
        reminded = [one.people for one in request.run.lines if one.kind is StepKind.REMINDED]
        assert reminded == [["U0ADA", "U0GONE"]] * 3


def test_a_directory_that_is_silent_takes_nobody_for_gone() -> None:
    with DirectRequest(BOOK, "owned", {"S0TEAM": ["U0SAM"]}, silent=True, inactive={"U0GONE"}) as request:
        assert told(request) == []
        request.people.failing = False
        request.run.advance(request.run.now + timedelta(hours=1, minutes=1))
        assert told(request) == [("U0OLGA", ["U0GONE"])]
