"""A decision that was confirmed by the right code and still does not count: its person is told why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.domain.commands import Reason
from orchestration.domain.people import PersonEntry
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.people import ALWAYS, enrolled

POLICIES = """
[policies.wire]
title = "Wire transfer"
channel = "C0WIRES"
delegates = ["U0DIRK", "U0BOB"]
[[policies.wire.levels]]
name = "Finance"
approvers = ["S0MANAGERS", "U0DIRK"]
sms = true
timeout = "1d"
on_timeout = "escalate"
[policies.wire.escalation]
channel = "C0ESCALATIONS"
approvers = ["S0MANAGERS", "U0DIRK"]
timeout = "1d"

[policies.two]
title = "Two codes"
channel = "C0TWO"
[[policies.two.levels]]
name = "Finance"
approvers = ["U0ADA", "U0FAY"]
quorum = 2
sms = true
timeout = "1d"
"""
IN_VAIN = "✗ *“Steel”*: Your code was right, but what you confirmed does not count."
BOOK = parsed(POLICIES, enrolled("U0ADA", "U0FAY", "U0DIRK"))
MANAGERS = {"S0MANAGERS": ["U0ADA", "U0FAY"]}


@pytest.fixture
def wire() -> Iterator[DirectRequest]:
    """It takes one approval, by a member of the group or by Dirk, with a code."""
    with DirectRequest(BOOK, "wire", MANAGERS) as found:
        yield found


def test_who_has_left_the_group_meanwhile_is_told_so(wire: DirectRequest) -> None:
    assert wire.press(wire.decision("U0ADA")) is Reason.CODE_SENT
    wire.people.groups["S0MANAGERS"] = ["U0FAY"]
    wire.code_of("U0ADA")
    assert wire.told("U0ADA") == [
        f"{IN_VAIN} You are not one of the approvers of this request, so nothing changed."
    ]
    assert wire.run.progress.levels[0].decisions == []
    assert wire.steps()[-2:] == ["code_sent", "refused"]


@pytest.mark.parametrize("act", ["decide", "delegate"])
def test_a_silent_directory_is_not_called_a_fault_of_the_sms(wire: DirectRequest, act: str) -> None:
    pressed = wire.decision("U0ADA") if act == "decide" else wire.delegation("U0ADA", "U0DIRK")
    assert wire.press(pressed) is Reason.CODE_SENT
    wire.people.failing = True
    wire.code_of("U0ADA")
    [words] = wire.told("U0ADA")
    assert words == (
        f"{IN_VAIN} I could not look up just now who may decide this. Please press again in a minute; "
        "I then send a new code."
    )
    wire.people.failing = False
    again = wire.decision("U0ADA") if act == "decide" else wire.delegation("U0ADA", "U0DIRK")
    assert wire.press(again) is Reason.CODE_SENT
    wire.code_of("U0ADA")
    assert (wire.run.output is not None) is (act == "decide")
    assert wire.run.progress.levels[0].delegates == ({} if act == "decide" else {"U0ADA": "U0DIRK"})


def test_a_delegate_who_has_gone_away_meanwhile_is_told_to_who_confirmed(wire: DirectRequest) -> None:
    assert wire.press(wire.delegation("U0ADA", "U0DIRK")) is Reason.CODE_SENT
    wire.people.entries["U0DIRK"] = PersonEntry(away=ALWAYS)
    wire.code_of("U0ADA")
    [words] = wire.told("U0ADA")
    assert "That person cannot decide this for you" in words
    assert wire.run.progress.levels[0].delegates == {}


def test_a_delegate_without_a_phone_has_a_reason_of_their_own(wire: DirectRequest) -> None:
    assert wire.press(wire.delegation("U0ADA", "U0BOB")) is Reason.DELEGATE_NOT_ENROLLED


def test_of_two_who_confirm_at_once_the_second_is_told_that_it_was_too_late(wire: DirectRequest) -> None:
    wire.run.send(wire.decision("U0ADA"), wire.decision("U0FAY"))
    ada, fay = (wire.run.progress.confirming[who] for who in ("U0ADA", "U0FAY"))
    wire.run.codes_at_once(ada, fay)
    assert wire.run.output is not None
    assert wire.run.output.processed_by == "U0ADA"
    assert wire.told("U0ADA") == []
    assert wire.told("U0FAY") == [f"{IN_VAIN} This round was over before your code came."]


# ---- which code is meant ---------------------------------------------------------------------------------


def test_a_code_for_something_else_is_not_said_to_be_on_its_way(wire: DirectRequest) -> None:
    """Answering the code for the approval would approve, where the person now wants to hand it over."""
    assert wire.press(wire.decision("U0ADA")) is Reason.CODE_SENT
    assert wire.press(wire.decision("U0ADA")) is Reason.CODE_ON_ITS_WAY
    first = wire.run.progress.confirming["U0ADA"]
    assert wire.press(wire.delegation("U0ADA", "U0DIRK")) is Reason.CODE_SENT
    assert wire.press(wire.delegation("U0ADA", "U0DIRK")) is Reason.CODE_ON_ITS_WAY
    assert first not in wire.run.challenges
    wire.code_of("U0ADA")
    assert wire.run.progress.levels[0].delegates == {"U0ADA": "U0DIRK"}


def test_what_is_confirmed_is_what_was_pressed_last(wire: DirectRequest) -> None:
    assert wire.press(wire.decision("U0ADA")) is Reason.CODE_SENT
    assert wire.press(wire.decision("U0ADA", comment="Up to 10 t.")) is Reason.CODE_SENT
    wire.code_of("U0ADA")
    assert wire.run.output is not None
    assert [vote.comment for vote in wire.run.output.levels[0].decisions] == ["Up to 10 t."]


def test_who_has_confirmed_needs_no_code_to_say_it_again() -> None:
    with DirectRequest(BOOK, "two") as two:
        two.press(two.decision("U0ADA"))
        two.code_of("U0ADA")
        assert two.press(two.decision("U0ADA")) is Reason.UNCHANGED
        assert two.run.challenges == {}
