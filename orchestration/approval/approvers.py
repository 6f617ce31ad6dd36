"""The people of an open request: group members, delegates, and who is asked and reminded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import ValidationError

from orchestration.approval.effects import Effects
from orchestration.approval.record import Record
from orchestration.domain import rules
from orchestration.domain.cards import Notice, StepKind, Waiting
from orchestration.domain.effects import ActivePeople, ActivePeopleInput, Membership, MembersInput
from orchestration.domain.ids import entity_key
from orchestration.domain.request import PERSON
from orchestration.domain.rounds import EligibleVoters, Members
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.people.lookups import LOOKUP_TRIES, PeopleLookups
from orchestration.people.person import Reminder

log = logging.getLogger(__name__)


class Approvers:
    """Durable calls about people. Events that arrive while a call is awaited are queued in the inbox."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        record: Record,
        inbox: Inbox,
        effects: Effects,
        now: Callable[[], datetime],
    ) -> None:
        self._ctx = ctx
        self._record = record
        self._inbox = inbox
        self._effects = effects
        self._now = now
        self.lookups = PeopleLookups(ctx, inbox, now, record.people)
        self._log = ctx.create_replay_safe_logger(log)

    def members(self, principals: Collection[str]) -> Durable[dict[str, list[str]] | None]:
        """The present members of the groups among the principals, by group; None if the directory does not answer."""
        groups = self._record.policy.groups_in(principals)
        if not groups:
            return {}
        for _ in range(LOOKUP_TRIES):
            lookup = self._ctx.call_activity(
                "members", input=MembersInput(groups=groups), return_type=Membership
            )
            try:
                found = yield from self._inbox.meanwhile(lookup)
            except TaskFailedError as error:
                self._log.warning("%s: group lookup failed: %s", self._record.request_id, error)
            else:
                return found.groups
        return None

    def look_for_gone(self, people: Collection[str]) -> Durable[None]:
        """Tells the policy's owner which of these people are asked but are no longer active in the workspace.

        No message reaches such people, so nobody else would notice that the request waits for them. The owner is told
        of each person once a level. If the directory does not answer, everybody counts as active.
        """
        state = self._record.state
        looked_up = [one for one in people if one not in self._record.policy.groups and one not in state.gone]
        if not looked_up:
            return
        lookup = self._ctx.call_activity(
            "active_people", input=ActivePeopleInput(people=looked_up), return_type=ActivePeople
        )
        try:
            found = yield from self._inbox.meanwhile(lookup)
        except TaskFailedError as error:
            self._log.warning("%s: look-up of approvers failed: %s", self._record.request_id, error)
            return
        gone = [one for one in looked_up if one not in found.people]
        if gone:
            state.gone = [*state.gone, *gone]
            step = self._effects.post_reply(StepKind.APPROVERS_GONE, people=gone)
            tell = (
                self._effects.tell_requester
                if self._record.policy.owner in state.gone
                else self._effects.tell_owner
            )
            tell(Notice.APPROVERS_GONE, step)

    def find_delegates(self, approvers: Sequence[str], members: Members | None) -> Durable[dict[str, str]]:
        """Puts a delegate in the place of each named approver who is away; returns the new delegates.

        `rules.absence_delegate` chooses the delegate. The approver is still asked if the delegate may not decide here,
        is away too, or is not known to the directory as active, or if too few people would be left. So an absence
        neither bypasses the rules nor leaves a request without an approver.
        """
        record, found = self._record, dict[str, str]()
        if members is None:  # it is unknown who would be left
            return found
        for person in approvers:
            if record.voting.has_voted(person):  # they are not away, and one seat has one vote
                continue
            voters = record.voting.voters()
            handed = person in voters.delegates or person in voters.delegates.values()  # one hop only
            if person in record.policy.groups or handed or voters.barred(person):
                continue
            code = all(round_.code for round_ in voters.rounds if person in round_.named)
            entered = record.people.get(person)
            own = yield from self.lookups.own_entry(person)
            delegate = rules.absence_delegate(own, entered, self._now().date(), code=code)
            if delegate is None:
                continue
            confirmed = (
                entered is not None and delegate == entered.delegate and record.voting.enrolled(delegate)
            )
            if not self._fit(delegate, person, voters, members) or (code and not confirmed):
                continue
            if record.voting.leaves_too_few(person, delegate, members, confirmed=confirmed):
                continue
            if (yield from self.lookups.unfit_delegate(delegate)) is None:
                record.voting.absent(person, delegate, confirmed=confirmed)
                found[person] = delegate
        return found

    def _fit(self, delegate: str, holder: str, voters: EligibleVoters, members: Members) -> bool:
        known, policy = self._record.people.get(holder), self._record.policy
        entered = known.delegate if known else None
        return rules.delegate_fault(delegate, holder, policy, voters, members, entered) is None

    # ---- who is asked ------------------------------------------------------------------------------------

    def ask(self, members: Members) -> None:
        """Stores who is asked, if the level needs that and has not yet; also looks for people who lost their seat."""
        self._effects.look_for_seats(members)
        record = self._record
        level, state = record.level, record.state
        known = state.asked is not None
        if not state.level_open or known or not (level.quorum == "all" or level.remind_every):
            return
        record.voting.ask(record.voting.rounds()[0].holders(members))
        self.wait_for(record.voting.undecided())
        if state.asked and record.on_show():  # the cards do not show this yet
            self._effects.refresh_cards()

    def look_at(self, members: Members) -> None:
        """Stores who is asked, and whether the level can still be decided, given the present members of the groups."""
        self.ask(members)
        state = self._record.state
        if state.level_open and not state.undecidable and not self._record.voting.approvable(members):
            state.undecidable = True

    def wait_for(self, people: Collection[str]) -> None:
        """Tells the entities of these people that the request waits for them, once there is a card to link to."""
        record = self._record
        where = record.on_show()
        if where is None:
            return
        waiting = Waiting(
            request_id=record.request_id,
            title=record.request.title,
            deadline=record.state.deadline,
            where=where,
        )
        for person in people:
            self._ctx.signal_entity(
                EntityInstanceId(PERSON, entity_key(person)), "waits", waiting.model_dump(mode="json")
            )

    def release(self, people: Collection[str]) -> None:
        """Tells the entities of these people that the request no longer waits for them."""
        for person in people:
            self._ctx.signal_entity(
                EntityInstanceId(PERSON, entity_key(person)), "done", self._record.request_id
            )

    def remind(self, members: Members | None) -> Durable[None]:
        """Reminds the people in `Voting.to_remind`, except those known to have lost their seat.

        A person with many waiting requests gets one digest a day. `members` is None if the directory does not answer.
        """
        reminded = []
        yield from self.look_for_gone(self._record.voting.undecided())
        for person in self._record.voting.to_remind(members or {}):
            if person in self._record.state.gone or not self._record.voting.may_be_seated(person, members):
                continue
            call: Task[Any] = self._ctx.call_entity(
                EntityInstanceId(PERSON, entity_key(person)), "remind", {"now": self._now().isoformat()}
            )
            try:
                reminder = Reminder.model_validate((yield from self._inbox.meanwhile(call)))
            except (TaskFailedError, ValidationError) as error:
                self._log.warning("%s: %s was not reminded: %s", self._record.request_id, person, error)
                continue
            if reminder.quiet:
                continue
            if reminder.digest:
                self._effects.send_digest(person, reminder.digest, reminder.more)
            else:
                self._effects.remind(person)
            reminded.append(person)
        if reminded:
            self._effects.post_reply(StepKind.REMINDED, people=reminded)
