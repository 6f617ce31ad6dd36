"""What is known of one request while it is decided. No I/O, no durable calls: commands in, verdicts out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from orchestration.approval.state import ApprovalInput, State
from orchestration.domain.cards import Card, Shown, Step, StepKind
from orchestration.domain.commands import Comment, Decision, Delegation, Progress, Reason, Verdict
from orchestration.domain.policy import Level
from orchestration.domain.request import (
    CardRef,
    Choice,
    Factor,
    LevelState,
    Outcome,
    Remark,
    RemarkKind,
    Status,
    Vote,
)
from orchestration.domain.rules import EligibleVoters, Members, belongs

# All of a level's 50 approvers may press in the same instant, twice, and each is to find an answer.
VERDICTS_KEPT: Final = 100
REMARKS_KEPT: Final = 5
REMARK_SHOWN: Final = 500
# The hub takes no status, input or output of more than 1 MiB, and the votes are in each of them (twice in a status).
# Past this many bytes of comments a vote keeps the beginning of its own; the thread has all of it.
COMMENT_BYTES_KEPT: Final = 100_000
COMMENT_BEGINNING: Final = 100


class Record:
    """One request. Its status is `pending` or `escalated` until `end` is called, once."""

    def __init__(self, request_id: str, given: ApprovalInput, now: datetime) -> None:
        self.request_id = request_id
        self.request = given.request
        if given.policy is None:
            raise AssertionError("a request is decided by the policy that was taken for it")
        self.policy = given.policy
        self.people = given.people
        self.state = given.state.model_copy(deep=True) if given.state else State(asked_at=now)

    @property
    def level(self) -> Level:
        """The level that is open, or was last."""
        return self.policy.levels[self.state.level_index]

    @property
    def ended(self) -> bool:
        """Whether it is decided, one way or another."""
        return self.state.status.ended

    # ---- rounds ------------------------------------------------------------------------------------------

    def open_level(self, index: int, delegates: dict[str, str], now: datetime) -> None:
        """The level begins: its own round, nobody has voted, silence ends at `deadline`.

        `delegates` maps each person who is away to the one who may decide instead.
        """
        state, level = self.state, self.policy.levels[index]
        state.level_index, state.level_open = index, True
        state.status, state.escalated, state.escalated_at = Status.PENDING, False, None
        state.votes, state.delegates, state.delegated = {}, dict(delegates), []
        state.approvers = list(
            dict.fromkeys(delegates.get(principal, principal) for principal in level.approvers)
        )
        state.asked = []
        state.round += 1
        state.open_rounds = [state.round]
        state.deadline = now + min(level.timeout, self.request.timeout or level.timeout)
        state.remind_at = now + level.remind_every if level.remind_every else None

    def ask(self, people: list[str]) -> None:
        """Who is asked, as known when the level opened: a quorum of all means these."""
        left_out = set() if self.policy.allow_self_approval else {self.request.requester}
        if not self.policy.allow_repeat_approver:
            left_out |= set(self.state.counted)
        self.state.asked = [person for person in people if person not in left_out]

    def escalate(self, delegates: dict[str, str], now: datetime) -> None:
        """Nobody decided in time: one more round beside the level's own, which stays open.

        `delegates` is of those it escalates to, as in `open_level`.
        """
        escalation, state = self.policy.escalation, self.state
        if escalation is None:
            raise AssertionError("the policy was checked to have an escalation where a level escalates")
        state.escalated, state.escalated_at, state.status = True, now, Status.ESCALATED
        # Who has handed over their vote at this level keeps to that.
        state.delegates = {**delegates, **state.delegates}
        state.escalation = list(dict.fromkeys(delegates.get(who, who) for who in escalation.approvers))
        state.round += 1
        state.open_rounds.append(state.round)
        state.deadline = now + min(escalation.timeout, self.request.timeout or escalation.timeout)
        state.remind_at = None

    def close_level(self, status: Status) -> None:
        """The level has ended as `status`, with the votes it got; its rounds take no more decisions."""
        state = self.state
        state.past_levels.append(self._level_state(status))
        state.counted += [vote.actor for vote in state.votes.values() if vote.choice is Choice.APPROVE]
        state.level_open, state.open_rounds, state.deadline, state.remind_at = False, [], None, None

    def end(
        self, status: Status, now: datetime, *, by: str | None = None, comments: str = "", reason: str = ""
    ) -> None:
        """The request has ended. Called once; nothing changes it afterwards."""
        if self.state.level_open:
            self.close_level(status)
        state = self.state
        state.status, state.ended_at, state.ended_by = status, now, by
        state.receipt_pending = True
        state.comments, state.reason = comments, reason

    # ---- commands that the rules have allowed ------------------------------------------------------------

    def voters(self) -> EligibleVoters:
        """Who may decide now."""
        state = self.state
        return EligibleVoters(
            approvers=state.approvers,
            escalation=state.escalation if state.escalated else (),
            delegates=state.delegates,
            counted=state.counted,
            open_rounds=state.open_rounds,
        )

    def needs_code(self) -> bool:
        """Whether an approval needs a code now. An escalation inherits what any level so far asked for."""
        levels = self.policy.levels[: self.state.level_index + 1] if self.state.escalated else [self.level]
        return any(level.needs_code(self.request.amount) for level in levels)

    def enrolled(self, person: str) -> bool:
        """Whether the operator has enrolled a phone for them."""
        known = self.people.get(person)
        return known is not None and known.enrolled

    def alert_channel(self) -> str:
        """Who hears of a locked number: the escalation's channel, or the policy's where there is none."""
        return self.policy.escalation.channel if self.policy.escalation else self.policy.channel

    def vote(self, decision: Decision, now: datetime, factor: Factor | None = None) -> Reason:
        """Counts a decision. A person's one vote can change while the level is open."""
        votes = self.state.votes
        before = votes.get(decision.actor)
        if before and (before.choice, before.comment) == (decision.choice, decision.comment):
            return Reason.UNCHANGED
        absent = next((who for who, by in self.state.delegates.items() if by == decision.actor), None)
        votes[decision.actor] = Vote(
            actor=decision.actor,
            choice=decision.choice,
            comment=self._kept(decision.comment),
            via=decision.via,
            token=decision.token,
            at=now,
            digest=self.request.digest(),
            factor=factor,
            for_=absent,
        )
        return Reason.RECORDED

    def _kept(self, comment: str) -> str:
        levels = [level.decisions for level in self.state.past_levels]
        votes = [vote for decisions in [*levels, self.state.votes.values()] for vote in decisions]
        size = sum(len(vote.comment.encode()) for vote in votes) + len(comment.encode())
        if size <= COMMENT_BYTES_KEPT or len(comment) <= COMMENT_BEGINNING:
            return comment
        return comment[:COMMENT_BEGINNING] + "…"

    def deciding_vote(self, members: Members) -> Vote | None:
        """The vote that decided the level, or None while it is open.

        Rejections decide it at `reject_quorum`. The level's own people need its quorum; one approval by those it
        escalated to is enough. "All" are those who were asked when it opened: who has joined a group since does not
        take the place of one of them, and who has left it without a vote is still missed.
        """
        votes = sorted(self.state.votes.values(), key=lambda vote: vote.at)
        rejections = [vote for vote in votes if vote.choice is Choice.REJECT]
        if len(rejections) >= self.level.reject_quorum:
            return rejections[-1]
        approvals = [vote for vote in votes if vote.choice is Choice.APPROVE]
        voters = self.voters()
        for vote in approvals:
            names = [vote.actor, *(who for who, by in voters.delegates.items() if by == vote.actor)]
            if any(belongs(name, voters.escalation, members) for name in names):
                return vote
        if self.level.quorum == "all":
            asked = set(self.state.asked)
            return approvals[-1] if asked and asked <= {vote.actor for vote in approvals} else None
        own = [vote for vote in approvals if belongs(vote.actor, voters.approvers, members)]
        return own[-1] if len(own) >= self.level.quorum else None

    @property
    def needed(self) -> int:
        """How many approvals the open level takes; of "all", at least one."""
        return max(len(self.state.asked), 1) if self.level.quorum == "all" else self.level.quorum

    def delegate(self, delegation: Delegation) -> None:
        """`to` decides instead of `actor`, for this level. A vote that `actor` had given is withdrawn."""
        state, actor, to = self.state, delegation.actor, delegation.to
        state.votes.pop(actor, None)
        state.delegates[actor] = to
        state.delegated = [*state.delegated, actor]
        state.approvers = list(dict.fromkeys(to if who == actor else who for who in [*state.approvers, to]))
        state.asked = list(dict.fromkeys(to if who == actor else who for who in state.asked))

    def remark(self, comment: Comment, now: datetime) -> None:
        """Keeps what was said for the card; the thread has all of it."""
        remark = Remark(actor=comment.actor, kind=comment.kind, text=comment.text, at=now)
        self.state.remarks = [*self.state.remarks, remark][-REMARKS_KEPT:]

    def last_asker(self) -> str | None:
        """Who put the last question that is still remembered."""
        asked = [remark.actor for remark in self.state.remarks if remark.kind is RemarkKind.QUESTION]
        return asked[-1] if asked else None

    # ---- verdicts and steps ------------------------------------------------------------------------------

    def answered(self, command_id: str) -> bool:
        """Whether this very command already has its verdict (a delivery that came twice)."""
        return any(verdict.command_id == command_id for verdict in self.state.verdicts)

    def answer(self, command_id: str, reason: Reason) -> None:
        """Publishes the verdict on a command; the last 100 are kept."""
        verdict = Verdict(
            command_id=command_id, reason=reason, ended_as=self.state.status if self.ended else None
        )
        self.state.verdicts = [*self.state.verdicts, verdict][-VERDICTS_KEPT:]

    def step(self, kind: StepKind, now: datetime, **what: object) -> Step:
        """The next line of the thread."""
        self.state.steps += 1
        return Step.model_validate({"number": self.state.steps, "kind": kind, "at": now, **what})

    # ---- views -------------------------------------------------------------------------------------------

    def on_show(self) -> CardRef | None:
        """The newest round's posted card; None while it is still to be posted."""
        return next((ref for ref in self.state.cards if ref.round == self.state.round), None)

    def named(self) -> list[str]:
        """The people and groups who may decide now and have not, as the level and its escalation name them."""
        state = self.state
        escalation = state.escalation if state.escalated else []
        return [who for who in [*state.approvers, *escalation] if who not in state.votes]

    def undecided(self) -> list[str]:
        """Who was asked and has not voted."""
        return [person for person in self.state.asked if person not in self.state.votes]

    def _level_state(self, status: Status) -> LevelState:
        state, escalation = self.state, self.policy.escalation
        return LevelState(
            name=self.level.name,
            status=status,
            needed=self.needed,
            approvers=state.approvers,
            waiting_for=self.undecided(),
            delegates=dict(state.delegates),
            delegated=state.delegated,
            deadline=state.deadline,
            decisions=sorted(state.votes.values(), key=lambda vote: vote.at),
            escalated_at=state.escalated_at,
            escalated_to=escalation.channel if escalation and state.escalated else None,
        )

    def levels(self) -> list[LevelState]:
        """The levels so far: those that ended, then the one that is open."""
        past = list(self.state.past_levels)
        return [*past, self._level_state(self.state.status)] if self.state.level_open else past

    def card(self, round_: int) -> Card:
        """What the copy posted for `round_` must say now."""
        state, request = self.state, self.request
        upcoming = [] if self.ended else [level.name for level in self.policy.levels[state.level_index + 1 :]]
        return Card(
            request_id=self.request_id,
            round=round_,
            status=state.status,
            policy_title=self.policy.title,
            title=request.title,
            description=request.description,
            amount=request.amount,
            currency=request.currency,
            fields=[
                Shown(label=spec.title, value=request.fields[spec.name])
                for spec in self.policy.fields
                if request.fields.get(spec.name)
            ],
            requester=request.requester,
            asked_at=state.asked_at,
            levels=self.levels(),
            upcoming=upcoming,
            confirming=list(state.confirming),
            remarks=[
                remark
                if len(remark.text) <= REMARK_SHOWN
                else remark.model_copy(update={"text": remark.text[:REMARK_SHOWN] + "…"})
                for remark in state.remarks
            ],
            actions=state.actions,
            open=round_ in state.open_rounds,
            escalation=state.escalated and round_ == state.round,
            ended_at=state.ended_at,
            ended_by=state.ended_by,
            comments=state.comments,
            reason=state.reason,
        )

    def progress(self) -> Progress:
        """The custom status: small, and enough to act on from outside."""
        state = self.state
        return Progress(
            request_id=self.request_id,
            status=state.status,
            policy=self.policy.key,
            title=self.request.title,
            requester=self.request.requester,
            asked_at=state.asked_at,
            round=state.round,
            steps=state.steps,
            deadline=state.deadline,
            levels=self.levels(),
            cards=state.cards,
            actions=state.actions,
            confirming=state.confirming,
            outcome=self.outcome() if self.ended else None,
            receipt_pending=state.receipt_pending,
            verdicts=state.verdicts,
        )

    def outcome(self) -> Outcome:
        """The output, once `end` was called."""
        state = self.state
        if state.ended_at is None:
            raise ValueError("the request has not ended")
        return Outcome(
            request_id=self.request_id,
            status=state.status,
            processed_by=state.ended_by,
            processed_at=state.ended_at,
            comments=state.comments,
            reason=state.reason,
            levels=state.past_levels,
            digest=self.request.digest(),
            receipt=state.receipt,
        )


def refused(outcome: Outcome, given: ApprovalInput) -> Progress:
    """The custom status of a request that no policy would take."""
    return Progress(
        request_id=outcome.request_id,
        status=outcome.status,
        policy=given.request.policy,
        title=given.request.title,
        requester=given.request.requester,
        asked_at=outcome.processed_at,
        round=0,
        outcome=outcome,
    )
