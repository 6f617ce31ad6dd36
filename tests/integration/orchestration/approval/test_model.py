"""The real orchestration against a model of the rules: random policies, and random acts of everybody.

The model is written from docs/reference/deciding.md alone. After each act both must say the same, and rules that no
act may ever break are checked against what people really did. COUNTERSIGN_PROOF=1 makes thousands of runs.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestration.challenge.models import Trouble
from orchestration.domain.commands import Command, Decision, Delegation
from orchestration.domain.request import Choice, RemarkKind
from tests.support.decision_cases import (
    ANYBODY,
    GROUPS,
    PERSONS,
    REQUESTER,
    Drawn,
    anybody,
    case_of,
    drawn,
    group_members,
    policy_of,
    request_of,
    taken,
)
from tests.support.decision_course import Course
from tests.support.decision_model import AwayEntry
from tests.support.identity import OTHER_NONCE
from tests.support.possible import Terms, possible

PROOF: Final = bool(os.environ.get("COUNTERSIGN_PROOF"))
# Each batch of runs has a seed of its own. COUNTERSIGN_SEED plays one again.
SEED: Final = int(os.environ.get("COUNTERSIGN_SEED", "0"))
RUNS, STEPS = (250, 50) if PROOF else (30, 40)
BATCHES, MINUTES = (40, 15) if PROOF else (1, 1)

choices = st.sampled_from([*[Choice.APPROVE] * 5, Choice.REJECT])
comments = st.sampled_from(["no", "no", ""])


class Deciding(RuleBasedStateMachine):
    """Draws what is asked and what people do; `Course` does it and judges."""

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.course: Course | None = None
        self.held: list[Decision | Delegation] = []

    @property
    def at(self) -> Course:
        """The request that is open."""
        assert self.course is not None
        return self.course

    def _open(self) -> bool:
        return self.course is not None and self.course.ended is None

    while_open = precondition(_open)

    # ---- how it begins -----------------------------------------------------------------------------------

    @initialize(asked=drawn())
    def ask(self, asked: Drawn) -> None:
        self.figures["runs"] += 1
        self._ask(asked)

    @precondition(lambda self: not self._open())
    @rule(asked=drawn())
    def ask_again(self, asked: Drawn) -> None:
        """The one before was refused, or has ended."""
        if self.course is not None:
            self.course.close()
        self.course, self.held = None, []
        self._ask(asked)

    def _ask(self, asked: Drawn) -> None:
        case = case_of(asked)
        policy = policy_of(asked, case)
        can_be = possible(case.terms(), GROUPS, repeat=case.allow_repeat)
        assert (policy is not None) == can_be, "it can be decided" if can_be else "nobody can decide it"
        self.figures["policies refused"] += policy is None
        if policy is None:
            return
        request = request_of(asked, policy)
        barred = set() if case.allow_self else {REQUESTER}
        own: list[tuple[Terms, Terms | None]] = [(first, None) for first, _ in case.terms()]
        can_be = possible(own, GROUPS, barred, repeat=case.allow_repeat)
        assert (request is not None) == can_be, "it can be decided" if can_be else "nobody can decide it"
        self.figures["requests refused"] += request is None
        if request is not None:
            self.figures["requests"] += 1
            self.course = Course(taken(asked, case, policy, request), self.figures)
            for what in asked.prelude:
                self.course.prelude(what)

    # ---- what people do ----------------------------------------------------------------------------------

    def _round(self, older: int) -> int:
        return max(self.at.model.last_round - older, 1)

    @while_open
    @rule(
        actor=anybody | st.sampled_from(PERSONS[:3]),
        choice=choices,
        older=st.sampled_from([0, 0, 0, 1]),
        comment=comments,
        named=st.booleans(),
        later=st.sampled_from([False, False, True]),
    )
    def decide(
        self, actor: str, choice: Choice, older: int, comment: str, *, named: bool, later: bool
    ) -> None:
        number = self._round(older if named else 0)
        act = self.at.make(Decision, actor, round=number, round_named=named, choice=choice, comment=comment)
        if later:
            self.held.append(act)
        else:
            self.at.decide(act)

    @while_open
    @rule(data=st.data(), choice=choices, confirm=st.booleans())
    def decide_well(self, data: st.DataObject, choice: Choice, *, confirm: bool) -> None:
        """Somebody who may decide does so. With random people too few requests would get far."""
        model = self.at.model
        may = sorted((who, one) for one in model.rounds for who in ANYBODY if model.seats(who, one))
        if may:
            actor, number = data.draw(st.sampled_from(may))
            self.at.decide(self.at.make(Decision, actor, round=number, choice=choice, comment="no"))
            if confirm:
                self.at.confirm_all_of(actor)

    @while_open
    @rule()
    def approve_all_but_one(self) -> None:
        """Of those whom the newest round can count on."""
        self.at.approve(self.at.model.last_round, but_one=True)

    @while_open
    @rule(newest=st.booleans())
    def approve_all(self, *, newest: bool) -> None:
        """As many as it takes for one of the rounds."""
        self.at.approve(self.at.model.last_round if newest else self.at.model.own_round)

    @while_open
    @rule(actor=anybody, to=st.sampled_from([*ANYBODY, GROUPS[0]]), older=st.sampled_from([0, 0, 0, 1]))
    def delegate(self, actor: str, to: str, older: int) -> None:
        self.at.delegate(self.at.make(Delegation, actor, round=self._round(older), to=to))

    @while_open
    @rule(data=st.data(), confirm=st.booleans())
    def delegate_well(self, data: st.DataObject, *, confirm: bool) -> None:
        """Somebody who may delegate does so, to somebody who may be a delegate."""
        if fit := self.at.handings():
            number, actor, to = data.draw(st.sampled_from(fit))
            self.at.delegate(self.at.make(Delegation, actor, round=number, to=to))
            if confirm:
                self.at.confirm_all_of(actor)

    @precondition(lambda self: self._open() and self.at.awaited)
    @rule(
        data=st.data(), end=st.sampled_from(["right", "right", "wrong", "expired", "reject", "other round"])
    )
    def code(self, data: st.DataObject, end: str) -> None:
        """The code comes, or does not; or its person decides otherwise before it comes."""
        challenge = data.draw(st.sampled_from(sorted(self.at.awaited)))
        actor = self.at.awaited[challenge].actor
        number = self.at.awaited[challenge].round
        if end == "right":
            self.at.confirm(challenge)
        elif end == "reject":
            self.at.decide(self.at.make(Decision, actor, round=number, choice=Choice.REJECT, comment="no"))
        elif end == "other round":
            number = self.at.model.own_round + self.at.model.last_round - number
            self.at.decide(self.at.make(Decision, actor, round=number, choice=Choice.APPROVE))
        else:
            self.at.fail_code(challenge, Trouble(end))

    @while_open
    @rule(
        data=st.data(),
        how=st.sampled_from(
            ["again", "again", "late", "late", "overtaken", "overtaken", "ID", "nonce", "digest", "group"]
        ),
        actor=anybody,
        choice=choices,
    )
    def send_oddly(self, data: st.DataObject, how: str, actor: str, choice: Choice) -> None:
        """A command comes again or late, or its ID comes with another command, or it is about something else."""
        number, sent = self.at.model.last_round, self.at.sent
        if how == "late" and self.held:
            self._do(self.held.pop(0))
        elif how == "overtaken" and (acted := {one: at for one, at in self.at.last_counted.items() if at}):
            who = data.draw(st.sampled_from(sorted(acted)))
            stamp = {"answered": acted[who] - 1, "comment": "no"}
            self._do(self.at.make(Decision, who, round=number, choice=choice, **stamp))
        elif how == "again" and sent:
            self.at.deliver_again(data.draw(st.sampled_from(sent)))
        elif how == "ID" and sent:
            said = f"once more {self.at.made}"  # which no other command says
            act = self.at.make(Decision, actor, round=number, choice=choice, comment=said)
            self._do(act.model_copy(update={"command_id": data.draw(st.sampled_from(sent)).command_id}))
        else:
            wrong = {
                "nonce": {"nonce": OTHER_NONCE},
                "digest": {"digest": "0" * 64},
                "group": {"actor": GROUPS[0]},
            }
            act = self.at.make(Decision, actor, round=number, choice=choice, comment="no")
            self._do(act.model_copy(update=wrong.get(how, {})))

    def _do(self, command: Command) -> None:
        if isinstance(command, Decision):
            self.at.decide(command)
        elif isinstance(command, Delegation):
            self.at.delegate(command)

    @while_open
    @rule(what=st.sampled_from([*["comment"] * 6, "talk", "withdraw"]), actor=anybody)
    def say(self, what: str, actor: str) -> None:
        if what == "comment":
            self.at.comment(actor, RemarkKind.QUESTION)
        elif what == "talk":
            self.at.talk(101)
        else:
            self.at.withdraw(actor)

    # ---- what the world does -----------------------------------------------------------------------------

    @while_open
    @rule(
        data=st.data(),
        what=st.sampled_from(["new", "new", "away", "away", "group", "group", "directory", "inactive"]),
    )
    def change_world(self, data: st.DataObject, what: str) -> None:
        """With "new" the history is long enough, and continues as new at the next thing that happens."""
        world = self.at.world
        if what == "new":
            self.at.run.continue_as_new()
        elif what == "away":
            who, to = data.draw(st.sampled_from(PERSONS)), data.draw(st.none() | anybody)
            world.own[who] = AwayEntry(to, away=to is not None) if to != who else AwayEntry()
        elif what == "group":
            world.groups[data.draw(st.sampled_from(GROUPS))] = data.draw(group_members)
        elif what == "directory":
            world.failing = not world.failing
        else:
            world.inactive = {data.draw(anybody)}

    @while_open
    @rule(whole=st.booleans())
    def wait(self, *, whole: bool) -> None:
        """Up to the next timer, or for as long as the round is open."""
        number = self.at.model.last_round
        self.at.wait()
        while whole and self.at.ended is None and self.at.model.last_round == number:
            self.at.wait()

    def teardown(self) -> None:
        """Whoever may decide according to the model may decide in the real orchestration."""
        if self.course is not None:
            try:
                if self.course.ended is None and not self.course.failed:
                    self.course.play_on()
            finally:
                self.course.close()


@pytest.mark.timeout(3600 if PROOF else 120)
def test_the_orchestration_decides_as_the_page_says(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.CRITICAL)  # what is refused is logged, thousands of times
    Deciding.figures.clear()
    began = time.monotonic()
    for number in range(SEED, SEED + (1 if "COUNTERSIGN_SEED" in os.environ else BATCHES)):
        if time.monotonic() - began > MINUTES * 60:
            break
        _play(number)
    figures = ", ".join(f"{name} {count}" for name, count in sorted(Deciding.figures.items()))
    with capsys.disabled():
        print(f"\nthe model of deciding: {figures}")  # noqa: T201 - the figures are what the long form is run for


def _play(number: int) -> None:
    """One batch of runs, always the same ones for a number."""
    machine: Any = seed(number)(Deciding)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=RUNS,
                stateful_step_count=STEPS,
                database=None,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
    except BaseException as error:
        error.add_note(
            f"To play these runs again: COUNTERSIGN_SEED={number} {'COUNTERSIGN_PROOF=1 ' if PROOF else ''}"
            "pytest tests/integration/orchestration/approval/test_model.py"
        )
        raise
