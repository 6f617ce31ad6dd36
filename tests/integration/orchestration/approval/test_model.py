"""The real orchestration against a model of the rules: random policies, and random acts of everybody.

The model is written from docs/reference/deciding.md alone. After each act both must say the same, and what no act may
ever do is checked against the record itself. COUNTERSIGN_PROOF=1 makes thousands of runs.
"""

from __future__ import annotations

import copy
import logging
import os
from collections import Counter
from datetime import UTC, date, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestration.approval.state import ApprovalInput
from orchestration.challenge.models import Trouble
from orchestration.domain.cards import Notice
from orchestration.domain.commands import Cancellation, Command, Comment, Decision, Delegation, Reason
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.policy import Away, Escalation, KnownPerson, Level, PersonEntry, Policy
from orchestration.domain.request import ApprovalRequest, Choice, LevelState, RemarkKind, Status, Via
from orchestration.domain.request import Vote as RealVote
from orchestration.domain.rules import check_request
from tests.support import decision_model as rules
from tests.support.decision_model import Case, DecisionModel, Rules
from tests.support.direct import DirectRun, Neighbours
from tests.support.identity import SHOWN
from tests.support.possible import possible

PROOF = bool(os.environ.get("COUNTERSIGN_PROOF"))
RUNS, STEPS = (3000, 50) if PROOF else (70, 40)

PERSONS = ["U0ADA", "U0BOB", "U0CY", "U0FIN", "U0MAX", "U0RITA"]
STRANGER = "U0ZED"
ANYBODY = [*PERSONS, STRANGER]
GROUPS = ["S0ONE", "S0TWO"]
ALL_YEAR = Away.model_validate({"from": date(2026, 1, 1), "until": date(2026, 12, 31)})
LEVEL_TIME, ESCALATION_TIME, REMIND_EVERY = timedelta(hours=10), timedelta(hours=6), timedelta(hours=4)

anybody = st.sampled_from(ANYBODY)
principals = st.lists(st.sampled_from([*PERSONS, *PERSONS, *GROUPS]), min_size=1, max_size=4, unique=True)
members = st.lists(anybody, max_size=3, unique=True)
short = st.none() | st.integers(1, 3)


@st.composite
def levels(draw: st.DrawFn) -> dict[str, Any]:
    approvers = draw(principals)
    most = 3 if set(approvers) & set(GROUPS) else len(approvers)
    return {
        "approvers": approvers,
        "quorum": draw(st.sampled_from([1, 1, min(2, most), min(3, most), "all"])),
        "at_least": draw(st.sampled_from([None, None, None, 1, 2, 3])),
        "reject_quorum": min(draw(st.sampled_from([1, 1, 2])), most),
        "sms": draw(st.sampled_from([False, False, True])),
        "on_timeout": draw(st.sampled_from(["escalate", "escalate", "expire", "reject"])),
        "remind_every": draw(st.sampled_from([None, None, REMIND_EVERY])),
        "timeout": LEVEL_TIME,
    }


@st.composite
def escalations(draw: st.DrawFn) -> dict[str, Any]:
    approvers = draw(principals)
    most = 3 if set(approvers) & set(GROUPS) else len(approvers)
    return {
        "approvers": approvers,
        "quorum": min(draw(st.sampled_from([1, 1, 2])), most),
        "reject_quorum": min(draw(st.sampled_from([1, 1, 2])), most),
        "channel": "C0ESC",
        "timeout": ESCALATION_TIME,
    }


# What a request and its policy are made of.
ASKED: dict[str, Any] = {
    "given": st.lists(levels(), min_size=1, max_size=3),
    "escalation": escalations(),
    "in_groups": st.tuples(members, members),
    "allow": st.tuples(st.sampled_from([False, False, True]), st.sampled_from([False, False, True])),
    "enrolled": st.sets(anybody),
    "delegates": st.just([]) | principals,
    "operator": st.dictionaries(st.sampled_from(PERSONS), anybody, max_size=2),
    "absent": st.dictionaries(st.sampled_from(PERSONS), anybody, max_size=2),
    "shorter": st.sampled_from([None, None, timedelta(hours=5), timedelta(hours=8), timedelta(hours=20)]),
    "require_reason": st.booleans(),
}


class Deciding(RuleBasedStateMachine):
    """One request, decided by the orchestration and by the model."""

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.run: DirectRun
        self.begun = False
        self._forget()

    def _forget(self) -> None:
        self.sent: list[Command] = []
        self.acts: dict[str, Decision | Delegation] = {}
        self.ended: str | None = None
        self.failed = True  # until an act was judged the same by both

    # ---- how it begins -----------------------------------------------------------------------------------

    @initialize(**ASKED)
    def ask(self, **asked: Any) -> None:
        self._ask(**asked)

    @precondition(lambda self: not self.begun or self.ended is not None)
    @rule(**ASKED)
    def ask_again(self, **asked: Any) -> None:
        """The one before was refused, or has ended."""
        if self.begun:
            self._close()
        self.begun = False
        self._forget()
        self._ask(**asked)

    def _ask(
        self,
        *,
        given: list[dict[str, Any]],
        escalation: dict[str, Any],
        in_groups: tuple[list[str], list[str]],
        allow: tuple[bool, bool],
        enrolled: set[str],
        delegates: list[str],
        operator: dict[str, str],
        absent: dict[str, str],
        shorter: timedelta | None,
        require_reason: bool,
    ) -> None:
        self.figures["runs"] += 1
        # Delegates where a code is needed have tests of their own, in test_handing_over.py. Here a request needs codes
        # at all its levels or at none, and nobody is away where it needs them.
        coded = any(level["sms"] for level in given)
        given = [{**level, "sms": coded} for level in given]
        absent = {} if coded else absent
        escalates = any(level["on_timeout"] == "escalate" for level in given)
        needs_phone = {who for level in given if level["sms"] for who in level["approvers"]}
        if needs_phone and escalates:
            needs_phone |= set(escalation["approvers"])
        enrolled = enrolled | (needs_phone - set(GROUPS))
        operator = {who: to for who, to in operator.items() if who != to}
        self.case = Case(
            levels=tuple(
                Rules(
                    tuple(v["approvers"]),
                    v["quorum"],
                    v["reject_quorum"],
                    v["at_least"],
                    v["sms"],
                    v["on_timeout"] == "escalate",
                )
                for v in given
            ),
            escalation=Rules(
                tuple(escalation["approvers"]), escalation["quorum"], escalation["reject_quorum"]
            )
            if escalates
            else None,
            groups=frozenset(GROUPS),
            requester="U0RITA",
            enrolled=frozenset(enrolled),
            allow_self=allow[0],
            allow_repeat=allow[1],
            delegates=tuple(delegates),
            operator=operator,
        )
        self.model = DecisionModel(self.case)
        request = ApprovalRequest(policy="model", title="T", requester="U0RITA", timeout=shorter)
        policy = self._policy(
            levels=[Level(name=f"L{n}", **level) for n, level in enumerate(given)],
            escalation=Escalation(**escalation) if escalates else None,
            allow_self_approval=allow[0],
            allow_repeat_approver=allow[1],
            delegates=delegates,
            require_reason=require_reason,
        )
        if policy is None or not self._may_ask(request, policy):
            return
        self.policy, self.request = policy, request
        self.people = Neighbours()
        self.people.groups = dict(zip(GROUPS, in_groups, strict=True))
        self.people.entries = {
            who: PersonEntry(delegate=to, away=ALL_YEAR) for who, to in absent.items() if who != to
        }
        known = {
            who: KnownPerson(enrolled=who in enrolled, delegate=operator.get(who))
            for who in {*enrolled, *operator}
        }
        given_to = ApprovalInput(request=request, nonce=SHOWN.nonce, policy=policy, people=known)
        self.run = DirectRun(given_to, self.people)
        self.begun = True
        self._opened()
        self._compare()

    def _policy(self, **terms: Any) -> Policy | None:
        """The policy; None where it is refused, as the page says."""
        policy = Policy(key="model", title="Model", channel="C0MAIN", groups=GROUPS, **terms)
        refused = bool(policy.impossible())
        self.figures["policies refused"] += refused
        assert possible(self.case.terms(), GROUPS, repeat=self.case.allow_repeat) == (not refused), (
            "a policy that can be decided was refused"
            if refused
            else "a policy that nobody can decide was accepted"
        )
        return None if refused else policy

    def _may_ask(self, request: ApprovalRequest, policy: Policy) -> bool:
        """Whether the request is taken, as the page says."""
        try:
            check_request(request, policy)
        except InvalidRequestError:
            taken = False
        else:
            taken = True
        barred = set() if self.case.allow_self else {"U0RITA"}
        self.figures["requests refused"] += not taken
        own = [(first, None) for first, _ in self.case.terms()]
        can_be = possible(own, GROUPS, barred, repeat=self.case.allow_repeat)
        assert can_be == taken, "refused, though it can be decided" if can_be else "nobody can decide it"
        return taken

    # ---- what people and the world do ----------------------------------------------------------------------

    while_open = precondition(lambda self: self.begun and self.ended is None)

    @while_open
    @rule(
        actor=anybody,
        approve=st.sampled_from([True, True, True, False]),
        older=st.sampled_from([0, 0, 0, 0, 1]),
        comment=st.sampled_from(["no", "no", ""]),
    )
    def decide(self, actor: str, approve: bool, older: int, comment: str) -> None:
        number = max(self.model.last_round - older, 1)
        choice = Choice.APPROVE if approve else Choice.REJECT
        self._decide(self._stamp(Decision, actor, round=number, choice=choice, comment=comment))

    @while_open
    @rule(data=st.data())
    def decide_well(self, data: st.DataObject) -> None:
        """Somebody who may: at random too few would come far."""
        open_to = sorted(
            {
                (holder_or_delegate, number)
                for number in self.model.rounds
                for holder_or_delegate in ANYBODY
                if not self.model.why_no_vote(holder_or_delegate, number, self._members())
            }
        )
        if open_to:
            actor, number = data.draw(st.sampled_from(open_to))
            self._decide(self._stamp(Decision, actor, round=number, choice=Choice.APPROVE, comment=""))

    @while_open
    @rule(actor=anybody, to=anybody, older=st.sampled_from([0, 0, 0, 1]))
    def delegate(self, actor: str, to: str, older: int) -> None:
        number = max(self.model.last_round - older, 1)
        self._delegate(self._stamp(Delegation, actor, round=number, to=to))

    @while_open
    @rule(data=st.data())
    def delegate_well(self, data: st.DataObject) -> None:
        """Somebody who may, to somebody who may."""
        fit = sorted(
            (who, number, to)
            for number in self.model.rounds
            for who in ANYBODY
            if not self.model.why_no_vote(who, number, self._members())
            for to in ANYBODY
            if not self.model.why_no_delegate(who, to, self._members())
        )
        if fit:
            actor, number, to = data.draw(st.sampled_from(fit))
            self._delegate(self._stamp(Delegation, actor, round=number, to=to))

    @while_open
    @rule(number=st.integers(0, 1), all_but=st.sampled_from([0, 0, 1]))
    def decide_together(self, number: int, all_but: int) -> None:
        """As many as it takes approve a round, or all of them but one."""
        number = sorted(self.model.rounds)[number % len(self.model.rounds)]
        way = next(self.model.ways(number, self._members(), strict=True), [])
        for actor, _ in way[: len(way) - all_but]:
            if self.ended is None and number in self.model.rounds:
                self._decide(self._stamp(Decision, actor, round=number, choice=Choice.APPROVE, comment=""))
            for challenge in [one for one, act in self.acts.items() if act.actor == actor]:
                if challenge in self.run.challenges:
                    self._confirm(challenge)

    @while_open
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A command that was handled is delivered again."""
        if not self.sent:
            return
        command = data.draw(st.sampled_from(self.sent))
        before = self._votes()
        self.run.send(command)
        assert self._votes() == before or not self.model.rounds, "a repeat changed a vote"
        self._compare()

    @while_open
    @rule(actor=anybody, kind=st.sampled_from(list(RemarkKind)))
    def comment(self, actor: str, kind: RemarkKind) -> None:
        self._send(self._stamp(Comment, actor, kind=kind, text="?"))
        self._look()
        self._after(approved_by=None)

    @while_open
    @rule(actor=st.sampled_from([*PERSONS, "-", "-", "-", "-", "-", "-"]))
    def withdraw(self, actor: str) -> None:
        if actor == "-":
            return
        reason = self._send(self._stamp(Cancellation, actor, reason="changed my mind"))
        if actor == "U0RITA":
            assert reason is Reason.RECORDED
            self.ended = "cancelled"
        else:
            assert reason is Reason.NOT_THE_REQUESTER
        self._compare()

    @while_open
    @rule(who=st.sampled_from(PERSONS), to=st.none() | anybody)
    def be_away(self, who: str, to: str | None) -> None:
        self.people.entries[who] = PersonEntry(
            delegate=to if to != who else None, away=ALL_YEAR if to else None
        )

    @while_open
    @rule(group=st.sampled_from(GROUPS), people=members)
    def change_group(self, group: str, people: list[str]) -> None:
        self.people.groups[group] = people

    @while_open
    @rule(group=st.sampled_from(GROUPS))
    def vanish(self, group: str) -> None:
        self.people.groups[group] = []

    @while_open
    @rule(fails=st.sampled_from([False, False, True]))
    def directory(self, fails: bool) -> None:
        self.people.failing = fails

    @while_open
    @rule()
    def next_generation(self) -> None:
        self.run.continue_as_new()

    @while_open
    @rule(soon=st.sampled_from([False, False, True]))
    def time_passes(self, soon: bool) -> None:
        """Up to the next reminder, or the deadline."""
        if not soon:
            return
        due = self.run.next_timer()
        assert due is not None, "nothing will ever end this wait"
        self.run.advance(due)
        if due >= self.deadline:
            self._silence()
        elif self.policy.levels[self.model.index].remind_every:
            self._look()
        self._after(approved_by=None)

    @while_open
    @rule(data=st.data(), end=st.sampled_from(["right", "right", "right", "wrong", "expired"]))
    def code(self, data: st.DataObject, end: str) -> None:
        waiting = sorted(set(self.run.challenges) & set(self.acts))
        if not waiting:
            return
        challenge = data.draw(st.sampled_from(waiting))
        if end == "right":
            self._confirm(challenge)
        else:
            self.acts.pop(challenge)
            self.run.code(challenge, right=False, trouble=Trouble(end))
            self._compare()

    def _confirm(self, challenge: str) -> None:
        """The right code comes, and whether the act is allowed is asked again."""
        act = self.acts.pop(challenge)
        self.figures["codes"] += 1
        self.run.code(challenge, right=True)
        known = self._look(delegates=isinstance(act, Delegation))
        if not known:
            self._compare()
            return
        if isinstance(act, Decision):
            must, may = self._judge(act)
            taken = self._real_vote(act.round, act.actor)
            counts = taken is not None and taken.choice is Choice.APPROVE and taken.factor is not None
            assert not (must and counts and not self._had(act)), f"counted after all: {must}"
            assert counts or must or may, "a right code did not count"
            if counts and not must:
                self._voted(act, code=True)
            self._after(approved_by=act.actor)
        else:
            must, may = self._judge_delegation(act)
            done = self._real_level().delegates.get(act.actor) == act.to
            assert not (must and done and self.model.handed.get(act.actor) != act.to), (
                f"handed over after all: {must}"
            )
            assert done or must or may, "a right code did not hand over"
            if done:
                self.model.hand_over(act.actor, act.to)
            self._after(approved_by=None)

    # ---- one act, judged by both ---------------------------------------------------------------------------

    def _stamp(self, model: type[Any], actor: str, **what: object) -> Any:
        shown = {"nonce": SHOWN.nonce, "digest": self.request.digest()}
        stamp = {"command_id": f"c{len(self.sent)}", "answered": self.run.progress.answered, **shown}
        command = model(actor=actor, via=Via.CHAT, **stamp, **what)
        self.sent.append(command)
        return command

    def _send(self, command: Command) -> Reason:
        self.failed = True
        self.figures["steps"] += 1
        before = len(self.run.progress.verdicts)
        self.run.send(command)
        reason = self.run.verdict(command.command_id)
        assert reason is not None, f"no verdict after {before}"
        self.figures[f"verdict {reason}"] += 1
        return reason

    def _members(self) -> rules.Members:
        return {} if self.people.failing else self.people.groups

    def _known(self, *, delegates: bool = False) -> bool:
        """Whether the groups that matter can be looked up; where somebody is to be a delegate, also who may be one."""
        named = {name for one in self.model.rounds.values() for name in one.approvers}
        if delegates:
            named |= set(self.case.delegates) or self.case.named()
        return not self.people.failing or not named & self.case.groups

    def _look(self, *, delegates: bool = False) -> bool:
        if self._known(delegates=delegates):
            self.model.look(self._members())
            return True
        return False

    def _judge(self, act: Decision) -> tuple[set[str], set[str]]:
        """Why it must be refused, and why it may be."""
        members, number = self._members(), act.round
        must: set[str] = self.model.why_no_vote(act.actor, number, members)
        may: set[str] = set()
        if must:
            may |= {"reason_required", "needed_later"}
            return must, may
        if act.choice is Choice.REJECT and self.policy.require_reason and not act.comment:
            must.add("reason_required")
        needed = {
            self.model.needed_later((act.actor, seat))
            for seat in self.model.seats(act.actor, number, members)
        }
        if needed == {True} and act.choice is Choice.APPROVE:
            must.add("needed_later")
        elif needed != {False}:
            may.add("needed_later")
        return must, may

    def _decide(self, act: Decision) -> None:
        reason = self._send(act)
        if not self._look():
            assert reason is Reason.DIRECTORY_UNAVAILABLE, reason
            self._compare()
            return
        must, may = self._judge(act)
        approves = act.choice is Choice.APPROVE
        code = act.round in self.model.rounds and self.model.rounds[act.round].code and approves
        if must:
            assert reason in must | may, f"{reason}, and the page says {must}"
        elif reason not in may:
            good = (
                {"recorded", "unchanged"}
                if not code
                else {"code_sent", "code_on_its_way", "not_enrolled", "unchanged"}
            )
            assert reason in good, f"{reason}, and the page says that they may"
            if reason is Reason.NOT_ENROLLED:
                assert act.actor not in self.case.enrolled
            if reason is Reason.UNCHANGED:
                assert self._had(act)
            if reason is Reason.CODE_SENT:
                self._code_sent(act)
            if reason is Reason.RECORDED:
                self._voted(act, code=False)
        self._after(approved_by=act.actor if reason is Reason.RECORDED and approves else None)

    def _had(self, act: Decision) -> bool:
        approves = act.choice is Choice.APPROVE
        return any(
            (v.round, v.actor, v.approves) == (act.round, act.actor, approves) for v in self.model.votes
        )

    def _code_sent(self, act: Decision | Delegation) -> None:
        assert act.actor in self.case.enrolled
        if challenge := self.run.progress.confirming.get(act.actor):  # none where the level has ended since
            self.acts[challenge] = act

    def _voted(self, act: Decision, *, code: bool) -> None:
        """Takes over from which of their seats it was cast, where there are several."""
        taken = self._real_vote(act.round, act.actor)
        assert taken is not None, "a recorded vote is not in the record"
        seats = self.model.seats(act.actor, act.round, self._members())
        assert taken.holder in seats, f"cast from the seat of {taken.holder}, not one of {seats}"
        self.model.vote(
            rules.CastVote(act.round, taken.holder, act.actor, act.choice is Choice.APPROVE, code)
        )

    def _judge_delegation(self, act: Delegation) -> tuple[set[str], set[str]]:
        members, number = self._members(), act.round
        must: set[str] = self.model.why_no_vote(act.actor, number, members)
        may: set[str] = set()
        if must == {"round_over"}:
            return must, may
        if act.actor in self.model.handed.values():
            must.add("one_hop")
        must |= self.model.why_no_delegate(act.actor, act.to, members)
        if self._away(act.to):
            may.add("delegate_unfit")
        needed = {
            self.model.needed_later((act.actor, s)) for s in self.model.seats(act.actor, number, members)
        }
        if needed - {False}:
            (must if needed == {True} else may).add("needed_later")
        after = copy.deepcopy(self.model)
        after.hand_over(act.actor, act.to)
        for one in self.model.rounds:
            before = [self.model.reachable(one, members, strict=strict) for strict in (False, True)]
            now = [after.reachable(one, members, strict=strict) for strict in (False, True)]
            if before != now:
                may.add("too_few_left")
            if one == number and all(before) and not any(now):
                must.add("too_few_left")
        if not self.model.reachable(number, members, strict=True):
            may.add("too_few_left")
        return must, may

    def _delegate(self, act: Delegation) -> None:
        reason = self._send(act)
        if not self._look(delegates=True):
            assert reason is Reason.DIRECTORY_UNAVAILABLE, reason
            self._compare()
            return
        must, may = self._judge_delegation(act)
        if must:
            assert reason in must | may, f"{reason}, and the page says {must}"
        elif reason not in may:
            code = self.model.rounds[act.round].code
            good = {"recorded"} if not code else {"code_sent", "code_on_its_way", "not_enrolled"}
            assert reason in good, f"{reason}, and the page says that they may"
            if reason is Reason.NOT_ENROLLED:
                assert act.actor not in self.case.enrolled
            if reason is Reason.CODE_SENT:
                self._code_sent(act)
            if reason is Reason.RECORDED:
                self.model.hand_over(act.actor, act.to)
        self._after(approved_by=None)

    def _away(self, person: str) -> bool:
        entry = self.people.entries.get(person)
        return bool(entry and entry.away)

    # ---- what follows from it ------------------------------------------------------------------------------

    def _after(self, approved_by: str | None) -> None:
        """Settles the level in the model as far as it goes, and compares."""
        if self.ended is None and self.model.rounds:
            if self.model.rejected():
                self.ended = "rejected"
            elif approved_by and self.model.approved(self._members()):
                self._passed()
            else:
                self._check_decidable()
        self._compare()

    def _passed(self) -> None:
        self.model.close_level()
        if self.model.index + 1 == len(self.case.levels):
            self.ended = "approved"
        else:
            self._opened()

    def _opened(self) -> None:
        self.model.open_level()
        level = self.policy.levels[self.model.index]
        wait = min(level.timeout, self.request.timeout or level.timeout)
        self.shortened = wait < level.timeout
        self.deadline = self.run.now + wait
        self._stage_opened(level.approvers)

    def _silence(self) -> None:
        escalates = self.policy.levels[self.model.index].on_timeout == "escalate"
        if self.shortened or self.model.escalated:
            self.ended = "timed_out"
        elif escalates:
            self._escalated()
        else:
            self.ended = (
                "rejected" if self.policy.levels[self.model.index].on_timeout == "reject" else "timed_out"
            )

    def _escalated(self) -> None:
        assert self.policy.escalation is not None
        self.model.open_escalation()
        self.shortened = False
        wait = self.policy.escalation.timeout
        deadline = self.run.progress.deadline
        shorter = min(wait, self.request.timeout or wait)
        at = self.run.now
        self.deadline = at + (shorter if deadline and deadline.replace(tzinfo=None) == at + shorter else wait)
        self._stage_opened(self.policy.escalation.approvers)

    def _stage_opened(self, approvers: list[str]) -> None:
        """Takes over who was found to be away, where the page allows it; then looks whether it can be decided."""
        known = self._look(delegates=True)
        members = self._members()
        real = self._level_at(self.model.index).delegates
        for who, to in real.items():
            if who in self.model.handed or who not in approvers:
                continue
            entry = self.people.entries.get(who)
            assert entry is not None, f"nothing is known of {who}"
            assert entry.away, f"{who} is not away"
            delegate = entry.delegate or self.case.operator.get(who)
            assert to == delegate, f"{who} is replaced by {to}, not {delegate}"
            faults = self.model.why_no_delegate(who, to, members)
            assert not faults or not known, f"{to} was let decide for {who}: {faults}"
            assert not self._away(to), f"{to} is away too, and decides for {who}"
            assert not self.model.barred(who), f"{who} may not vote and handed it on"
            self.model.handed[who] = to
        if known:
            for who in approvers:
                self._asked_all_the_same(who, members)
            self._check_decidable()

    def _asked_all_the_same(self, who: str, members: rules.Members) -> None:
        """Somebody away who was not replaced: there is a reason on the page."""
        entry = self.people.entries.get(who)
        if not entry or not entry.away or not entry.delegate or who in self.model.handed:
            return
        if self.model.barred(who) or who in self.model.handed.values() or self._away(entry.delegate):
            return
        if self.model.why_no_delegate(who, entry.delegate, members):
            return
        after = copy.deepcopy(self.model)
        after.hand_over(who, entry.delegate)
        assert not all(after.reachable(n, members, strict=True) for n in after.rounds), (
            f"{who} is away, and still asked"
        )

    def _check_decidable(self) -> None:
        """Where nobody can decide, it escalates or ends at once."""
        if not self.model.rounds or not self._look():
            return
        members = self._members()
        lenient, strict = (self.model.decidable(members, strict=s) for s in (False, True))
        if strict:
            return
        level = self.policy.levels[self.model.index]
        if lenient:  # whether the later level's escalation counts is not on the page: as it was seen
            status = self.run.progress.status
            over = status.ended or (status is Status.ESCALATED and not self.model.escalated)
            if not over:
                return
        self.figures["undecidable"] += 1
        if level.on_timeout == "escalate" and not self.model.escalated:
            self._escalated()
        else:
            self.ended = "rejected" if level.on_timeout == "reject" else "timed_out"

    # ---- what the record says ------------------------------------------------------------------------------

    def _real_level(self) -> LevelState:
        return self._level_at(self.model.index)

    def _level_at(self, index: int) -> LevelState:
        progress = self.run.progress
        return progress.levels[index]

    def _real_vote(self, number: int, actor: str) -> RealVote | None:
        votes = [v for level in self.run.progress.levels for v in level.decisions]
        return next((v for v in votes if (v.round, v.actor) == (number, actor)), None)

    def _votes(self) -> set[tuple[Any, ...]]:
        return {
            (v.round, v.holder, v.actor, v.choice, v.factor)
            for level in self.run.progress.levels
            for v in level.decisions
        }

    def _compare(self) -> None:
        progress, model = self.run.progress, self.model
        expected = self.ended or ("escalated" if model.escalated else "pending")
        assert progress.status == expected, (
            f"{progress.status} ({progress.outcome and progress.outcome.reason}), by the page {expected}"
        )
        if self.ended is None:
            level = self._real_level()
            assert len(progress.levels) == model.index + 1
            assert progress.round == model.last_round
            assert progress.deadline == self.deadline.replace(tzinfo=UTC), "another deadline"
            assert dict(level.delegates) == model.handed
            ours = {(v.round, v.holder, v.actor, v.approves, v.code) for v in model.votes}
            theirs = {
                (v.round, v.holder, v.actor, v.choice is Choice.APPROVE, v.factor is not None)
                for v in level.decisions
            }
            assert theirs == ours, f"{theirs}, by the page {ours}"
        self._cards_say_it()
        if self.ended is not None:
            self._ended()
        self.failed = False

    def _cards_say_it(self) -> None:
        progress = self.run.progress
        refs = {ref.ts for ref in progress.cards}
        assert refs == set(self.run.cards)
        for ts, card in self.run.cards.items():
            number = self.run.card_refs[ts].round
            assert card.round == number
            assert card.status == progress.status, f"the card of round {number} says {card.status}"
            assert card.levels == progress.levels, (
                f"the card of round {number} says {card.levels}, and it is {progress.levels}"
            )
            assert sorted(card.confirming) == sorted(progress.confirming)
            assert card.open == (self.ended is None and number in self.model.rounds)
            if progress.outcome:
                assert (card.ended_by, card.reason, card.comments) == (
                    progress.outcome.processed_by,
                    progress.outcome.reason,
                    progress.outcome.comments,
                )

    def _ended(self) -> None:
        self.figures[f"ended {self.ended}"] += 1
        outcome = self.run.progress.outcome
        assert outcome is not None
        assert self.run.over, "it has ended, and waits"
        assert self.run.output is not None
        assert self.run.output.model_dump(exclude={"receipt"}) == outcome.model_dump(exclude={"receipt"})
        assert any(m.user == "U0RITA" and m.notice is Notice.PROGRESS for m in self.run.messages)
        if outcome.status is Status.APPROVED:
            self._approved_rightly(outcome.levels)
        elif outcome.processed_by is None:
            assert outcome.reason, "ended without a reason"

    def _approved_rightly(self, levels: list[LevelState]) -> None:
        """What the record bears out by itself: people enough at each level, nobody at two, on this digest, by code."""
        assert len(levels) == len(self.case.levels)
        before: set[str] = set()
        digest, code = self.request.digest(), False
        for level, given in zip(levels, self.case.levels, strict=True):
            code = code or given.code
            approvals = [v for v in level.decisions if v.choice is Choice.APPROVE]
            assert all(v.digest == digest for v in approvals)
            people = {
                number: {v.actor for v in approvals if v.round == number and (v.factor or not needs)}
                for number, needs in ((level.round, given.code), (level.round + 1, code))
            }
            own = len(people[level.round]) >= given.people(0)
            escalation = self.case.escalation if level.escalated_at else None
            other = escalation is not None and len(people[level.round + 1]) >= escalation.people(0)
            assert own or other, f"level {level.name} was passed without its quorum"
            words = {name for v in approvals for name in (v.actor, v.holder)}
            if not self.case.allow_self:
                assert "U0RITA" not in words
            if not self.case.allow_repeat:
                assert not words & before, f"{words & before} had a word at two levels"
            before |= words

    def teardown(self) -> None:
        """Whoever can decide by the model can in truth: they approve, and the level is passed."""
        try:
            if self.begun and self.ended is None and not self.failed:
                self._play_on()
        finally:
            if self.begun:
                self._close()

    def _close(self) -> None:
        self.figures["generations"] += self.run.generations
        self.run.close()

    def _play_on(self) -> None:
        self.people.failing = False
        index = self.model.index
        self.comment("U0RITA", RemarkKind.ANSWER)
        if self.ended or self.model.index != index or not self.model.rounds:
            return
        for number in self.model.rounds:
            ways = next(self.model.ways(number, self._members(), strict=True), None)
            if ways is None:
                continue
            given = {v.actor for v in self.model.counting(number)}
            for challenge in list(self.run.challenges):
                self.run.code(challenge, right=False)
            self.acts.clear()
            for actor, _ in ways:
                if actor in given:
                    continue
                command = self._stamp(Decision, actor, round=number, choice=Choice.APPROVE, comment="")
                reason = self._send(command)
                if reason is Reason.CODE_SENT:
                    self.run.code(self.run.progress.confirming[actor], right=True)
                    reason = Reason.RECORDED
                assert reason in {"recorded", "unchanged"}, f"{actor} could decide, and is told {reason}"
            assert (
                self.run.over or len(self.run.progress.levels) > index + 1 or self.run.progress.status.ended
            ), f"{ways} have approved, and nothing follows"
            self.figures["played to the next level"] += 1
            return
        raise AssertionError("open, and nobody can decide it")


@pytest.mark.timeout(3600 if PROOF else 120)
def test_the_orchestration_decides_as_the_page_says(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.CRITICAL)  # what is refused is logged, thousands of times
    Deciding.figures.clear()
    run_state_machine_as_test(
        Deciding,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not PROOF,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
    figures = ", ".join(f"{name} {count}" for name, count in sorted(Deciding.figures.items()))
    with capsys.disabled():
        print(f"\nthe model of deciding: {figures}")  # noqa: T201 - the figures are what the long form is run for
