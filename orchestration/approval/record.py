"""The state of one request while it is decided. No I/O, no durable calls: takes commands and gives verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from orchestration.approval.state import ApprovalInput, State
from orchestration.approval.voting import Voting
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.commands import Comment, Reason, Verdict
from orchestration.domain.digests import AutoApprovalNotice
from orchestration.domain.edits import with_edits
from orchestration.domain.granting import GrantOffer
from orchestration.domain.policy import Level
from orchestration.domain.request import (
    ApprovalRequest,
    CardRef,
    Choice,
    EscalationCause,
    Identity,
    LevelState,
    Remark,
    RemarkKind,
    RequestEdit,
    Status,
)
from orchestration.domain.salts import text_salt

# All 50 approvers of a level may press twice at the same moment, and each has to find an answer.
VERDICTS_KEPT: Final = 100
REMARKS_KEPT: Final = 5


class Record:
    """One request. Its status is `pending` or `escalated` until `end` is called, once."""

    def __init__(self, request_id: str, given: ApprovalInput, now: datetime) -> None:
        self.request_id = request_id
        self.asked = given.request
        if given.policy is None:
            raise AssertionError("a request is decided by the policy that was taken for it")
        self.policy = given.policy
        self.policy_digest = given.policy_digest or given.policy.digest()
        self.people = given.people
        self.pattern = given.pattern
        self.run = given.run
        self.asked_without_seal = given.asked_without_seal
        self.state = given.state.model_copy(deep=True) if given.state else State(asked_at=now)
        # The request as approvers have changed it: this is decided.
        self.request = with_edits(given.request, self.state.edits)
        self.asked_digest = given.request.digest()
        digest = self.request.digest() if self.state.edits else self.asked_digest
        self.identity = Identity(nonce=given.nonce, digest=digest)
        self.salt = given.salt
        self.voting = Voting(self.request, self.policy, self.people, self.state, given.salt, self.asked)

    @property
    def level(self) -> Level:
        """The open level, or the last one."""
        return self.voting.level

    @property
    def grant_offer(self) -> GrantOffer | None:
        """What a decision may grant beside the approval; None for nothing."""
        grants = self.policy.grants
        if grants is None or self.pattern is None or self.request.call is None or self.asked_without_seal:
            return None
        if self.state.edits:  # the pattern matches the call as it was asked
            return None
        return GrantOffer(pattern=self.pattern, longest=grants.longest, most_uses=grants.most_uses)

    @property
    def grants(self) -> bool:
        """Whether the decision that approved it also gave a grant."""
        vote, state = self.state.decided_by, self.state
        return (
            state.status is Status.APPROVED
            and state.grant is None
            and vote is not None
            and vote.grant is not None
        )

    @property
    def ended(self) -> bool:
        """Whether the request has ended, with any outcome."""
        return self.state.status.ended

    def in_digest(self) -> bool:
        """Whether a rule approved it and its channel is told only in a digest."""
        by_rule = self.state.status is Status.AUTO_APPROVED
        return by_rule and self.policy.notify is AutoApprovalNotice.DIGEST

    def alert_channel(self) -> str:
        """The channel that is told of a locked number: the escalation's if there is one, else the policy's."""
        return self.policy.escalation.channel if self.policy.escalation else self.policy.channel

    # ---- rounds ------------------------------------------------------------------------------------------

    def open_level(self, index: int, now: datetime) -> None:
        """Opens the level: its own round, without votes. It times out at `deadline`."""
        state, level = self.state, self.policy.levels[index]
        state.level_index, state.level_open = index, True
        state.status, state.escalated = Status.PENDING, False
        state.escalated_at, state.escalated_because = None, None
        state.votes, state.delegates, state.delegated, state.confirmed = [], {}, [], []
        state.asked = None
        state.undecidable = False
        state.gone = []
        state.round += 1
        state.open_rounds = [state.round]
        state.shortened = self.request.timeout is not None and self.request.timeout < level.timeout
        state.deadline = now + min(level.timeout, self.request.timeout or level.timeout)
        state.remind_at = self.next_reminder(now)

    def next_reminder(self, now: datetime) -> datetime | None:
        """When the next reminder is due; None if there is none, or the deadline comes first."""
        every, deadline = self.level.remind_every, self.state.deadline
        if every is None or (deadline is not None and now + every >= deadline):
            return None
        return now + every

    def escalate(self, now: datetime) -> None:
        """Opens one more round beside the level's own, which stays open. Delegations stay in force."""
        escalation, state = self.policy.escalation, self.state
        if escalation is None:
            raise AssertionError("the policy was checked to have an escalation where a level escalates")
        state.escalated, state.escalated_at, state.status = True, now, Status.ESCALATED
        cause = EscalationCause.TOO_FEW_LEFT if state.undecidable else EscalationCause.SILENCE
        state.escalated_because, state.undecidable = cause, False
        state.round += 1
        state.open_rounds.append(state.round)
        state.deadline = now + min(escalation.timeout, self.request.timeout or escalation.timeout)
        state.remind_at = None

    def edit(self, request: ApprovalRequest, edit: RequestEdit) -> None:
        """Replaces the request that is decided. Earlier votes no longer count."""
        state = self.state
        state.edits = [*state.edits, edit]
        state.votes = []
        self.request = request
        self.identity = Identity(nonce=self.identity.nonce, digest=request.digest())
        self.voting.about(request)

    def start_over(self) -> None:
        """Goes back to before the first level. No level counts as decided."""
        state = self.state
        state.level_index, state.level_open, state.open_rounds = 0, False, []
        state.deadline, state.remind_at = None, None
        state.status, state.escalated = Status.PENDING, False
        state.past_levels, state.counted, state.decided_by = [], [], None

    def close_level(self, status: Status) -> None:
        """Closes the level as `status`, with its votes; its rounds take no more decisions."""
        state = self.state
        state.past_levels.append(self._level_state(status))
        # An approval counts for the voter and for the seat's holder, so that nobody decides twice through somebody
        # else.
        approvals = [vote for vote in state.votes if vote.choice is Choice.APPROVE]
        people = [person for vote in approvals for person in (vote.actor, vote.holder)]
        state.counted = list(dict.fromkeys([*state.counted, *people]))
        state.level_open, state.open_rounds, state.deadline, state.remind_at = False, [], None, None

    def end(
        self, status: Status, now: datetime, *, by: str | None = None, comments: str = "", reason: str = ""
    ) -> None:
        """Ends the request. Called once; nothing changes it afterwards."""
        if self.state.level_open:
            self.close_level(status)
        state = self.state
        state.status, state.ended_at, state.ended_by = status, now, by
        state.receipt_pending = True
        state.comments, state.reason = comments, reason

    # ---- what was said -----------------------------------------------------------------------------------

    def remark(self, comment: Comment, now: datetime) -> None:
        """Keeps the last few comments for the card; the thread has all of them."""
        remark = Remark(actor=comment.actor, kind=comment.kind, text=comment.text, at=now)
        self.state.remarks = [*self.state.remarks, remark][-REMARKS_KEPT:]

    def askers(self) -> list[str]:
        """The people whom an answer is for: those who asked since the last answer, or else who asked last.

        Only the last few remarks are looked at.
        """
        asked: list[str] = []
        answered = True
        for remark in self.state.remarks:
            if remark.kind is RemarkKind.QUESTION:
                asked = [remark.actor] if answered else [*asked, remark.actor]
            if remark.kind is not RemarkKind.COMMENT:
                answered = remark.kind is RemarkKind.ANSWER
        return list(dict.fromkeys(asked[-1:] if answered else asked))

    def salt_of(self, what: str, text: str) -> str:
        """The salt of that text of the outcome; empty if there is no text."""
        return text_salt(self.salt, what) if text else ""

    # ---- verdicts and steps ------------------------------------------------------------------------------

    def answered(self, command_id: str, fingerprint: str = "") -> bool:
        """Whether exactly this command already has its verdict (a delivery that came twice)."""
        return any(verdict.is_on(command_id, fingerprint) for verdict in self.state.verdicts)

    def answer(self, command_id: str, reason: Reason, fingerprint: str = "") -> None:
        """Publishes the verdict on a command; the last 100 are kept. An unreadable command has no fingerprint."""
        verdict = Verdict(
            command_id=command_id,
            reason=reason,
            ended_as=self.state.status if self.ended else None,
            fingerprint=fingerprint,
        )
        self.state.answered += 1
        self.state.verdicts = [*self.state.verdicts, verdict][-VERDICTS_KEPT:]

    def step(self, kind: StepKind, now: datetime, **what: object) -> Step:
        """The next line of the thread. The line of the end always has the number 0, so that there is only one."""
        number = 0 if kind is StepKind.ENDED else self.next_number()
        return Step.model_validate({"number": number, "kind": kind, "at": now, **what})

    def next_number(self) -> int:
        """A number that no other line or message of this request has, in any generation."""
        self.state.steps += 1
        return self.state.steps

    # ---- views -------------------------------------------------------------------------------------------

    def on_show(self) -> CardRef | None:
        """The newest round's posted card; None until it is posted."""
        return next((ref for ref in self.state.cards if ref.round == self.state.round), None)

    def _level_state(self, status: Status) -> LevelState:
        state, escalation = self.state, self.policy.escalation
        return LevelState(
            name=self.level.name,
            status=status,
            round=state.round - 1 if state.escalated else state.round,
            **self.voting.standing(),
            asked=list(self.level.approvers),
            approvers=self.voting.approvers(),
            waiting_for=self.voting.undecided(),
            delegates=dict(state.delegates),
            delegated=state.delegated,
            confirmed=state.confirmed,
            deadline=state.deadline,
            decisions=state.votes,
            escalated_at=state.escalated_at,
            escalated_because=state.escalated_because,
            escalated_to=escalation.channel if escalation and state.escalated else None,
        )

    def levels(self) -> list[LevelState]:
        """The levels so far: the ended ones, then the open one."""
        past = list(self.state.past_levels)
        return [*past, self._level_state(self.state.status)] if self.state.level_open else past
