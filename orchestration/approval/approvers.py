"""The people of a request under way: who is in which group, who decides for whom, who is asked and reminded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import ValidationError

from orchestration.approval.effects import Effects
from orchestration.approval.record import Record
from orchestration.domain import rules
from orchestration.domain.cards import Notice, StepKind, Waiting
from orchestration.domain.effects import Membership, MembersInput
from orchestration.domain.ids import entity_key
from orchestration.domain.policy import PersonEntry
from orchestration.domain.request import PERSON
from orchestration.domain.rounds import EligibleVoters, Members
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.people.person import Reminder

log = logging.getLogger(__name__)

LOOKUP_TRIES: Final = 2


class Approvers:
    """Durable calls about people. What arrives while one is awaited lines up in the inbox."""

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
        self._log = ctx.create_replay_safe_logger(log)

    def members(self, principals: Collection[str]) -> Durable[dict[str, list[str]] | None]:
        """The present members of the groups among the principals, by group; None when the directory does not answer."""
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

    def find_delegates(self, approvers: Sequence[str], members: Members | None) -> Durable[dict[str, str]]:
        """Puts a delegate in the place of each named approver who is away; returns those that are new.

        The delegate is whom they named themselves, or else the operator did. Where that person may not decide here, or
        is away too, or too few people would be left, the approver is asked all the same: an absence is no way around
        the rules, and no reason that nobody decides.
        """
        record, found = self._record, dict[str, str]()
        if members is None:  # nobody can tell who would be left
            return found
        for person in approvers:
            voters = record.voters()
            handed = person in voters.delegates or person in voters.delegates.values()  # one hop
            if person in record.policy.groups or handed or voters.barred(person):
                continue
            delegate = (yield from self._entry(person)).delegate_on(self._now().date())
            if delegate is None or not self._fit(delegate, person, voters, members):
                continue
            if (yield from self._entry(delegate)).is_away(self._now().date()):
                continue
            if record.approvable_after_absence(person, delegate, members):
                record.absent(person, delegate)
                found[person] = delegate
        return found

    def _fit(self, delegate: str, holder: str, voters: EligibleVoters, members: Members) -> bool:
        known, record = self._record.people.get(holder), self._record
        fault = rules.delegate_fault(
            delegate, holder, record.policy, voters, members, known.delegate if known else None
        )
        code = any(round_.code for round_ in voters.rounds)
        return fault is None and (not code or record.enrolled(delegate))

    def _entry(self, person: str) -> Durable[PersonEntry]:
        call: Task[Any] = self._ctx.call_entity(EntityInstanceId(PERSON, entity_key(person)), "entry")
        try:
            own = yield from self._inbox.meanwhile(call)
            if own:
                return PersonEntry.model_validate(own)
        except (TaskFailedError, ValidationError) as error:
            self._log.warning("%s: nothing known of %s: %s", self._record.request_id, person, error)
        known: PersonEntry | None = self._record.people.get(person)
        return known or PersonEntry()

    # ---- who is asked ------------------------------------------------------------------------------------

    def ask(self, members: Members) -> None:
        """Notes who is asked, if the level needs to know and does not know yet."""
        record = self._record
        level, state = record.level, record.state
        if not state.level_open or state.asked or not (level.quorum == "all" or level.remind_every):
            return
        record.ask(record.rounds()[0].holders(members))
        self.wait_for(record.undecided())
        if state.asked and record.on_show():  # known only now, so the cards do not have it
            self._effects.refresh_cards()

    def wait_for(self, people: Collection[str]) -> None:
        """Tells the entities of these people that the request waits for them. Not before there is a card to link to."""
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
        """Tells the entities of these people that it waits for them no more."""
        for person in people:
            self._ctx.signal_entity(
                EntityInstanceId(PERSON, entity_key(person)), "done", self._record.request_id
            )

    def remind(self) -> Durable[None]:
        """Reminds who has not decided. Who has many waiting gets one digest a day."""
        reminded = []
        for person in self._record.undecided():
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
            notice = Notice.DIGEST if reminder.digest else Notice.REMINDER
            self._effects.send_message(person, notice, waiting=reminder.digest)
            reminded.append(person)
        if reminded:
            self._effects.post_reply(StepKind.REMINDED, people=reminded)
