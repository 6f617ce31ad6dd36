"""Changes a request for an approver who approves it with changes: voids earlier votes, and tells everybody.

If the policy asks for a code, the code confirms the digest of the changed request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from orchestration.approval.approvers import Approvers
from orchestration.approval.effects import Effects
from orchestration.approval.record import Record
from orchestration.approval.step_up import StepUp
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import Decision, Reason
from orchestration.domain.edits import EditedRequest, edited
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.request import Choice, Factor, RequestEdit
from orchestration.domain.rounds import Members
from orchestration.people.worklist import WorklistUpdates

# An approver who keeps changing the request would keep everybody from deciding it. Also, all changes are kept in the
# state, and the hub takes a state of at most 1 MiB.
EDITS_KEPT: Final = 10
EDIT_BYTES_KEPT: Final = 32 * 1024


class Editing:
    """Makes the changes of one request."""

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

    def look_at(self, decision: Decision) -> EditedRequest | Reason:
        """The request with these changes, or why they are not allowed. Does not check who makes them."""
        record, state = self._record, self._record.state
        # An edit voids all votes. If it could void rejections, fewer of them would count than the policy's limit.
        if any(vote.choice is Choice.REJECT and vote.actor != decision.actor for vote in state.votes):
            return Reason.REJECTION_STANDS
        try:
            found = edited(record.request, record.policy, decision.edits)
        except InvalidRequestError:
            return Reason.EDIT_NOT_ALLOWED
        size = sum(len(edit.model_dump_json().encode()) for edit in state.edits)
        size += sum(len(change.model_dump_json().encode()) for change in found.changes)
        if len(state.edits) >= EDITS_KEPT or size > EDIT_BYTES_KEPT:
            return Reason.EDITED_TOO_OFTEN
        return found

    def seat_for(self, decision: Decision, members: Members) -> str | None:
        """The seat the approval is given from when no other vote counts; None if a later level forbids it."""
        state, votes = self._record.state, self._record.state.votes
        state.votes = []
        try:
            return self._record.voting.seat_for(decision, members)
        finally:
            state.votes = votes

    def apply(self, decision: Decision, found: EditedRequest, factor: Factor | None) -> None:
        """Replaces the request by the changed one. After a change at a later level, all levels are asked again.

        The requester is told what has changed. Everybody who had approved is told that they are asked again.
        """
        record, state, actor = self._record, self._record.state, decision.actor
        levels = [level.decisions for level in state.past_levels]
        voided = dict.fromkeys(vote.actor for votes in [*levels, state.votes] for vote in votes)
        awaited = [person for person in state.confirming if person != actor]
        before, named, undecided = record.identity, record.voting.named(), record.voting.undecided()
        for person in self._step_up.drop_all():
            self._effects.refuse_confirmed(person, Reason.OUTDATED)
            awaited = [one for one in awaited if one != person]
        edit = RequestEdit(
            number=len(state.edits) + 1,
            actor=actor,
            at=self._now(),
            level=record.level.name,
            round=decision.round,
            via=decision.via,
            token=decision.token,
            factor=factor,
            changes=found.changes,
            digest_before=before.digest,
            digest=found.request.digest(),
            voided=[person for person in voided if person != actor],
        )
        later = state.level_index > 0
        record.edit(found.request, edit)
        step = self._effects.post_reply(
            StepKind.EDITED, actor=actor, factor=factor, edit=edit, text=edit.level if later else ""
        )
        if record.request.requester != actor:
            self._effects.tell_requester(Notice.EDITED, step)
        for person in dict.fromkeys([*edit.voided, *awaited]):
            self._effects.send_message(person, Notice.VOTE_VOIDED, step)
        if later:
            self._approvers.release(undecided)
            self._worklists.done(named)
            record.start_over()
        else:
            self._approvers.wait_for(record.voting.undecided())
            self._worklists.change(named, record.voting.named(), state.deadline)
        self._effects.refresh_cards()
