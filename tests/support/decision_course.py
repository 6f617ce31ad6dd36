"""One request, decided by the orchestration and by the model: both do each act, and their results must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from orchestration.challenge.models import Trouble
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import Cancellation, Command, Comment, Decision, Delegation, Reason
from orchestration.domain.request import Choice, Identity, LevelState, RemarkKind, Status, Via, Vote
from tests.support.decision_cards import check_cards, check_worklists
from tests.support.decision_cases import (
    ANYBODY,
    ESCALATION_TIME,
    LEVEL_TIME,
    REQUESTER,
    TakenRequest,
    own_entry,
)
from tests.support.decision_model import CastVote, DecisionModel
from tests.support.decision_witness import Witness
from tests.support.direct import DirectRun, Neighbours
from tests.support.identity import SHOWN


class Course:
    """Each method is one act or event. `ended` is how the request ended according to the model."""

    def __init__(self, asked: TakenRequest, figures: Counter[str]) -> None:
        self.asked = asked
        self.case, self.world, self.figures = asked.case, asked.world, figures
        self.model = DecisionModel(self.case, self.world)
        self.shown = Identity(nonce=SHOWN.nonce, digest=asked.request.digest())
        self.witness = Witness(self.case, self.shown)
        self.sent: list[Command] = []  # commands that were handled
        self.awaited: dict[str, Decision | Delegation] = {}  # by the challenge whose code they wait for
        self.last_counted: dict[str, int] = {}  # when somebody's last act that took effect was taken
        self.ended: str | None = None
        self.failed = False
        self.made = 0
        self.messages_seen = 0
        self.people = Neighbours()
        self._look_around()
        self.run = DirectRun(asked.given, self.people)
        with self._judged(may_approve=False, since=0):
            self._opened()

    def close(self) -> None:
        """Counts the generations, and closes the run."""
        self.figures["continued as new"] += self.run.generations - 1
        self.run.close()

    def _look_around(self) -> None:
        """Makes the workspace equal to the model's world."""
        self.people.groups, self.people.failing = self.world.groups, self.world.failing
        self.people.inactive = self.world.inactive
        self.people.entries = {who: own_entry(entry) for who, entry in self.world.own.items()}

    # ---- commands ----------------------------------------------------------------------------------------

    def make(self, model: type[Any], actor: str, **what: Any) -> Any:
        """A command as the service would stamp it now; does not send it."""
        self.made += 1
        stamp = {
            "command_id": f"c{self.made}",
            "answered": self.run.progress.answered,
            "nonce": self.shown.nonce,
            "digest": self.shown.digest,
            "via": Via.CHAT,
        }
        return model(**{**stamp, "actor": actor, **what})

    def decide(self, act: Decision) -> None:
        """Somebody approves or rejects."""
        with self._judged(may_approve=act.choice is Choice.APPROVE):
            self.witness.sees(act, list(self.model.rounds))
            reason = self._send(act)
            if self._refused_unseen(act, reason):
                return
            if not self.model.look():
                assert reason == "directory_unavailable", f"{reason}, while the directory is silent"
                return
            self._obey(self._placed(act), reason)
            self._check_decidable()

    def _placed(self, act: Decision) -> Decision:
        if act.round_named:
            return act
        return act.model_copy(update={"round": self.model.place(act.actor, act.round)})

    def _obey(self, act: Decision, reason: Reason) -> None:
        why = self._why_not_decide(act)
        if why:
            assert reason in why, f"{reason}, and by the page {why}"
            return
        if self.model.rounds[act.round].code and act.choice is Choice.APPROVE:
            self._expect_code(act, reason)
        elif self._had(act):
            assert reason == "unchanged", f"{reason}, for the same vote again"
        else:
            assert reason == "recorded", f"{reason}, and by the page they may"
            self._voted(act, code=False)

    def _why_not_decide(self, act: Decision) -> set[str]:
        why = self.model.why_no_vote(act.actor, act.round)
        if why:
            return why
        if act.choice is Choice.REJECT:
            needs_reason = self.asked.policy.require_reason and not act.comment.strip()
            return {"reason_required"} if needs_reason else set()
        seats = self.model.seats(act.actor, act.round)
        free = [
            seat for seat in seats if not self.model.taken_from_a_later_level((act.actor, seat), act.round)
        ]
        return set() if free else {"needed_later"}

    def _had(self, act: Decision, *, coded: bool = False) -> bool:
        said = (act.round, act.actor, act.choice is Choice.APPROVE, act.comment)
        return any(
            (v.round, v.actor, v.approves, v.comment) == said and v.code >= coded for v in self.model.votes
        )

    def _expect_code(self, act: Decision | Delegation, reason: Reason) -> None:
        """Expects a code for the act, which counts once it has come. Codes of earlier acts are withdrawn."""
        if isinstance(act, Decision) and self._had(act, coded=True):
            assert reason == "unchanged", reason
        elif act.actor not in self.case.enrolled:
            assert reason == "not_enrolled", reason
        elif any(_same_act(act, other) for other in self.awaited.values()):
            assert reason == "code_on_its_way", reason
        else:
            assert reason == "code_sent", f"{reason}, where a code is needed"
            self._forget_codes_of(act.actor)
            if challenge := self.run.progress.confirming.get(
                act.actor
            ):  # none where the request has ended since
                self.awaited[challenge] = act

    def _voted(self, act: Decision, *, code: bool) -> None:
        """Repeats the vote in the model, from the seat that the record says."""
        self._took_effect(act)
        cast = self._recorded(act.round, act.actor)
        assert cast is not None, "a recorded vote is not in the record"
        seats = self.model.seats(act.actor, act.round)
        assert cast.holder in seats, f"cast from the seat of {cast.holder}, and theirs are {seats}"
        approves = act.choice is Choice.APPROVE
        self.model.vote(CastVote(act.round, cast.holder, act.actor, approves, code, act.comment))
        if not approves and self.model.rejected(act.round):
            self.ended = "rejected"
        elif approves and self.model.approved(act.round):
            self._passed()

    def _took_effect(self, act: Decision | Delegation) -> None:
        """Notes the person's last act that took effect; their older acts that wait for a code never count."""
        self.last_counted[act.actor] = act.answered
        self._forget_codes_of(act.actor)

    def _forget_codes_of(self, person: str) -> None:
        self.awaited = {one: other for one, other in self.awaited.items() if other.actor != person}

    def delegate(self, act: Delegation) -> None:
        """Somebody hands their vote over."""
        with self._judged(may_approve=False):
            self.witness.sees(act, list(self.model.rounds))
            reason = self._send(act)
            if self._refused_unseen(act, reason):
                return
            if not self.model.look(delegates=True):
                assert reason == "directory_unavailable", f"{reason}, while the directory is silent"
                return
            why = self._why_not_delegate(act)
            if why:
                assert reason in why, f"{reason}, and by the page {why}"
            elif self.model.code_to_delegate(act.actor):
                self._expect_code(act, reason)
            else:
                assert reason == "recorded", f"{reason}, and by the page they may"
                self._handed_over(act, code=False)
            self._check_decidable()

    def _why_not_delegate(self, act: Delegation) -> set[str]:
        model = self.model
        why = model.why_no_vote(act.actor, act.round)
        if act.round not in model.rounds:
            return why
        if act.actor not in model.seats(act.actor, act.round) or act.actor in model.handed.values():
            why.add("one_hop")
        code = model.code_to_delegate(act.actor)
        why |= model.delegate_faults(act.actor, act.to, code=code)
        if model.needed_later((act.actor, act.actor)):
            why.add("needed_later")
        if model.made_impossible(act.actor, act.to, confirmed=code):
            why.add("too_few_left")
        if self.world.failing:
            why.add("directory_unavailable")
        return why

    def _handed_over(self, act: Delegation, *, code: bool) -> None:
        self._took_effect(act)
        self.model.hand_over(act.actor, act.to, confirmed=code)
        self._told(act.to, Notice.ASKED)
        self.figures["delegations"] += 1

    def comment(self, actor: str, kind: RemarkKind) -> None:
        """Somebody says something."""
        with self._judged(may_approve=False):
            comment = self.make(Comment, actor, kind=kind, text="?")
            self.sent.append(comment)
            self._send(comment)
            if self.model.look():
                self._check_decidable()

    def talk(self, times: int) -> None:
        """Sends so many comments by an outsider that verdicts are forgotten; then repeats the last acts."""
        with self._judged(may_approve=False):
            said = [self.make(Comment, "U0ZED", kind=RemarkKind.ANSWER, text="?") for _ in range(times)]
            self.run.send(*said)
            if self.model.look():
                self._check_decidable()
        self.figures["times that verdicts were forgotten"] += 1
        for command in self.sent[-5:]:
            if self.ended is None:
                self.deliver_again(command)

    def withdraw(self, actor: str) -> None:
        """Somebody withdraws the request; only the requester can."""
        with self._judged(may_approve=False):
            reason = self._send(self.make(Cancellation, actor, reason="changed my mind"))
            if actor == REQUESTER:
                self.ended = "cancelled"
            assert reason == ("recorded" if actor == REQUESTER else "not_the_requester")

    def deliver_again(self, command: Command) -> None:
        """Sends a command that was already handled once more."""
        with self._judged(may_approve=False):
            self.run.send(command)
            self.figures["repeats"] += 1

    def _send(self, command: Command) -> Reason:
        self.figures["steps"] += 1
        self.run.send(command)
        reason = self._verdict(command)
        assert reason is not None, "no verdict"
        self.figures[f"verdict {reason}"] += 1
        return reason

    def _verdict(self, command: Command) -> Reason | None:
        """The last verdict on this very command; another command may have used its ID."""
        fingerprint = command.fingerprint()
        found = [one for one in self.run.progress.verdicts if one.is_on(command.command_id, fingerprint)]
        return found[-1].reason if found else None

    def _refused_unseen(self, act: Decision | Delegation, reason: Reason) -> bool:
        """Whether the act is refused for its form alone, before the rules on who may decide apply."""
        why = set()
        if any(one.command_id == act.command_id for one in self.sent):
            why.add("id_reused")
        if act.answered < self.last_counted.get(act.actor, 0):
            why.add("superseded")
        if {act.actor, act.to if isinstance(act, Delegation) else act.actor} & self.case.groups:
            why.add("malformed")
        if Identity(nonce=act.nonce, digest=act.digest) != self.shown:
            why.add("outdated")
        assert not why or reason in why, f"{reason}, and by the page {why}"
        self.sent.append(act)
        return bool(why)

    # ---- codes -------------------------------------------------------------------------------------------

    def confirm(self, challenge: str) -> None:
        """Sends the right code; then the act has to be allowed still."""
        act = self.awaited.pop(challenge)
        approves = isinstance(act, Decision)
        with self._judged(may_approve=approves):
            self.figures["codes"] += 1
            self.witness.sees_code(self.run.challenges[challenge][0], act)
            self.run.code(challenge, right=True)
            if not self.model.look(delegates=not approves):
                self._told(act.actor, Notice.REFUSED)
                return
            if isinstance(act, Decision):
                self._confirmed(act)
            elif self._why_not_delegate(act):
                self._told(act.actor, Notice.REFUSED)
            else:
                self._handed_over(act, code=True)
            self._check_decidable()

    def _confirmed(self, act: Decision) -> None:
        if self._why_not_decide(act):
            self._told(act.actor, Notice.REFUSED)
        elif not self._had(act, coded=True):
            self._voted(act, code=True)

    def fail_code(self, challenge: str, trouble: Trouble) -> None:
        """Ends a challenge by too many wrong codes, or by none in time."""
        act = self.awaited.pop(challenge)
        with self._judged(may_approve=False):
            self.run.code(challenge, right=False, trouble=trouble)
            self._told(act.actor, Notice.CODE_FAILED)

    # ---- time --------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Waits until the next reminder or the deadline."""
        due = self.run.next_timer()
        assert due is not None, "nothing will ever end this wait"
        with self._judged(may_approve=False):
            self.run.advance(due)
            if due >= self.deadline:
                self._silence()
            elif self.model.look():
                self._check_decidable()

    def _silence(self) -> None:
        self.figures["silences"] += 1
        on_timeout = self.model.level.on_timeout
        if self.shortened or self.model.escalated:
            self.ended = "timed_out"
        elif on_timeout == "escalate":
            self._escalated()
        else:
            self.ended = "rejected" if on_timeout == "reject" else "timed_out"

    # ---- what follows ------------------------------------------------------------------------------------

    def _passed(self) -> None:
        self.model.close_level()
        self.awaited.clear()
        if self.model.index + 1 == len(self.case.levels):
            self.ended = "approved"
        else:
            self._opened()

    def _opened(self) -> None:
        self.model.open_level()
        shorter = self.asked.request.timeout or LEVEL_TIME
        self.shortened = shorter < LEVEL_TIME
        self.deadline: datetime = self.run.now + min(LEVEL_TIME, shorter)
        self._stage_opened()

    def _escalated(self) -> None:
        self.figures["escalations"] += 1
        self.model.open_escalation()
        self.shortened = False
        self.deadline = self.run.now + min(ESCALATION_TIME, self.asked.request.timeout or ESCALATION_TIME)
        self._stage_opened()

    def _stage_opened(self) -> None:
        """Repeats the record's replacements of absent people in the model, if the page allows them."""
        model, known = self.model, self.model.look(delegates=True)
        self.witness.sees_absences(self.world)
        stage = model.rounds[model.last_round].stage
        real = self._level_at(model.index)
        for who in stage.approvers:
            to = real.delegates.get(who)
            if to is None or who in model.handed or not known:
                continue
            if model.why_not_replaced(who) and real.escalated_at and not model.escalated:
                continue  # by its escalation, which the record already has and the model not yet
            found = model.replaced_by(who)
            assert found is not None, f"{who} is not away, and replaced by {to}"
            why = model.why_not_replaced(who)
            assert not why, f"{to} was let decide for {who}: {why}"
            assert found[0] == to, f"{who} is replaced by {to}, and not by {found[0]}"
            model.hand_over(who, to, confirmed=found[1])
            self.figures["absences followed"] += 1
            self._told(to, Notice.ASKED)
        if known:
            for who in stage.approvers:
                if who not in model.handed and who not in self.case.groups:
                    assert model.why_not_replaced(who), f"{who} is away, and asked all the same"
            self._check_decidable()

    def _check_decidable(self) -> None:
        """Checks that a request that nobody can decide any more escalates or ends at once, and says why."""
        if self.ended or not self.model.rounds or not self.model.knows() or self.model.decidable():
            return
        self.figures["levels that nobody could decide"] += 1
        self._told(REQUESTER, Notice.PROGRESS)
        if self.model.level.on_timeout == "escalate" and not self.model.escalated:
            lines = [line for line in self.run.lines if line.kind is StepKind.ESCALATED]
            assert lines, "nothing says that it is escalated"
            assert lines[-1].text, "nothing says why it is escalated"
            self._escalated()
        else:
            self.ended = "rejected" if self.model.level.on_timeout == "reject" else "timed_out"
            assert self.run.progress.outcome is not None, "nobody can decide it, and it waits"
            assert self.run.progress.outcome.reason, "nothing says why it has ended"

    def _told(self, person: str, notice: Notice) -> None:
        """Fails unless the person was told this within the current act."""
        said = self.run.messages[self.messages_seen :]
        assert any((one.user, one.notice) == (person, notice) for one in said), (
            f"{person} was not told: {notice}"
        )

    # ---- what the record says ----------------------------------------------------------------------------

    @contextmanager
    def _judged(self, *, may_approve: bool, since: int | None = None) -> Iterator[None]:
        """Surrounds one act: afterwards both must agree, and only an approval may have approved anything."""
        self.failed, before = True, self._levels_approved()
        self.messages_seen = len(self.run.messages) if since is None else since
        self._look_around()
        yield
        now = self._levels_approved()
        assert now == before or (may_approve and now == before + 1), "approved by what is no approval"
        self._compare()
        self.failed = False

    def _levels_approved(self) -> int:
        progress = self.run.status
        return sum(one.status is Status.APPROVED for one in progress.levels) if progress else 0

    def _level_at(self, index: int) -> LevelState:
        return self.run.progress.levels[index]

    def _recorded(self, number: int, actor: str) -> Vote | None:
        votes = [v for level in self.run.progress.levels for v in level.decisions]
        return next((v for v in votes if (v.round, v.actor) == (number, actor)), None)

    def _compare(self) -> None:
        progress, model = self.run.progress, self.model
        expected = self.ended or ("escalated" if model.escalated else "pending")
        assert progress.status == expected, (
            f"{progress.status} ({progress.outcome and progress.outcome.reason}), by the page {expected}"
        )
        if self.ended is None:
            level = self._level_at(model.index)
            assert len(progress.levels) == model.index + 1
            assert progress.round == model.last_round
            assert progress.deadline == self.deadline.replace(tzinfo=UTC), "another deadline"
            assert dict(level.delegates) == model.handed
            assert set(level.confirmed) == model.confirmed
            assert set(progress.confirming.items()) == {(a.actor, c) for c, a in self.awaited.items()}
            self._same_votes(level, model.votes)
        for level, votes in zip(progress.levels, model.past, strict=False):
            self._same_votes(level, votes)
        check_cards(self.run, model, ended=self.ended is not None)
        check_worklists(self.run, model)
        if self.ended is not None:
            self._has_ended()

    def _same_votes(self, level: LevelState, votes: list[CastVote]) -> None:
        ours = {(v.round, v.holder, v.actor, v.approves, v.code, v.comment) for v in votes}
        theirs = {
            (v.round, v.holder, v.actor, v.choice is Choice.APPROVE, v.factor is not None, v.comment)
            for v in level.decisions
        }
        assert theirs == ours, f"{theirs}, by the page {ours}"
        seats = Counter((v.round, v.holder) for v in level.decisions)
        assert max(seats.values(), default=1) == 1, "two votes from one seat"

    def _has_ended(self) -> None:
        self.figures[f"ended {self.ended}"] += 1
        outcome = self.run.progress.outcome
        assert outcome is not None
        assert self.run.over, "it has ended, and waits"
        assert self.run.output is not None
        assert self.run.output.model_dump(exclude={"receipt"}) == outcome.model_dump(exclude={"receipt"})
        self._told(REQUESTER, Notice.PROGRESS)
        assert not self.run.challenges, "a code is still awaited"
        if outcome.status is Status.APPROVED:
            self.witness.bears_out(outcome.levels)
        elif outcome.processed_by is None:
            assert outcome.reason, "ended without a reason"

    def prelude(self, what: str) -> None:
        """Plays one beginning of a request, as far as it is possible."""
        if self.ended is not None:
            return
        match what:
            case "pass":
                self.approve(self.model.own_round)
            case "silence":
                number = self.model.last_round
                while self.ended is None and self.model.last_round == number:
                    self.wait()
            case "hand over":
                number = self.model.own_round
                for _, who, to in [one for one in self.handings() if one[0] == number][:1]:
                    self.delegate(self.make(Delegation, who, round=number, to=to))
                    self.confirm_all_of(who)
            case "vote" | "press":
                number = self.model.own_round
                delegates = [who for who in self.model.handed.values() if self.model.seats(who, number)]
                actors = delegates or [actor for actor, _ in next(self.model.ways(number), [])]
                for actor in actors[:1]:
                    self.decide(self.make(Decision, actor, round=number, choice=Choice.APPROVE))
                    if what == "vote":
                        self.confirm_all_of(actor)

    def handings(self) -> list[tuple[int, str, str]]:
        """Each possible delegation as (round, holder, delegate), except for the rule on who is left afterwards."""
        model, found = self.model, []
        for number in sorted(model.rounds):
            for who in [one for one in ANYBODY if one in model.seats(one, number)]:
                code = model.code_to_delegate(who)
                fit = [to for to in reversed(ANYBODY) if not model.delegate_faults(who, to, code=code)]
                found += [(number, who, to) for to in fit]
        return found

    def confirm_all_of(self, person: str) -> None:
        """The right code comes from their phone, if one is awaited."""
        for challenge in [one for one, act in self.awaited.items() if act.actor == person]:
            self.confirm(challenge)

    # ---- whoever can decide by the model can decide in the code --------------------------------------------

    def play_on(self) -> None:
        """Lets those approve who can by the model, level by level, until the request has ended."""
        self.world.failing = False
        while self.ended is None:
            self.comment(REQUESTER, RemarkKind.ANSWER)  # makes the orchestration look the groups up
            if self.ended is not None:
                return
            for challenge in list(self.awaited):
                self.fail_code(challenge, Trouble.EXPIRED)
            number = next(one for one in self.model.rounds if self.model.reachable(one))
            self.approve(number)
            assert self.ended or number not in self.model.rounds, "all have approved, and nothing follows"
            self.figures["levels played to their end"] += 1

    def approve(self, number: int, *, but_one: bool = False) -> None:
        """Lets as many people as needed approve the round, or one fewer; each confirms where a code is sent."""
        way = next(self.model.ways(number), [])
        given = {vote.actor for vote in self.model.counting(number)}
        due = [actor for actor, _ in way if actor not in given]
        for actor in due[:-1] if but_one else due:
            if self.ended is not None or number not in self.model.rounds:
                return
            self.decide(self.make(Decision, actor, round=number, choice=Choice.APPROVE))
            self.confirm_all_of(actor)


def _same_act(one: Decision | Delegation, other: Decision | Delegation) -> bool:
    def said(act: Decision | Delegation) -> tuple[object, ...]:
        what = (act.to,) if isinstance(act, Delegation) else (act.choice, act.comment)
        return (type(act), act.actor, act.round, *what)

    return said(one) == said(other)
