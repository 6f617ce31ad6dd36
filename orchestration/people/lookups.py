"""Durable look-ups about people: the absence they entered, and whether they are active in the workspace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import ValidationError

from orchestration.domain.commands import Reason
from orchestration.domain.effects import ActivePeople, ActivePeopleInput
from orchestration.domain.ids import entity_key
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import PERSON
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox

log = logging.getLogger(__name__)

LOOKUP_TRIES: Final = 2


class PeopleLookups:
    """The look-ups of one orchestration. Events that arrive while one is awaited are queued in the inbox.

    `entered` is what the operator's file said of people when the request was made.
    """

    def __init__(
        self,
        ctx: OrchestrationContext,
        inbox: Inbox,
        now: Callable[[], datetime],
        entered: Mapping[str, PersonEntry],
    ) -> None:
        self._ctx = ctx
        self._inbox = inbox
        self._now = now
        self._entered = entered
        self._log = ctx.create_replay_safe_logger(log)

    def own_entries(self, people: Collection[str]) -> Durable[dict[str, PersonEntry]]:
        """The absence entries of those people who made one. All are asked for at once."""
        calls: dict[str, Task[Any]] = {
            person: self._ctx.call_entity(EntityInstanceId(PERSON, entity_key(person)), "entry")
            for person in dict.fromkeys(people)
        }
        found: dict[str, PersonEntry] = {}
        for person, call in calls.items():
            try:
                own = yield from self._inbox.meanwhile(call)
                if own:
                    found[person] = PersonEntry.model_validate(own)
            except (TaskFailedError, ValidationError) as error:
                self._log.warning("%s: nothing known of %s: %s", self._ctx.instance_id, person, error)
        return found

    def own_entry(self, person: str) -> Durable[PersonEntry | None]:
        """The person's own absence entry; None if there is none."""
        return (yield from self.own_entries([person])).get(person)

    def unfit_delegate(self, person: str) -> Durable[Reason | None]:
        """Why this person cannot stand in for anybody now: they are away, or no human, active member of the workspace.

        None if nothing is against it.
        """
        entry = (yield from self.own_entry(person)) or self._entered.get(person)
        if entry is not None and entry.is_away(self._now().date()):
            return Reason.DELEGATE_UNFIT
        for _ in range(LOOKUP_TRIES):
            lookup = self._ctx.call_activity(
                "active_people", input=ActivePeopleInput(people=[person]), return_type=ActivePeople
            )
            try:
                found = yield from self._inbox.meanwhile(lookup)
            except TaskFailedError as error:
                self._log.warning("%s: look-up of %s failed: %s", self._ctx.instance_id, person, error)
            else:
                return None if person in found.people else Reason.DELEGATE_UNFIT
        return Reason.DIRECTORY_UNAVAILABLE
