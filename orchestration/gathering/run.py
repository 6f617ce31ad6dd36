"""One open gathering: its events, and the durable waiting. `gathering` sets the order of the steps."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from durabletask.task import OrchestrationContext, when_any
from pydantic import ValidationError

from orchestration.approval.run import (
    CONTINUE_AS_NEW_AFTER,
    CONTINUE_AS_NEW_BYTES,
    DEADLINE,
    REMINDER,
    ContinueAsNew,
)
from orchestration.domain import rules
from orchestration.domain.cards import StepKind
from orchestration.domain.commands import Reason, command_id_of
from orchestration.domain.gathering import (
    GATHERING_COMMANDS,
    GATHERING_EVENTS,
    GatheringAnswer,
    GatheringCommand,
    GatheringStatus,
    GatheringWithdrawal,
)
from orchestration.domain.request import to_json
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.gathering import projection
from orchestration.gathering.effects import GatheringEffects
from orchestration.gathering.record import GatheringRecord
from orchestration.gathering.state import GatheringInput
from orchestration.people.lookups import PeopleLookups
from orchestration.people.worklist import WorklistUpdates

log = logging.getLogger(__name__)

ESCALATION: Final = "escalation"
TIME_IS_UP: Final = "The time was over."


class GatheringRun:
    """One gathering: its record, and the durable means to act on it."""

    def __init__(self, ctx: OrchestrationContext, given: GatheringInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, *GATHERING_EVENTS.values())
        self.record = GatheringRecord(ctx.instance_id, given, self.now())
        self._effects = GatheringEffects(ctx, self.record, self.now)
        self._outbox = self._effects.outbox
        self._lookups = PeopleLookups(ctx, self._inbox, self.now, self.record.people or {})
        self._worklists = WorklistUpdates(ctx, ctx.instance_id)
        self._happened = 0
        self._heard = 0  # bytes of the commands in this history, from anybody

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return clock.now(self._ctx)

    def carried(self) -> GatheringInput:
        """The input of the next generation."""
        return self._given.model_copy(update={"state": self.record.state})

    def begin(self) -> Durable[None]:
        """In the first generation, asks everybody. The look-up of absences delays neither the card nor the systems."""
        if self._given.state is None:
            request = self.record.request
            self._worklists.asked(request.requester, request.asked_with)
            self._effects.post_card()
            yield from self._find_delegates()
            self._effects.ask_people()
            self._list_change([])

    def collect(self) -> Durable[None]:
        """Returns once it has ended: all have answered, the deadline has passed, or the requester has stopped it."""
        state = self.record.state
        if self.record.ended:
            return
        self._inbox.watch(DEADLINE, clock.timer(self._ctx, state.deadline))
        self._watch_reminder()
        self._watch_escalation()
        while self._busy() and not self.record.ended:
            arrived = self._inbox.take()
            if arrived is None:
                yield from self._wait()
            elif arrived[0] == REMINDER:
                yield from self._remind()
            elif arrived[0] == ESCALATION:
                self._escalate()
            elif arrived[0] != DEADLINE:
                self._handle(*arrived)
            elif self.now() >= state.deadline:
                self._end(GatheringStatus.INCOMPLETE, reason=TIME_IS_UP)
            else:  # a timer of an earlier generation, which some hubs still deliver
                self._inbox.watch(DEADLINE, clock.timer(self._ctx, state.deadline))
        self._inbox.drop(DEADLINE)
        self._inbox.drop(REMINDER)
        self._inbox.drop(ESCALATION)

    def finish(self) -> Durable[None]:
        """Lets every effect finish. An answer that comes meanwhile is refused as too late."""
        while self._busy():
            arrived = self._inbox.take()
            if arrived is not None:
                self._handle(*arrived)
            elif not self._outbox.busy():
                return
            else:
                yield from self._wait()

    def _wait(self) -> Durable[None]:
        """Waits for the next event. Raises `ContinueAsNew` when the history is long and no try is under way."""
        if self._long() and not self._outbox.running:
            raise ContinueAsNew
        yield when_any([*self._inbox.waits(), *self._outbox.waits()])

    def _long(self) -> bool:
        return self._happened >= CONTINUE_AS_NEW_AFTER or self._outbox.written >= self._room()

    def _room(self) -> int:
        """How many bytes the outbox may write in this generation."""
        return CONTINUE_AS_NEW_BYTES - self._heard

    def _busy(self) -> bool:
        """Runs the outbox and publishes the status; always true, to open a waiting loop."""
        self._outbox.step(start=not self._long(), most=self._room())
        self._ctx.set_custom_status(projection.progress(self.record))
        return True

    def _watch_reminder(self) -> None:
        if self.record.state.remind_at is not None:
            self._inbox.watch(REMINDER, clock.timer(self._ctx, self.record.state.remind_at))

    def _remind(self) -> Durable[None]:
        self._happened += 1
        state = self.record.state
        if state.remind_at is not None and self.now() >= state.remind_at:
            waited = self.record.awaited
            absent = yield from self._find_delegates()
            self._effects.ask_delegates(absent)
            self._effects.remind(but=absent)
            self._list_change(waited)
            state.remind_at = self.record.next_reminder(self.now())
        self._watch_reminder()

    def _watch_escalation(self) -> None:
        if self.record.state.escalate_at is not None:
            self._inbox.watch(ESCALATION, clock.timer(self._ctx, self.record.state.escalate_at))

    def _escalate(self) -> None:
        self._happened += 1
        state = self.record.state
        if state.escalate_at is not None and self.now() >= state.escalate_at:
            state.escalate_at = None
            self._effects.escalate()
        self._watch_escalation()

    # ---- who is asked ------------------------------------------------------------------------------------

    def _find_delegates(self) -> Durable[list[str]]:
        """Puts a delegate in the place of each person who is away and has not answered; returns the new ones.

        The person is still asked if the delegate may not answer here, is away too, or is not known to the directory as
        active. So an absence never leaves a source without anybody to ask.
        """
        record, found = self.record, list[str]()
        if record.people is None or record.policy.delegates == []:
            return found
        missing = [record.policy.sources[name].person for name in record.missing]
        asked = [
            one for one in dict.fromkeys(missing) if one is not None and one not in record.state.delegates
        ]
        if not asked:
            return found
        self._busy()
        entries = yield from self._lookups.own_entries(asked)
        for person in asked:
            entered = record.people.get(person)
            delegate = rules.absence_delegate(entries.get(person), entered, self.now().date(), code=False)
            if delegate is None or not record.may_stand_in(delegate, person):
                continue
            if (yield from self._lookups.unfit_delegate(delegate)) is None:
                record.state.delegates[person] = delegate
                found.append(person)
        return found

    def _list_change(self, before: Collection[str], done: str | None = None) -> None:
        """Updates the worklists of the people who are awaited. `done` are those who have answered just now."""
        if self.record.people is None:
            return
        now = self.record.awaited
        if done is not None:
            self._worklists.decided(done)
            before = [one for one in before if one != done]
        self._worklists.change(before, now, self.record.state.deadline)

    # ---- commands ----------------------------------------------------------------------------------------

    def _handle(self, name: str, payload: Any) -> None:
        """Answers one command. A delivery that came twice already has its verdict."""
        self._happened += 1
        self._heard += len(to_json(payload).encode())
        try:
            command = GATHERING_COMMANDS[name].model_validate(payload)
        except ValidationError as error:
            self._refuse_malformed(name, payload, error)
            return
        fingerprint = command.fingerprint()
        if self.record.has_verdict(command.command_id, fingerprint):
            return
        reason = self.record.known_verdict(command) or self.record.unfit(command) or self._obey(command)
        self.record.give_verdict(command.command_id, reason, fingerprint)

    def _refuse_malformed(self, name: str, payload: Any, error: ValidationError) -> None:
        self._log.warning(
            "%s: malformed %s passed over (%d faults)", self.record.request_id, name, error.error_count()
        )
        command_id = command_id_of(payload)
        if command_id is not None and not self.record.has_verdict(command_id):
            self.record.give_verdict(command_id, Reason.MALFORMED)

    def _obey(self, command: GatheringCommand) -> Reason:
        return self._withdraw(command) if isinstance(command, GatheringWithdrawal) else self._answer(command)

    def _withdraw(self, command: GatheringWithdrawal) -> Reason:
        if command.actor != self.record.request.requester:
            return Reason.NOT_THE_REQUESTER
        self._end(GatheringStatus.CANCELLED, by=command.actor, reason=command.reason)
        return Reason.RECORDED

    def _answer(self, answer: GatheringAnswer) -> Reason:
        before = self.record.state.answers.get(answer.source)
        waited = self.record.awaited
        reason = self.record.take(answer, self.now())
        if reason is not Reason.RECORDED:
            return reason
        if before is None or before.actor != answer.actor:
            self._list_change(waited, answer.actor)
        self._tell_answer(answer.source, StepKind.SOURCE_CORRECTED if before else StepKind.SOURCE_ANSWERED)
        self._effects.refresh_after(answer.source)
        if not self.record.missing:
            self._end(GatheringStatus.COMPLETE)
        return reason

    def _tell_answer(self, source: str, kind: StepKind) -> None:
        """Posts the answer in the thread, which has room for more of it than the card."""
        shown = projection.shown_source(self.record, source)
        said = "\n".join(value.on_one_line() for value in shown.values)
        answer = self.record.state.answers[source]
        holder = [answer.holder] if answer.holder and answer.holder != answer.actor else []
        self._effects.post_reply(kind, actor=answer.actor, people=holder, to=shown.state.title, text=said)

    def _end(self, status: GatheringStatus, *, by: str | None = None, reason: str = "") -> None:
        waited = self.record.awaited
        self.record.end(status, self.now(), by=by, reason=reason)
        self._list_change(waited)
        self._worklists.ended(self.record.request.requester)
        self._effects.tell_of_end()
