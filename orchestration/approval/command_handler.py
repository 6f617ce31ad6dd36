"""Handles the commands to an open request: checks each, obeys it if the rules allow it, and answers it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from durabletask.task import OrchestrationContext
from pydantic import ValidationError

from orchestration.approval.approvers import Approvers
from orchestration.approval.editing import Editing
from orchestration.approval.effects import Effects
from orchestration.approval.ending import RequestEnding
from orchestration.approval.granted import unfit_grant
from orchestration.approval.record import Record
from orchestration.approval.repeats import Repeats
from orchestration.approval.step_up import StepUp
from orchestration.challenge.models import Trouble, Undelivered
from orchestration.domain import rules
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import (
    ACCEPTED,
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
from orchestration.domain.request import ApprovalRequest, Choice, Factor, RemarkKind, Status
from orchestration.domain.rounds import Members
from orchestration.durable.generator import Durable
from orchestration.people.worklist import WorklistUpdates

log = logging.getLogger(__name__)

# A command with one of these verdicts cancels an earlier act of the same person that still waits for its code.
COUNTS: Final = frozenset({Reason.RECORDED, Reason.RESTARTED})


class CommandHandler:
    """Handles one request's commands, one after the other."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        record: Record,
        effects: Effects,
        approvers: Approvers,
        step_up: StepUp,
        worklists: WorklistUpdates,
        ending: RequestEnding,
        now: Callable[[], datetime],
    ) -> None:
        self._record = record
        self._effects = effects
        self._approvers = approvers
        self._step_up = step_up
        self._worklists = worklists
        self._ending = ending
        self._editing = Editing(record, effects, approvers, step_up, worklists, now)
        self._now = now
        self._repeats = Repeats(record.state)
        self._log = ctx.create_replay_safe_logger(log)

    def handle(self, name: str, payload: Any) -> Durable[None]:
        """Answers one command. A delivery that came twice already has its verdict."""
        try:
            command = COMMANDS[name].model_validate(payload)
        except ValidationError as error:
            self._refuse_malformed(name, payload, error)
            return
        fingerprint = command.fingerprint()
        if self._record.answered(command.command_id, fingerprint):
            return
        reason = self._repeats.refusal(command)
        if reason is None:
            reason = self._unfit(command) or (yield from self._obey(command))
            self._repeats.remember(command, reason)
            if reason in COUNTS and isinstance(command, Decision | Delegation):
                self._step_up.drop(command.actor)
        else:
            self._repeats.remember_refused(command, reason)
        self._record.answer(command.command_id, reason, fingerprint)

    def _refuse_malformed(self, name: str, payload: Any, error: ValidationError) -> None:
        """Logs an event that does not fit, and answers it if it has an ID. Anyone may raise an event."""
        self._log.warning(
            "%s: malformed %s passed over (%d faults)", self._record.request_id, name, error.error_count()
        )
        command_id = command_id_of(payload)
        if command_id is not None and not self._record.answered(command_id):
            self._record.answer(command_id, Reason.MALFORMED)

    def _unfit(self, command: Command) -> Reason | None:
        """Why the command is refused unread: a group sent it, or it is about an earlier state of the request."""
        if self._of_a_group(command):
            return Reason.MALFORMED
        shown = (command.nonce, command.digest)
        identity = self._record.identity
        return None if shown in {(None, None), (identity.nonce, identity.digest)} else Reason.OUTDATED

    def _of_a_group(self, command: Command) -> bool:
        """Whether a group acts or is to decide. Only people can; the service accepts no such command."""
        people = {command.actor, command.to} if isinstance(command, Delegation) else {command.actor}
        return not people.isdisjoint(self._record.policy.groups)

    def _obey(self, command: Command) -> Durable[Reason]:
        """Does what the command asks, if the rules allow it; returns the answer for its sender."""
        if isinstance(command, Retry):
            return self._retry(command)
        if self._record.ended:
            return Reason.ALREADY_ENDED
        if isinstance(command, Cancellation):
            return self._cancel(command)
        members = yield from self._members(command)
        if members is None:
            return Reason.DIRECTORY_UNAVAILABLE
        self._approvers.ask(members)
        if isinstance(command, Decision):
            reason = self._decide(self._record.voting.voters().placed(command, members), members)
        elif isinstance(command, Delegation):
            reason = yield from self._delegate(command, members)
        else:
            reason = self._comment(command, members)
        self._approvers.look_at(members)
        return reason

    def _members(self, command: Command) -> Durable[Members | None]:
        """The present members of the groups that matter for this command; None if the directory does not answer."""
        voting, policy = self._record.voting, self._record.policy
        if isinstance(command, Delegation):
            return (yield from self._approvers.members([*voting.seated_in_reach(), *policy.delegate_pool()]))
        return (yield from self._approvers.members(voting.seated()))

    def _decide(self, decision: Decision, members: Members, factor: Factor | None = None) -> Reason:
        record = self._record
        if decision.edits:
            return self._edit_and_decide(decision, members, factor)
        voters = record.voting.voters()
        reason = rules.may_decide(decision, policy=record.policy, voters=voters, members=members)
        round_ = voters.round(decision.round)
        if reason is not Reason.RECORDED or round_ is None:
            return reason
        holder = record.voting.seat_for(decision, members)
        if holder is None:
            return Reason.NEEDED_LATER
        unfit = unfit_grant(record, decision, holder, record.grant_offer, self._now())
        if unfit is not None:
            return unfit
        if factor is not None or not self._step_up.needed(decision, members):
            return self._vote(decision, holder, factor, members)
        return Reason.UNCHANGED if record.voting.is_confirmed(decision) else self._begin_step_up(decision)

    def _edit_and_decide(self, decision: Decision, members: Members, factor: Factor | None) -> Reason:
        """Changes the request and approves the changed one.

        At a later level this is no approval: all levels decide again.
        """
        record = self._record
        reason = rules.may_decide(
            decision, policy=record.policy, voters=record.voting.voters(), members=members
        )
        if reason is not Reason.RECORDED:
            return reason
        edited = self._editing.look_at(decision)
        if isinstance(edited, Reason):
            return edited
        first = record.state.level_index == 0
        holder = self._editing.seat_for(decision, members) if first else decision.actor
        if holder is None:
            return Reason.NEEDED_LATER
        if factor is None and self._step_up.needed(decision, members):
            return self._begin_step_up(decision, edited.request)
        self._editing.apply(decision, edited, factor)
        if first:
            return self._vote(decision, holder, factor, members)
        if decision.comment:  # with a vote it would stand beside that
            self._effects.post_reply(StepKind.COMMENT, actor=decision.actor, text=decision.comment)
        return Reason.RESTARTED

    def _vote(self, decision: Decision, holder: str, factor: Factor | None, members: Members) -> Reason:
        reason = self._record.voting.vote(decision, holder, self._now(), factor, members)
        if reason is Reason.RECORDED:
            self._approvers.release([decision.actor])
            self._worklists.decided(decision.actor)
            self._effects.post_reply(
                StepKind.VOTED,
                actor=decision.actor,
                choice=decision.choice,
                factor=factor,
                text=decision.comment,
            )
            self._end_level_if_decided(decision)
        return reason

    def _end_level_if_decided(self, decision: Decision) -> None:
        """Ends the level, or the request, if this decision's side has enough votes in this round."""
        record = self._record
        deciding = record.voting.deciding_vote(decision.round, decision.choice)
        if deciding is None:
            self._effects.refresh_cards()
        elif deciding.choice is Choice.REJECT:
            self._ending.end_request(Status.REJECTED, by=deciding.actor, comments=deciding.comment)
        else:
            self._ending.pass_level(deciding)

    def _begin_step_up(self, act: Decision | Delegation, about: ApprovalRequest | None = None) -> Reason:
        reason = self._step_up.begin(act, about)
        if reason is Reason.CODE_SENT:
            self._effects.post_reply(StepKind.CODE_SENT, actor=act.actor)
            self._effects.refresh_cards()
        return reason

    def undelivered(self, payload: Any) -> None:
        """Handles a report that a code was not delivered: tells the person why. They may press again at once."""
        try:
            report = Undelivered.model_validate(payload)
        except ValidationError as error:
            self._log.warning(
                "%s: malformed report passed over (%d faults)", self._record.request_id, error.error_count()
            )
            return
        actor = self._step_up.undelivered(report)
        if actor is not None:
            step = self._effects.post_reply(StepKind.CODE_UNDELIVERED, actor=actor, text=report.trouble)
            self._effects.send_message(actor, Notice.CODE_UNDELIVERED, step)

    def confirmed(self, act: Decision | Delegation, trouble: Trouble | None, *, told: bool) -> Durable[None]:
        """Handles the end of a challenge. The rules are checked again, because much can change in two minutes.

        If the act does not count, its person is told why, unless they were already `told` that the message did not
        arrive. The press itself was answered long before.
        """
        if trouble is not None and not told:
            step = self._effects.post_reply(StepKind.CODE_FAILED, actor=act.actor, text=trouble)
            self._effects.send_message(act.actor, Notice.CODE_FAILED, step)
        elif trouble is None:
            reason = yield from self._obey_confirmed(act)
            self._repeats.remember(act, reason)
            if reason not in ACCEPTED:
                self._effects.refuse_confirmed(act.actor, reason)
        if self._record.state.level_open:  # otherwise a later edit shows this and more
            self._effects.refresh_cards()

    def _obey_confirmed(self, act: Decision | Delegation) -> Durable[Reason]:
        members = yield from self._members(act)
        if members is None:
            return Reason.DIRECTORY_UNAVAILABLE
        if (unfit := self._unfit(act)) is not None:
            return unfit
        self._effects.look_for_seats(members)  # the act may close the round
        if isinstance(act, Decision):
            reason = self._decide(act, members, Factor.SMS)
        else:
            reason = yield from self._delegate(act, members, Factor.SMS)
        self._approvers.look_at(members)
        return reason

    def _delegate(
        self, delegation: Delegation, members: Members, factor: Factor | None = None
    ) -> Durable[Reason]:
        record, voters = self._record, self._record.voting.voters()
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
        code = self._step_up.needed(delegation, members)
        if code and not record.voting.enrolled(delegation.to):
            return Reason.DELEGATE_NOT_ENROLLED
        if record.voting.leaves_too_few(delegation.actor, delegation.to, members, confirmed=code):
            return Reason.TOO_FEW_LEFT
        unfit = yield from self._approvers.lookups.unfit_delegate(delegation.to)
        if unfit is not None:
            return unfit
        if code and factor is None:
            return self._begin_step_up(delegation)
        was_asked, before = delegation.actor in record.voting.undecided(), record.voting.named()
        cast_for_them = record.voting.cast_for(delegation.actor)
        record.voting.delegate(delegation, confirmed=code)
        self._approvers.release([delegation.actor])
        self._worklists.change(before, record.voting.named(), record.state.deadline)
        if was_asked and delegation.to in record.voting.undecided():
            self._approvers.wait_for([delegation.to])
        step = self._effects.post_reply(
            StepKind.DELEGATED, actor=delegation.actor, to=delegation.to, factor=factor
        )
        seated = [round_.number for round_ in voters.rounds if round_.seats(delegation.actor, members)]
        self._effects.ask(delegation.to, step, round_=max(seated, default=None))
        for person in cast_for_them:
            if person != delegation.to:
                self._effects.send_message(person, Notice.VOTE_WITHDRAWN, step)
        self._effects.refresh_cards()
        return reason

    def _comment(self, comment: Comment, members: Members) -> Reason:
        record = self._record
        reason = rules.may_comment(
            comment, requester=record.request.requester, voters=record.voting.voters(), members=members
        )
        if reason is not Reason.RECORDED:
            return reason
        askers = record.askers()
        record.remark(comment, self._now())
        step = self._effects.post_reply(StepKind(comment.kind.value), actor=comment.actor, text=comment.text)
        self._effects.refresh_cards()
        if comment.kind is RemarkKind.QUESTION:
            self._effects.tell_requester(Notice.QUESTION, step)
        elif comment.kind is RemarkKind.ANSWER:
            for asker in askers:
                self._effects.send_message(asker, Notice.ANSWER, step)
        return reason

    def _cancel(self, cancellation: Cancellation) -> Reason:
        if cancellation.actor != self._record.request.requester:
            return Reason.NOT_THE_REQUESTER
        self._ending.end_request(Status.CANCELLED, by=cancellation.actor, comments=cancellation.reason)
        return Reason.RECORDED

    def _retry(self, retry: Retry) -> Reason:
        if retry.actor != (self._record.policy.owner or self._record.request.requester):
            return Reason.NOT_THE_OWNER
        if not self._record.ended or not self._effects.outcome.retry_failed():
            return Reason.NOTHING_TO_RETRY
        self._effects.refresh_cards()
        return Reason.RECORDED
