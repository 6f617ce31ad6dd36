"""What was confirmed by the right code and does not count all the same: its person is told why."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from bot.slack.ids import SlackIds
from bot.slack.messages.notices import notice
from orchestration.approval.outcome_activities import taken
from orchestration.domain import policy_file
from orchestration.domain.commands import Decision, Delegation, Reason
from orchestration.domain.policy import Away, PersonEntry
from orchestration.domain.request import ApprovalRequest, Choice, Via
from tests.support.direct import DirectRun, Neighbours

POLICIES = """
[people.U0ADA]
phone = "+12025550142"
[people.U0FAY]
phone = "+12025550143"
[people.U0DIRK]
phone = "+12025550144"

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
IN_VAIN = "✗ *Steel*: Your code was right, but what you confirmed does not count."
BOOK = policy_file.parse(POLICIES, "after-the-code.toml", SlackIds())
COUNT = itertools.count(1)


class Wire:
    """A request that takes one approval, by a member of the group or by Dirk, with a code."""

    def __init__(self, policy: str = "wire") -> None:
        self.people = Neighbours()
        self.people.groups["S0MANAGERS"] = ["U0ADA", "U0FAY"]
        request = ApprovalRequest(policy=policy, title="Steel", requester="U0RITA")
        self.run = DirectRun(taken(request, BOOK, SlackIds()), self.people)

    def decide(
        self, actor: str, choice: Choice = Choice.APPROVE, comment: str = "", round_: int = 1
    ) -> Decision:
        return Decision(**self._stamp(actor), round=round_, choice=choice, comment=comment)

    def delegate(self, actor: str, to: str) -> Delegation:
        return Delegation(**self._stamp(actor), round=1, to=to)

    def _stamp(self, actor: str) -> dict[str, Any]:
        identity = self.run.progress.identity
        return {
            "command_id": f"c{next(COUNT)}",
            "actor": actor,
            "via": Via.CHAT,
            "nonce": identity.nonce,
            "digest": identity.digest,
            "answered": self.run.progress.answered,
        }

    def press(self, command: Decision | Delegation) -> Reason | None:
        self.run.send(command)
        return self.run.verdict(command.command_id)

    def code_of(self, actor: str) -> None:
        """The right code comes from their phone."""
        self.run.code(self.run.progress.confirming[actor], right=True)

    def told(self, person: str) -> list[str]:
        """What the person was told, in words."""
        return [notice(message, {}).text for message in self.run.messages if message.user == person]

    def steps(self) -> list[str]:
        return [step.kind.value for step in self.run.lines]


@pytest.fixture
def wire() -> Iterator[Wire]:
    found = Wire()
    yield found
    found.run.close()


def test_who_has_left_the_group_meanwhile_is_told_so(wire: Wire) -> None:
    assert wire.press(wire.decide("U0ADA")) is Reason.CODE_SENT
    wire.people.groups["S0MANAGERS"] = ["U0FAY"]
    wire.code_of("U0ADA")
    assert wire.told("U0ADA") == [
        f"{IN_VAIN} You are not one of the approvers of this request, so nothing changed."
    ]
    assert wire.run.progress.levels[0].decisions == []
    assert wire.steps()[-2:] == ["code_sent", "refused"]


@pytest.mark.parametrize("act", ["decide", "delegate"])
def test_a_silent_directory_is_not_called_a_fault_of_the_sms(wire: Wire, act: str) -> None:
    pressed = wire.decide("U0ADA") if act == "decide" else wire.delegate("U0ADA", "U0DIRK")
    assert wire.press(pressed) is Reason.CODE_SENT
    wire.people.failing = True
    wire.code_of("U0ADA")
    [words] = wire.told("U0ADA")
    assert words == (
        f"{IN_VAIN} I could not look up just now who may decide this. Please press again in a minute; "
        "I then send a new code."
    )
    wire.people.failing = False
    again = wire.decide("U0ADA") if act == "decide" else wire.delegate("U0ADA", "U0DIRK")
    assert wire.press(again) is Reason.CODE_SENT
    wire.code_of("U0ADA")
    assert (wire.run.output is not None) is (act == "decide")
    assert wire.run.progress.levels[0].delegates == ({} if act == "decide" else {"U0ADA": "U0DIRK"})


def test_a_delegate_who_has_gone_away_meanwhile_is_told_to_who_confirmed(wire: Wire) -> None:
    assert wire.press(wire.delegate("U0ADA", "U0DIRK")) is Reason.CODE_SENT
    wire.people.entries["U0DIRK"] = PersonEntry(
        away=Away.model_validate({"from": "2020-01-01", "until": "2099-01-01"})
    )
    wire.code_of("U0ADA")
    [words] = wire.told("U0ADA")
    assert "That person cannot decide this for you" in words
    assert wire.run.progress.levels[0].delegates == {}


def test_a_delegate_without_a_phone_has_a_reason_of_their_own(wire: Wire) -> None:
    assert wire.press(wire.delegate("U0ADA", "U0BOB")) is Reason.DELEGATE_NOT_ENROLLED


def test_of_two_who_confirm_at_once_the_second_is_told_that_it_was_too_late(wire: Wire) -> None:
    wire.run.send(wire.decide("U0ADA"), wire.decide("U0FAY"))
    ada, fay = (wire.run.progress.confirming[who] for who in ("U0ADA", "U0FAY"))
    wire.run.codes_at_once(ada, fay)
    assert wire.run.output is not None
    assert wire.run.output.processed_by == "U0ADA"
    assert wire.told("U0ADA") == []
    assert wire.told("U0FAY") == [f"{IN_VAIN} This round was over before your code came."]


# ---- which code is meant ---------------------------------------------------------------------------------


def test_a_code_for_something_else_is_not_said_to_be_on_its_way(wire: Wire) -> None:
    """Answering the code for the approval would approve, where the person now wants to hand it over."""
    assert wire.press(wire.decide("U0ADA")) is Reason.CODE_SENT
    assert wire.press(wire.decide("U0ADA")) is Reason.CODE_ON_ITS_WAY
    first = wire.run.progress.confirming["U0ADA"]
    assert wire.press(wire.delegate("U0ADA", "U0DIRK")) is Reason.CODE_SENT
    assert wire.press(wire.delegate("U0ADA", "U0DIRK")) is Reason.CODE_ON_ITS_WAY
    assert first not in wire.run.challenges
    wire.code_of("U0ADA")
    assert wire.run.progress.levels[0].delegates == {"U0ADA": "U0DIRK"}


def test_what_is_confirmed_is_what_was_pressed_last(wire: Wire) -> None:
    assert wire.press(wire.decide("U0ADA")) is Reason.CODE_SENT
    assert wire.press(wire.decide("U0ADA", comment="Up to 10 t.")) is Reason.CODE_SENT
    wire.code_of("U0ADA")
    assert wire.run.output is not None
    assert [vote.comment for vote in wire.run.output.levels[0].decisions] == ["Up to 10 t."]


def test_who_has_confirmed_needs_no_code_to_say_it_again() -> None:
    wire = Wire("two")
    wire.press(wire.decide("U0ADA"))
    wire.code_of("U0ADA")
    assert wire.press(wire.decide("U0ADA")) is Reason.UNCHANGED
    assert wire.run.challenges == {}
    wire.run.close()
