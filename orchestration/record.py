"""What is known of one request while it is decided. No I/O, no durable calls: commands in, verdicts out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from orchestration.cards import Card, Shown
from orchestration.models import (
    ApprovalInput,
    CardRef,
    Choice,
    Decision,
    Escalation,
    Level,
    LevelState,
    Outcome,
    Progress,
    Reason,
    Status,
    Verdict,
    Vote,
)
from orchestration.policy import belongs

VERDICTS_KEPT: Final = 20


class Record:
    """The state of one request. `status` is `pending` or `escalated` until `end` is called, once."""

    def __init__(self, request_id: str, given: ApprovalInput, asked_at: datetime) -> None:
        self.request_id = request_id
        self.request = given.request
        self.policy = given.policy
        self.asked_at = asked_at
        self.status = Status.PENDING
        self.round = 0
        self.level: Level = given.policy.levels[0]
        self.escalation: Escalation | None = None
        self.escalated_at: datetime | None = None
        self.deadline: datetime | None = None
        self.open_rounds: set[int] = set()
        self.votes: dict[str, Vote] = {}
        self.past_levels: list[LevelState] = []
        self.cards: list[CardRef] = []
        self.verdicts: list[Verdict] = []
        self.ended_at: datetime | None = None
        self.ended_by: str | None = None
        self.comments = ""
        self.reason = ""

    # ---- rounds ------------------------------------------------------------------------------------------

    def open_level(self, level: Level, now: datetime) -> None:
        """A new level begins: its own round, nobody has voted, silence ends at `deadline`."""
        self.level, self.escalation, self.escalated_at = level, None, None
        self.status = Status.PENDING
        self.votes = {}
        self.round += 1
        self.open_rounds = {self.round}
        self.deadline = now + min(level.timeout, self.request.timeout or level.timeout)

    def escalate(self, escalation: Escalation, now: datetime) -> None:
        """Nobody decided in time: one more round beside the level's own, which stays open."""
        self.escalation, self.escalated_at = escalation, now
        self.status = Status.ESCALATED
        self.round += 1
        self.open_rounds.add(self.round)
        self.deadline = now + min(escalation.timeout, self.request.timeout or escalation.timeout)

    def close_level(self, status: Status) -> None:
        """The level has ended as `status`; its rounds take no more decisions."""
        self.past_levels.append(self._level_state(status))
        self.open_rounds = set()
        self.deadline = None

    def end(
        self, status: Status, now: datetime, *, by: str | None = None, comments: str = "", reason: str = ""
    ) -> None:
        """The request has ended. Called once; nothing changes it afterwards."""
        if self.open_rounds:
            self.close_level(status)
        self.status, self.ended_at, self.ended_by = status, now, by
        self.comments, self.reason = comments, reason

    # ---- votes -------------------------------------------------------------------------------------------

    def vote(self, decision: Decision, now: datetime) -> Reason:
        """Counts a decision that `may_decide` has allowed. A person's one vote can change while the level is open."""
        before = self.votes.get(decision.actor)
        if before and (before.choice, before.comment) == (decision.choice, decision.comment):
            return Reason.UNCHANGED
        self.votes[decision.actor] = Vote(
            actor=decision.actor, choice=decision.choice, comment=decision.comment, via=decision.via, at=now
        )
        return Reason.RECORDED

    def decided(self, members: dict[str, list[str]]) -> Vote | None:
        """The vote that settled the level, or None while it is open.

        One rejection ends it. The level's own people need its quorum; one approval by those it escalated to is enough.
        """
        approvals = []
        for vote in self.votes.values():
            if vote.choice is Choice.REJECT:
                return vote
            approvals.append(vote)
        if self.escalation:
            for vote in approvals:
                if belongs(vote.actor, self.escalation.approvers, members):
                    return vote
        own = [vote for vote in approvals if belongs(vote.actor, self.level.approvers, members)]
        return max(own, key=lambda vote: vote.at) if len(own) >= self.level.quorum else None

    # ---- verdicts ----------------------------------------------------------------------------------------

    def answered(self, command_id: str) -> bool:
        """Whether this very command already has its verdict (a delivery that came twice)."""
        return any(verdict.command_id == command_id for verdict in self.verdicts)

    def answer(self, command_id: str, reason: Reason) -> None:
        """Publishes the verdict on a command; the last 20 are kept."""
        ended_as = self.status if self.status.ended else None
        verdict = Verdict(command_id=command_id, reason=reason, ended_as=ended_as)
        self.verdicts = [*self.verdicts, verdict][-VERDICTS_KEPT:]

    # ---- views -------------------------------------------------------------------------------------------

    def _level_state(self, status: Status) -> LevelState:
        return LevelState(
            name=self.level.name,
            status=status,
            quorum=self.level.quorum,
            deadline=self.deadline,
            decisions=sorted(self.votes.values(), key=lambda vote: vote.at),
        )

    def levels(self) -> list[LevelState]:
        """The levels so far: those that ended, then the one that is open."""
        return (
            [*self.past_levels, self._level_state(self.status)]
            if self.open_rounds
            else list(self.past_levels)
        )

    def card(self, round_: int) -> Card:
        """What the copy posted for `round_` must say now."""
        labels = {field.name: field.title for field in self.policy.fields}
        return Card(
            request_id=self.request_id,
            round=round_,
            status=self.status,
            policy_title=self.policy.title,
            title=self.request.title,
            description=self.request.description,
            amount=self.request.amount,
            currency=self.request.currency,
            fields=[
                Shown(label=label, value=self.request.fields[name])
                for name, label in labels.items()
                if self.request.fields.get(name)
            ],
            requester=self.request.requester,
            asked_at=self.asked_at,
            levels=self.levels(),
            open=round_ in self.open_rounds,
            escalation=self.escalation is not None and round_ == self.round,
            escalated_at=self.escalated_at,
            escalated_to=self.escalation.channel if self.escalation else None,
            ended_at=self.ended_at,
            ended_by=self.ended_by,
            comments=self.comments,
            reason=self.reason,
        )

    def progress(self) -> Progress:
        """The custom status: small, and enough to act on from outside."""
        return Progress(
            request_id=self.request_id,
            status=self.status,
            policy=self.policy.key,
            title=self.request.title,
            requester=self.request.requester,
            round=self.round,
            deadline=self.deadline,
            levels=self.levels(),
            cards=self.cards,
            outcome=self.outcome() if self.status.ended else None,
            verdicts=self.verdicts,
        )

    def outcome(self) -> Outcome:
        """The output, once `end` was called."""
        if self.ended_at is None:
            raise ValueError("the request has not ended")
        return Outcome(
            request_id=self.request_id,
            status=self.status,
            processed_by=self.ended_by,
            processed_at=self.ended_at,
            comments=self.comments,
            reason=self.reason,
            levels=self.past_levels,
            digest=self.request.digest(),
        )
