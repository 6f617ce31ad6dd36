"""Which commands a request remembers, and for how long."""

from __future__ import annotations

import pytest

from orchestration.approval.repeats import DECISIONS_IN_ALL, DECISIONS_OF_ONE, OTHERS_KEPT, Repeats
from orchestration.approval.state import State
from orchestration.domain.commands import Command, Comment, Decision, Delegation, Reason
from orchestration.domain.request import Choice, RemarkKind, Via
from tests.support.identity import SHOWN
from tests.support.story import ASKED


def decision(
    command_id: str, actor: str = "U0ADA", choice: Choice = Choice.APPROVE, answered: int = 0
) -> Decision:
    return Decision(
        command_id=command_id,
        actor=actor,
        via=Via.CHAT,
        answered=answered,
        **SHOWN.model_dump(),
        round=1,
        choice=choice,
    )


def comment(command_id: str) -> Comment:
    return Comment(command_id=command_id, actor="U0ADA", via=Via.CHAT, kind=RemarkKind.COMMENT, text="x")


class Remembered:
    """The memory of a request that has answered these commands, kept through continue-as-new."""

    def __init__(self, *answered: tuple[Command, Reason]) -> None:
        self.state = State(asked_at=ASKED)
        for command, reason in answered:
            self.add(command, reason)

    def add(self, command: Command, reason: Reason = Reason.RECORDED) -> None:
        Repeats(self.state).remember(command, reason)

    def says(self, command: Command) -> Reason | None:
        return Repeats(State.model_validate_json(self.state.model_dump_json())).refusal(command)


def test_a_new_command_is_not_refused() -> None:
    assert Remembered().says(decision("k")) is None


@pytest.mark.parametrize(
    "reason", [Reason.RECORDED, Reason.UNCHANGED, Reason.CODE_SENT, Reason.NOT_AN_APPROVER]
)
def test_a_repeat_of_a_persons_last_gets_its_verdict_again(reason: Reason) -> None:
    assert Remembered((decision("k"), reason)).says(decision("k", answered=9)) is reason


@pytest.mark.parametrize("reason", [Reason.UNCHANGED, Reason.CODE_SENT, Reason.DIRECTORY_UNAVAILABLE])
def test_a_repeat_of_what_came_before_a_persons_last_that_counted_is_refused(reason: Reason) -> None:
    """A repeat is refused even where it did not count at first, as it could count now."""
    later = decision("k2", choice=Choice.REJECT)
    known = Remembered((decision("k1"), reason), (later, Reason.RECORDED))
    assert known.says(decision("k1", answered=9)) is Reason.SUPERSEDED
    assert known.says(later) is Reason.RECORDED


def test_a_delegation_overtakes_a_vote() -> None:
    handed = Delegation(
        command_id="k2", actor="U0ADA", via=Via.CHAT, **SHOWN.model_dump(), round=1, to="U0BOB"
    )
    known = Remembered((decision("k1"), Reason.RECORDED), (handed, Reason.RECORDED))
    assert known.says(decision("k1")) is Reason.SUPERSEDED


def test_what_others_decided_since_overtakes_nothing() -> None:
    known = Remembered((decision("k1"), Reason.RECORDED), (decision("k2", "U0BOB"), Reason.RECORDED))
    assert known.says(decision("k1")) is Reason.RECORDED


def test_a_code_that_came_makes_the_decision_its_persons_last() -> None:
    known = Remembered(
        (decision("k1"), Reason.CODE_SENT), (decision("k0", choice=Choice.REJECT), Reason.RECORDED)
    )
    known.add(decision("k1"))
    assert known.says(decision("k0", choice=Choice.REJECT)) is Reason.SUPERSEDED
    assert known.says(decision("k1")) is Reason.RECORDED


def test_comments_and_refusals_give_way_and_decisions_never_do() -> None:
    known = Remembered((decision("k1"), Reason.RECORDED), (decision("k2"), Reason.RECORDED))
    for number in range(OTHERS_KEPT + 10):
        known.add(comment(f"said-{number}"))
        known.add(decision(f"refused-{number}", f"U0X{number}"), Reason.NOT_AN_APPROVER)
    assert len(known.state.handled) == OTHERS_KEPT + 2
    assert known.says(decision("k1")) is Reason.SUPERSEDED
    assert known.says(comment("said-0")) is None
    assert known.says(comment(f"said-{OTHERS_KEPT + 9}")) is Reason.RECORDED


def test_who_decides_too_often_is_not_heard_any_more_and_nobody_else_is_touched() -> None:
    """With so many commands remembered, a further one could not be told from an old one."""
    known = Remembered(*((decision(f"k{number}"), Reason.RECORDED) for number in range(DECISIONS_OF_ONE)))
    assert known.says(decision("new", answered=9)) is Reason.TOO_OFTEN
    assert known.says(decision("k0")) is Reason.SUPERSEDED
    assert known.says(comment("new")) is None
    assert known.says(decision("new", "U0BOB")) is None


def test_the_memory_of_a_request_is_bounded_and_fits_the_hub() -> None:
    known = Remembered()
    entry, *_ = Remembered((decision("k", "U" + "X" * 30), Reason.RECORDED)).state.handled
    known.state.handled = [
        entry.model_copy(update={"id": f"{number:024x}"}) for number in range(DECISIONS_IN_ALL)
    ]
    assert known.says(decision("new", "U0BOB")) is Reason.TOO_OFTEN
    assert len(known.state.model_dump_json()) < 450_000


def test_the_id_of_what_was_refused_unobeyed_is_used_up() -> None:
    memory = Remembered((decision("k1", answered=5), Reason.RECORDED))
    late = decision("k2", answered=3)
    assert memory.says(late) is Reason.SUPERSEDED
    Repeats(memory.state).remember_refused(late, Reason.SUPERSEDED)
    assert memory.says(decision("k2", choice=Choice.REJECT, answered=9)) is Reason.ID_REUSED
    assert memory.says(late) is Reason.SUPERSEDED


def test_an_id_that_was_used_stays_with_its_first_command() -> None:
    memory = Remembered((decision("k"), Reason.RECORDED))
    Repeats(memory.state).remember_refused(decision("k", choice=Choice.REJECT), Reason.ID_REUSED)
    assert memory.says(decision("k")) is Reason.RECORDED
