"""Ends a level or a request: releases its people, cancels codes, and tells everybody concerned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from orchestration.approval.approvers import Approvers
from orchestration.approval.effects import Effects
from orchestration.approval.record import Record
from orchestration.approval.step_up import StepUp
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import Reason
from orchestration.domain.request import Status, Vote
from orchestration.people.worklist import WorklistUpdates


class RequestEnding:
    """Ends the open level, or the whole request. Each is ended once."""

    def __init__(
        self,
        record: Record,
        effects: Effects,
        approvers: Approvers,
        step_up: StepUp,
        worklists: WorklistUpdates,
        now: Callable[[], datetime],
    ) -> None:
        self._record = record
        self._effects = effects
        self._approvers = approvers
        self._step_up = step_up
        self._worklists = worklists
        self._now = now

    def pass_level(self, deciding: Vote) -> None:
        """Ends the open level as approved by this vote.

        It waits for nobody any more, and no pending code counts for it.
        """
        self._stop_waiting(Reason.ROUND_OVER)
        self._record.state.decided_by = deciding
        self._record.close_level(Status.APPROVED)

    def end_request(
        self, status: Status, *, by: str | None = None, comments: str = "", reason: str = ""
    ) -> None:
        """Ends the request: tells the requester, updates every posted copy, and runs the outcome's actions."""
        self._stop_waiting(Reason.ALREADY_ENDED)
        self._record.end(status, self._now(), by=by, comments=comments, reason=reason)
        self._worklists.ended(self._record.request.requester)
        self._effects.refresh_cards()
        if self._record.state.grant is None:  # otherwise the card of the grant shows it
            step = self._effects.post_reply(StepKind.ENDED, actor=by, status=status, text=reason or comments)
            self._effects.tell_requester(Notice.PROGRESS, step)
        self._effects.outcome.send_outcome()

    def _stop_waiting(self, too_late: Reason) -> None:
        """Releases everybody who was asked, and cleans their worklists. Tells those whose code came `too_late`."""
        record = self._record
        self._approvers.release(record.voting.undecided())
        for person in self._step_up.drop_all():
            self._effects.refuse_confirmed(person, too_late)
        if record.state.level_open:
            self._worklists.done(record.voting.named())
