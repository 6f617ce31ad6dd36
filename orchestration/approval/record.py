"""What is known of one request while it is decided. No I/O, no durable calls: commands in, verdicts out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from orchestration.approval.state import ApprovalInput, State
from orchestration.domain.cards import Card, Shown, Step, StepKind
from orchestration.domain.commands import Comment, Decision, Delegation, Progress, Reason, Verdict
from orchestration.domain.policy import Level
from orchestration.domain.request import (
    CardRef,
    Choice,
    Factor,
    Identity,
    LevelState,
    Outcome,
    Remark,
    RemarkKind,
    Status,
    Vote,
)
from orchestration.domain.rounds import EligibleVoters, Members, Round, reachable, settling_vote

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
        self._given = given
        self.request = given.request
        if given.policy is None:
            raise AssertionError("a request is decided by the policy that was taken for it")
        self.policy = given.policy
        self.people = given.people
        self.identity = Identity(nonce=given.nonce, digest=given.request.digest())
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

    def open_level(self, index: int, now: datetime) -> None:
        """The level begins: its own round, nobody has voted, silence ends at `deadline`."""
        state, level = self.state, self.policy.levels[index]
        state.level_index, state.level_open = index, True
        state.status, state.escalated, state.escalated_at = Status.PENDING, False, None
        state.votes, state.delegates, state.delegated, state.confirmed = [], {}, [], []
        state.asked = []
        state.undecidable = False
        state.round += 1
        state.open_rounds = [state.round]
        state.shortened = self.request.timeout is not None and self.request.timeout < level.timeout
        state.deadline = now + min(level.timeout, self.request.timeout or level.timeout)
        state.remind_at = now + level.remind_every if level.remind_every else None

    def ask(self, people: list[str]) -> None:
        """Who is asked, as known when the level opened: a quorum of all means these."""
        voters = self.voters()
        self.state.asked = [person for person in people if not voters.barred(person)]

    def escalate(self, now: datetime) -> None:
        """One more round beside the level's own, which stays open. Delegations stay in force."""
        escalation, state = self.policy.escalation, self.state
        if escalation is None:
            raise AssertionError("the policy was checked to have an escalation where a level escalates")
        state.escalated, state.escalated_at, state.status = True, now, Status.ESCALATED
        state.undecidable = False
        state.round += 1
        state.open_rounds.append(state.round)
        state.deadline = now + min(escalation.timeout, self.request.timeout or escalation.timeout)
        state.remind_at = None

    def close_level(self, status: Status) -> None:
        """The level has ended as `status`, with the votes it got; its rounds take no more decisions."""
        state = self.state
        state.past_levels.append(self._level_state(status))
        # An approval uses up the voter and the person they vote for, so nobody decides twice through somebody else.
        approvals = [vote for vote in state.votes if vote.choice is Choice.APPROVE]
        people = [person for vote in approvals for person in (vote.actor, vote.holder)]
        state.counted = list(dict.fromkeys([*state.counted, *people]))
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

    def rounds(self) -> list[Round]:
        """The open rounds: the level's own, and the escalation's beside it."""
        state, level, escalation = self.state, self.level, self.policy.escalation
        if not state.level_open:
            return []
        found = [
            self._round(
                state.open_rounds[0],
                level.approvers,
                quorum=level.quorum,
                reject_quorum=level.reject_quorum,
                at_least=level.people_needed(len(state.asked)),
                code=level.needs_code(self.request.amount),
                asked=state.asked,
            )
        ]
        if state.escalated and escalation is not None:
            so_far = self.policy.levels[: state.level_index + 1]
            escalated = self._round(
                state.open_rounds[-1],
                escalation.approvers,
                quorum=escalation.quorum,
                reject_quorum=escalation.reject_quorum,
                at_least=escalation.quorum,
                code=any(one.needs_code(self.request.amount) for one in so_far),
            )
            found.append(escalated)
        return found

    def _round(self, number: int, approvers: Sequence[str], **terms: Any) -> Round:
        return Round(number, approvers, self.policy.groups_in(approvers), **terms)

    def voters(self) -> EligibleVoters:
        """Who may decide now."""
        state, policy = self.state, self.policy
        return EligibleVoters(
            rounds=self.rounds(),
            delegates=state.delegates,
            confirmed=state.confirmed,
            counted=() if policy.allow_repeat_approver else state.counted,
            requester=None if policy.allow_self_approval else self.request.requester,
            later=self._later(state.votes),
            enrolled=[person for person in self.people if self.enrolled(person)],
        )

    def _later(self, votes: Iterable[Vote]) -> list[tuple[Collection[str], int]]:
        """What the later levels still take, once this one has these votes."""
        state, policy = self.state, self.policy
        if policy.allow_repeat_approver:
            return []
        barred = {*state.counted, *(() if policy.allow_self_approval else (self.request.requester,))}
        for vote in votes:
            if vote.choice is Choice.APPROVE:
                barred |= {vote.actor, vote.holder}
        return [(people, number) for _, people, number in policy.demands(barred, state.level_index + 1)]

    def needs_code(self, round_number: int) -> bool:
        """Whether an approval in that round needs a code. An escalation inherits what any level so far asked for."""
        return any(round_.code for round_ in self.rounds() if round_.number == round_number)

    def enrolled(self, person: str) -> bool:
        """Whether the operator has enrolled a phone for them."""
        known = self.people.get(person)
        return known is not None and known.enrolled

    def alert_channel(self) -> str:
        """Who hears of a locked number: the escalation's channel, or the policy's where there is none."""
        return self.policy.escalation.channel if self.policy.escalation else self.policy.channel

    def vote(self, decision: Decision, holder: str, now: datetime, factor: Factor | None = None) -> Reason:
        """Keeps a decision that `actor` made from the seat of `holder`.

        A person has one vote in a round, and can change it while the round is open.
        """
        state, digest = self.state, self.request.digest()
        before = next(
            (vote for vote in state.votes if (vote.round, vote.actor) == (decision.round, decision.actor)),
            None,
        )
        now_said = (decision.choice, decision.comment, digest)
        same = before is not None and (before.choice, before.comment, before.digest) == now_said
        # The same said again with a code is kept with it: it now counts as confirmed.
        if before is not None and same and (factor is None or before.factor is not None):
            return Reason.UNCHANGED
        vote = Vote(
            round=decision.round,
            holder=holder,
            actor=decision.actor,
            choice=decision.choice,
            comment=self._kept(decision.comment),
            via=decision.via,
            token=decision.token,
            at=now,
            digest=digest,
            factor=factor,
        )
        state.votes = [*(one for one in state.votes if one is not before), vote]
        return Reason.RECORDED

    def _kept(self, comment: str) -> str:
        levels = [level.decisions for level in self.state.past_levels]
        votes = [vote for decisions in [*levels, self.state.votes] for vote in decisions]
        size = sum(len(vote.comment.encode()) for vote in votes) + len(comment.encode())
        if size <= COMMENT_BYTES_KEPT or len(comment) <= COMMENT_BEGINNING:
            return comment
        return comment[:COMMENT_BEGINNING] + "…"

    def deciding_vote(self, round_number: int, choice: Choice) -> Vote | None:
        """The vote by which that round is settled for the side of `choice`; None while it is not."""
        round_ = self.voters().round(round_number)
        if round_ is None:
            return None
        return settling_vote(round_, self.state.votes, choice, self.request.digest())

    def approvable(self, members: Members, voters: EligibleVoters | None = None) -> bool:
        """Whether any open round can still be approved, by these voters or by those of now."""
        voters, digest = voters or self.voters(), self.request.digest()
        return any(reachable(round_, self.state.votes, voters, members, digest) for round_ in voters.rounds)

    def seated(self) -> list[str]:
        """The people and groups with a seat in an open round."""
        return list(dict.fromkeys(name for round_ in self.rounds() for name in round_.named))

    def too_few_after(self, delegation: Delegation, members: Members, *, confirmed: bool) -> bool:
        """Whether its round can still be approved now, and could not be any more after this delegation."""
        state = self.state
        left = self._votes_without(delegation.actor)
        now, digest = self.voters(), self.request.digest()
        round_ = now.round(delegation.round)
        if round_ is None or not reachable(round_, state.votes, now, members, digest):
            return False
        after = _with_delegate(now, delegation.actor, delegation.to, confirmed=confirmed)
        after = replace(after, later=self._later(left))
        return not reachable(round_, left, after, members, digest)

    def approvable_after_absence(
        self, holder: str, delegate: str, members: Members, *, confirmed: bool
    ) -> bool:
        """Whether any open round could still be approved were `holder` away with this delegate."""
        after = _with_delegate(self.voters(), holder, delegate, confirmed=confirmed)
        return self.approvable(members, after)

    def has_voted(self, person: str) -> bool:
        """Whether they have voted at the open level, or somebody has from their seat."""
        return any(person in {vote.actor, vote.holder} for vote in self.state.votes)

    def absent(self, holder: str, delegate: str, *, confirmed: bool = False) -> None:
        """The holder is away; `delegate` votes instead, for this level.

        `confirmed`: also in a round that needs a code, as the operator entered them.
        """
        self._put_in_place(holder, delegate, confirmed=confirmed)

    def _put_in_place(self, holder: str, delegate: str, *, confirmed: bool) -> None:
        after = _with_delegate(self.voters(), holder, delegate, confirmed=confirmed)
        self.state.delegates, self.state.confirmed = dict(after.delegates), list(after.confirmed)

    def _votes_without(self, person: str) -> list[Vote]:
        """The votes but for those that this person gave, or that were given from their seat."""
        return [vote for vote in self.state.votes if person not in {vote.actor, vote.holder}]

    @property
    def needed(self) -> int:
        """How many approvals the level's own round takes; of "all", at least one."""
        level, asked = self.level, len(self.state.asked)
        return max(asked if level.quorum == "all" else level.quorum, level.people_needed(asked), 1)

    def delegate(self, delegation: Delegation, *, confirmed: bool = False) -> None:
        """`to` decides instead of `actor`, for this level. A vote given by `actor`, or from their seat, is withdrawn.

        `confirmed`: also in a round that needs a code, as it was handed over with one.
        """
        state, actor = self.state, delegation.actor
        state.votes = self._votes_without(actor)
        self._put_in_place(actor, delegation.to, confirmed=confirmed)
        state.delegated = [*state.delegated, actor]

    def remark(self, comment: Comment, now: datetime) -> None:
        """Keeps what was said for the card; the thread has all of it."""
        remark = Remark(actor=comment.actor, kind=comment.kind, text=comment.text, at=now)
        self.state.remarks = [*self.state.remarks, remark][-REMARKS_KEPT:]

    def last_asker(self) -> str | None:
        """Who put the last question that is still remembered."""
        asked = [remark.actor for remark in self.state.remarks if remark.kind is RemarkKind.QUESTION]
        return asked[-1] if asked else None

    # ---- verdicts and steps ------------------------------------------------------------------------------

    def answered(self, command_id: str, fingerprint: str = "") -> bool:
        """Whether this very command already has its verdict (a delivery that came twice)."""
        return any(verdict.is_on(command_id, fingerprint) for verdict in self.state.verdicts)

    def answer(self, command_id: str, reason: Reason, fingerprint: str = "") -> None:
        """Publishes the verdict on a command; the last 100 are kept. What could not be read has no fingerprint."""
        verdict = Verdict(
            command_id=command_id,
            reason=reason,
            ended_as=self.state.status if self.ended else None,
            fingerprint=fingerprint,
        )
        self.state.answered += 1
        self.state.verdicts = [*self.state.verdicts, verdict][-VERDICTS_KEPT:]

    def step(self, kind: StepKind, now: datetime, **what: object) -> Step:
        """The next line of the thread."""
        self.state.steps += 1
        return Step.model_validate({"number": self.state.steps, "kind": kind, "at": now, **what})

    # ---- views -------------------------------------------------------------------------------------------

    def on_show(self) -> CardRef | None:
        """The newest round's posted card; None while it is still to be posted."""
        return next((ref for ref in self.state.cards if ref.round == self.state.round), None)

    def _now_for(self, principals: Iterable[str], at: int = 0) -> list[str]:
        """These people and groups, each holder replaced by who votes for them in that open round: own, escalation."""
        rounds, delegates = self.rounds(), self.state.delegates
        if at < len(rounds):
            voters = EligibleVoters(delegates=delegates, confirmed=self.state.confirmed)
            delegates = dict(voters.delegates_in(rounds[at]))
        return list(dict.fromkeys(delegates.get(one, one) for one in principals))

    def approvers(self) -> list[str]:
        """Who may decide in the level's own round, as it names them, with their delegates in place."""
        return self._now_for(self.level.approvers)

    def named(self) -> list[str]:
        """The people and groups who may decide now and have not, as the level and its escalation name them."""
        escalation = self.policy.escalation if self.state.escalated else None
        named = [*self.approvers(), *self._now_for(escalation.approvers if escalation else [], at=1)]
        voted = {vote.actor for vote in self.state.votes}
        return [who for who in dict.fromkeys(named) if who not in voted]

    def undecided(self) -> list[str]:
        """Who was asked, or is their delegate, and has not voted."""
        voted = {vote.actor for vote in self.state.votes}
        return [person for person in self._now_for(self.state.asked) if person not in voted]

    def _level_state(self, status: Status) -> LevelState:
        state, escalation = self.state, self.policy.escalation
        return LevelState(
            name=self.level.name,
            status=status,
            round=state.round - 1 if state.escalated else state.round,
            needed=self.needed,
            approvers=self.approvers(),
            waiting_for=self.undecided(),
            delegates=dict(state.delegates),
            delegated=state.delegated,
            confirmed=state.confirmed,
            deadline=state.deadline,
            decisions=state.votes,
            escalated_at=state.escalated_at,
            escalated_to=escalation.channel if escalation and state.escalated else None,
            escalation_needed=escalation.quorum if escalation else 1,
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
            nonce=self.identity.nonce,
            digest=self.identity.digest,
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
            nonce=self.identity.nonce,
            digest=self.identity.digest,
            answered=state.answered,
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
            digest=self.identity.digest,
            nonce=self.identity.nonce,
            receipt=state.receipt,
        )


def _with_delegate(voters: EligibleVoters, holder: str, delegate: str, *, confirmed: bool) -> EligibleVoters:
    others = [one for one in voters.confirmed if one != holder]
    return replace(
        voters,
        delegates={**voters.delegates, holder: delegate},
        confirmed=[*others, holder] if confirmed else others,
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
