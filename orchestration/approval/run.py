"""One request under way: what happens to it, and the durable waiting. `approval` says in which order."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from durabletask.task import OrchestrationContext, when_any
from pydantic import ValidationError

from orchestration.approval.approvers import Approvers
from orchestration.approval.effects import Effects
from orchestration.approval.record import Record
from orchestration.approval.repeats import Repeats
from orchestration.approval.state import ApprovalInput
from orchestration.approval.step_up import StepUp
from orchestration.challenge.models import Trouble
from orchestration.domain import rules
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import (
    COMMANDS,
    Cancellation,
    Command,
    Comment,
    Decision,
    Delegation,
    Reason,
    Retry,
    command_id_of,
)
from orchestration.domain.request import CardRef, Choice, Factor, RemarkKind, Status
from orchestration.domain.rounds import Members
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.people.worklist import WorklistUpdates

log = logging.getLogger(__name__)

# What the inbox calls the timers.
DEADLINE: Final = "deadline"
REMINDER: Final = "reminder"
PATIENCE: Final = "patience"
# After so much the orchestration continues as new. A worker can be sent no history of more than 4 MiB, and a card
# with a long description and many comments goes into it with each edit.
CONTINUE_AS_NEW_AFTER: Final = 100  # things that happened
CONTINUE_AS_NEW_BYTES: Final = 1024 * 1024  # of the inputs and failures of activities


class ContinueAsNew(Exception):  # noqa: N818 - not an error: the history is long enough, a new generation goes on
    """The orchestration has to continue as new with `ApprovalRun.carried()`."""


class ApprovalRun:
    """One request under way: its record, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: ApprovalInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, *COMMANDS)
        self.record = Record(ctx.instance_id, given, self.now())
        self._effects = Effects(ctx, self.record, self.now, posted=self._card_posted, lost=self._card_lost)
        self._outbox = self._effects.outbox
        self._approvers = Approvers(ctx, self.record, self._inbox, self._effects, self.now)
        self._step_up = StepUp(ctx, self.record)
        self._repeats = Repeats(self.record.state)
        self._worklists = WorklistUpdates(ctx, ctx.instance_id)
        self._happened = 0

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return clock.now(self._ctx)

    def carried(self) -> ApprovalInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self.record.state})

    # ---- what happens to a request -----------------------------------------------------------------------

    def begin(self) -> None:
        """In the first generation, puts the request on the worklist of the requester."""
        if self._given.state is None:
            self._worklists.asked(self.record.request.requester)

    def open_level(self, index: int) -> Durable[None]:
        """A level begins, with a card of its own; whoever is away is replaced by their delegate."""
        record = self.record
        level = record.policy.levels[index]
        record.open_level(index, self.now())
        members = yield from self._approvers.members([*level.approvers, *record.policy.delegate_pool()])
        if members is not None:
            self._approvers.ask(members)
        away = yield from self._approvers.find_delegates(level.approvers, members)
        if index:
            passed = record.policy.levels[index - 1].name
            by = record.state.decided_by
            step = self._effects.post_reply(
                StepKind.LEVEL_PASSED, actor=by.actor if by else None, text=passed
            )
            self._effects.tell_requester(Notice.PROGRESS, step)
        self._worklists.waits(record.named())
        if members is not None:
            self._look_at(members)
        self._effects.refresh_cards()
        self._effects.post_card(level.channel or record.policy.channel, level.notify)
        self._tell_delegates(away)

    def _tell_delegates(self, away: dict[str, str]) -> None:
        for absent, delegate in away.items():
            self._effects.post_reply(StepKind.AWAY, actor=absent, to=delegate)
            self._effects.ask(delegate)

    def announce(self, reason: str) -> None:
        """Nobody needs to be asked: the channel still sees what was approved, and by which rule."""
        self.record.state.round = 1
        self.end(Status.AUTO_APPROVED, reason=reason)
        self._effects.post_card(self.record.policy.channel, [])

    def escalate(self) -> Durable[None]:
        """Silence, or a level that nobody can decide: the escalation's channel gets a card. The first stays open."""
        escalation = self.record.policy.escalation
        if escalation is None:
            raise AssertionError("the policy was checked to have an escalation where a level escalates")
        why = self.undecidable_because() if self.record.state.undecidable else ""
        before = set(self.record.named())
        self.record.escalate(self.now())
        pool = self.record.policy.delegate_pool()
        members = yield from self._approvers.members([*self.record.seated(), *pool])
        away = yield from self._approvers.find_delegates(escalation.approvers, members)
        self._worklists.waits([who for who in self.record.named() if who not in before])
        if members is not None:
            self._look_at(members)
        self._effects.post_card(escalation.channel, escalation.notify)
        self._effects.refresh_cards()
        step = self._effects.post_reply(StepKind.ESCALATED, place=escalation.channel, text=why)
        self._effects.tell_requester(Notice.PROGRESS, step)
        self._tell_delegates(away)

    def end(self, status: Status, *, by: str | None = None, comments: str = "", reason: str = "") -> None:
        """The request is over: every posted copy and the requester hear of it, and the outcome's actions run."""
        self._approvers.release(self.record.undecided())
        self._step_up.drop_all()
        self._off_the_worklists()
        self.record.end(status, self.now(), by=by, comments=comments, reason=reason)
        self._effects.refresh_cards()
        step = self._effects.post_reply(StepKind.ENDED, actor=by, status=status, text=reason or comments)
        self._effects.tell_requester(Notice.PROGRESS, step)
        self._effects.send_outcome()

    def _off_the_worklists(self) -> None:
        """Takes the request off the worklists of those whom the open level named and who have not voted."""
        if self.record.state.level_open:
            self._worklists.done(self.record.named())

    def _card_posted(self, ref: CardRef) -> None:
        """From now on whoever was asked and has not decided is waited for."""
        if ref.round in self.record.state.open_rounds and not self.record.state.escalated:
            self._approvers.wait_for(self.record.undecided())

    def _card_lost(self, round_: int, problem: str) -> bool:
        """Without the card of the level that is open nobody could decide; any other is only missed."""
        state = self.record.state
        self._log.error("%s: the card could not be posted: %s", self.record.request_id, problem)
        if state.escalated or round_ not in state.open_rounds:
            return False
        self.end(Status.FAILED, reason=f"The card could not be posted: {problem}")
        return True

    # ---- waiting -----------------------------------------------------------------------------------------

    def wait_for_answers(self) -> Durable[bool]:
        """True once the level or the request has ended. False once the deadline has passed, or nobody can decide it."""
        state = self.record.state
        self._watch(DEADLINE, state.deadline)
        self._watch(REMINDER, state.remind_at)
        while self._busy() and state.level_open:
            if state.undecidable:
                self._inbox.drop(DEADLINE)
                self._inbox.drop(REMINDER)
                return False
            if (arrived := self._inbox.take()) is None:
                if (confirmed := self._step_up.take()) is not None:
                    yield from self._confirmed(*confirmed)
                else:
                    yield from self._wait()
            elif arrived[0] == REMINDER:
                yield from self._remind()
            elif arrived[0] != DEADLINE:
                yield from self._handle(*arrived)
            elif state.deadline is None or self.now() >= state.deadline:
                self._inbox.drop(REMINDER)
                return False
            else:  # a timer of an earlier generation, which not every hub holds back
                self._watch(DEADLINE, state.deadline)
        self._inbox.drop(DEADLINE)
        self._inbox.drop(REMINDER)
        return True

    def finish(self) -> Durable[None]:
        """Lets every effect finish; what failed can be tried again for as long as the policy says."""
        state = self.record.state
        while self._busy():
            if (arrived := self._inbox.take()) is not None:
                if arrived[0] != PATIENCE:
                    yield from self._handle(*arrived)
                continue
            if not self._outbox.busy():
                failed = any(action.status == "failed" for action in state.actions)
                if not failed or state.retry_until is None or self.now() >= state.retry_until:
                    return
                if not self._inbox.watches(PATIENCE):
                    self._watch(PATIENCE, state.retry_until)
            yield from self._wait()

    def _wait(self) -> Durable[None]:
        """For whatever comes next. Raises `ContinueAsNew` when the history is long and no try is under way."""
        if self._long() and not self._outbox.running:
            raise ContinueAsNew
        yield when_any([*self._inbox.waits(), *self._step_up.waits(), *self._outbox.waits()])

    def _long(self) -> bool:
        """Not while a code is awaited: its challenge could not report to the next generation."""
        long = self._happened >= CONTINUE_AS_NEW_AFTER or self._outbox.written >= CONTINUE_AS_NEW_BYTES
        return long and not self._step_up.busy()

    def _busy(self) -> bool:
        """Moves the effects along and publishes where things stand; always true, to open a waiting loop.

        Once the history is long no new try starts, so that the next generation comes however much is going on.
        """
        self._outbox.step(start=not self._long())
        self._ctx.set_custom_status(self.record.progress())
        return True

    def _watch(self, name: str, when: datetime | None) -> None:
        """Has the inbox say when that moment has come."""
        if when is not None:
            self._inbox.watch(name, clock.timer(self._ctx, when))

    def _remind(self) -> Durable[None]:
        self._happened += 1
        yield from self._approvers.remind()
        if every := self.record.level.remind_every:
            self.record.state.remind_at = self.now() + every
            self._watch(REMINDER, self.record.state.remind_at)

    # ---- commands ----------------------------------------------------------------------------------------

    def _look_at(self, members: Members) -> None:
        """Who is in the groups at this moment: notes who is asked, and whether the level can still be decided."""
        self._approvers.ask(members)
        state = self.record.state
        if state.level_open and not state.undecidable and not self.record.approvable(members):
            state.undecidable = True

    def undecidable_because(self) -> str:
        """Why nobody waits for this level any longer, as a sentence."""
        return f"Too few people are left who may decide the level {self.record.level.name}."

    def _handle(self, name: str, payload: Any) -> Durable[None]:
        """Answers one command. A delivery that came twice already has its verdict."""
        self._happened += 1
        try:
            command = COMMANDS[name].model_validate(payload)
        except ValidationError as error:
            self._refuse_malformed(name, payload, error)
            return
        fingerprint = command.fingerprint()
        if self.record.answered(command.command_id, fingerprint):
            return
        reason = self._repeats.refusal(command)
        if reason is None:
            reason = self._unfit(command) or (yield from self._obey(command))
            self._repeats.remember(command, reason)
            if reason is Reason.RECORDED and isinstance(command, Decision | Delegation):
                self._step_up.drop(command.actor)
        self.record.answer(command.command_id, reason, fingerprint)

    def _refuse_malformed(self, name: str, payload: Any, error: ValidationError) -> None:
        """Anyone may raise an event. One that does not fit is logged, and answered where it carries an ID."""
        self._log.warning(
            "%s: malformed %s passed over (%d faults)", self.record.request_id, name, error.error_count()
        )
        command_id = command_id_of(payload)
        if command_id is not None and not self.record.answered(command_id):
            self.record.answer(command_id, Reason.MALFORMED)

    def _unfit(self, command: Command) -> Reason | None:
        """Why it is not even looked at: a group sent it, or it is about something else than this request now is."""
        if self._of_a_group(command):
            return Reason.MALFORMED
        shown = (command.nonce, command.digest)
        identity = self.record.identity
        return None if shown in {(None, None), (identity.nonce, identity.digest)} else Reason.OUTDATED

    def _of_a_group(self, command: Command) -> bool:
        """Whether a group acts or is to decide. Only people do; the service takes no such command from anybody."""
        people = {command.actor, command.to} if isinstance(command, Delegation) else {command.actor}
        return not people.isdisjoint(self.record.policy.groups)

    def _obey(self, command: Command) -> Durable[Reason]:
        """Does what the command asks, if the rules allow it; returns what to tell the one who sent it."""
        if isinstance(command, Retry):
            return self._retry(command)
        if self.record.ended:
            return Reason.ALREADY_ENDED
        if isinstance(command, Cancellation):
            return self._cancel(command)
        members = yield from self._members(command)
        if members is None:
            return Reason.DIRECTORY_UNAVAILABLE
        self._approvers.ask(members)
        if isinstance(command, Decision):
            reason = self._decide(self.record.voters().placed(command, members), members)
        elif isinstance(command, Delegation):
            reason = self._delegate(command, members)
        else:
            reason = self._comment(command, members)
        self._look_at(members)
        return reason

    def _members(self, command: Command) -> Durable[Members | None]:
        """The members of the groups that matter for this command, at this moment; None where nobody can tell."""
        pool = self.record.policy.delegate_pool() if isinstance(command, Delegation) else []
        return (yield from self._approvers.members([*self.record.seated(), *pool]))

    def _decide(self, decision: Decision, members: Members, factor: Factor | None = None) -> Reason:
        record = self.record
        voters = record.voters()
        reason = rules.may_decide(decision, policy=record.policy, voters=voters, members=members)
        round_ = voters.round(decision.round)
        if reason is not Reason.RECORDED or round_ is None:
            return reason
        if factor is None and self._step_up.needed(decision):
            return self._begin_step_up(decision)
        holder = voters.seat(decision.actor, round_, members) or decision.actor
        reason = record.vote(decision, holder, self.now(), factor)
        if reason is Reason.RECORDED:
            self._approvers.release([decision.actor])
            self._worklists.decided(decision.actor)
            self._effects.post_reply(
                StepKind.VOTED, actor=decision.actor, choice=decision.choice, text=decision.comment
            )
            self._end_level_if_decided(decision)
        return reason

    def _end_level_if_decided(self, decision: Decision) -> None:
        """Ends the level, or the request, where the votes of this round are enough for the side of this decision."""
        record = self.record
        deciding = record.deciding_vote(decision.round, decision.choice)
        if deciding is None:
            self._effects.refresh_cards()
        elif deciding.choice is Choice.REJECT:
            self.end(Status.REJECTED, by=deciding.actor, comments=deciding.comment)
        else:
            self._approvers.release(record.undecided())
            self._step_up.drop_all()
            self._off_the_worklists()
            record.state.decided_by = deciding
            record.close_level(Status.APPROVED)

    def _begin_step_up(self, act: Decision | Delegation) -> Reason:
        reason = self._step_up.begin(act)
        if reason is Reason.CODE_SENT:
            self._effects.post_reply(StepKind.CODE_SENT, actor=act.actor)
            self._effects.refresh_cards()
        return reason

    def _confirmed(self, act: Decision | Delegation, trouble: Trouble | None) -> Durable[None]:
        """A challenge has ended. Whether the act is allowed is asked again: much can change in two minutes."""
        if trouble is None:
            members = yield from self._members(act)
            if members is None:
                trouble = Trouble.UNSENT
            elif isinstance(act, Decision):
                self._repeats.remember(act, self._decide(act, members, Factor.SMS))
            else:
                self._repeats.remember(act, self._delegate(act, members, Factor.SMS))
            if members is not None:
                self._look_at(members)
        if trouble is not None:
            step = self._effects.post_reply(StepKind.CODE_FAILED, actor=act.actor, text=trouble)
            self._effects.send_message(act.actor, Notice.CODE_FAILED, step)
        if self.record.state.level_open:  # else what comes next says more than that the code has come
            self._effects.refresh_cards()

    def _delegate(self, delegation: Delegation, members: Members, factor: Factor | None = None) -> Reason:
        record, voters = self.record, self.record.voters()
        known = record.people.get(delegation.actor)
        reason = rules.may_delegate(
            delegation,
            policy=record.policy,
            voters=voters,
            members=members,
            entered=known.delegate if known else None,
        )
        if reason is not Reason.RECORDED:
            return reason
        if record.too_few_after(delegation, members):
            return Reason.TOO_FEW_LEFT
        if self._step_up.needed(delegation):
            if not record.enrolled(delegation.to):
                return Reason.DELEGATE_UNFIT
            if factor is None:
                return self._begin_step_up(delegation)
        was_asked = delegation.actor in record.undecided()
        record.delegate(delegation)
        self._approvers.release([delegation.actor])
        self._worklists.done([delegation.actor])
        self._worklists.waits([delegation.to])
        if was_asked and delegation.to in record.undecided():
            self._approvers.wait_for([delegation.to])
        step = self._effects.post_reply(StepKind.DELEGATED, actor=delegation.actor, to=delegation.to)
        self._effects.ask(delegation.to, step)
        self._effects.refresh_cards()
        return reason

    def _comment(self, comment: Comment, members: Members) -> Reason:
        record = self.record
        reason = rules.may_comment(
            comment, requester=record.request.requester, voters=record.voters(), members=members
        )
        if reason is not Reason.RECORDED:
            return reason
        asker = record.last_asker()
        record.remark(comment, self.now())
        step = self._effects.post_reply(StepKind(comment.kind.value), actor=comment.actor, text=comment.text)
        self._effects.refresh_cards()
        if comment.kind is RemarkKind.QUESTION:
            self._effects.tell_requester(Notice.QUESTION, step)
        elif comment.kind is RemarkKind.ANSWER and asker:
            self._effects.send_message(asker, Notice.ANSWER, step)
        return reason

    def _cancel(self, cancellation: Cancellation) -> Reason:
        if cancellation.actor != self.record.request.requester:
            return Reason.NOT_THE_REQUESTER
        self.end(Status.CANCELLED, by=cancellation.actor, comments=cancellation.reason)
        return Reason.RECORDED

    def _retry(self, retry: Retry) -> Reason:
        if retry.actor != (self.record.policy.owner or self.record.request.requester):
            return Reason.NOT_THE_OWNER
        if not self.record.ended or not self._effects.retry_actions():
            return Reason.NOTHING_TO_RETRY
        self._inbox.drop(PATIENCE)
        self._effects.refresh_cards()
        return Reason.RECORDED
