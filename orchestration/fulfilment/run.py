"""One fulfilment under way: handles what comes in, and waits durably. The order of the steps is in `fulfilment`."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from durabletask.task import OrchestrationContext, Task, when_any
from pydantic import ValidationError

from orchestration.domain.effects import HandOverInput
from orchestration.durable import clock
from orchestration.durable.inbox import Inbox
from orchestration.fulfilment.activity_inputs import FulfilmentInputs
from orchestration.fulfilment.effects import FulfilmentEffects
from orchestration.fulfilment.machine import FulfilmentMachine
from orchestration.fulfilment.models import (
    EVENT_CANCELLED,
    EVENT_HANDED_OVER,
    EVENT_RECEIVED,
    EVENT_RETRY,
    FulfilmentCancellation,
    FulfilmentInput,
    FulfilmentProgress,
    FulfilmentRecord,
    FulfilmentRetry,
    HookDelivery,
)

log = logging.getLogger(__name__)

# The names of the timers in the inbox.
TIME: Final = "time"
LINGER: Final = "linger"
# After this many events or bytes it continues as new, as an approval does.
CONTINUE_AFTER_EVENTS: Final = 100
CONTINUE_AFTER_BYTES: Final = 1024 * 1024


class FulfilmentRun:
    """One fulfilment under way: its state machine, its inbox and its outbox."""

    def __init__(self, ctx: OrchestrationContext, given: FulfilmentInput) -> None:
        self._ctx = ctx
        self._given = given
        self._log = ctx.create_replay_safe_logger(log)
        self._inbox = Inbox(ctx, EVENT_RECEIVED, EVENT_CANCELLED, EVENT_RETRY, EVENT_HANDED_OVER)
        begun = given.record
        record = begun.model_copy(deep=True) if begun else FulfilmentRecord(state="", entered_at=self.now())
        self._record = record
        self._inputs = FulfilmentInputs(ctx.instance_id, given.given, record)
        declared = given.given.policy.fulfilment
        owner = (declared.owner if declared else None) or given.given.policy.owner
        cut_short = given.stopped is not None and record.end is None
        self._effects = FulfilmentEffects(ctx, self._inputs, owner, self.now, cut_short=cut_short)
        self._outbox = self._effects.outbox
        self._machine = FulfilmentMachine(given.given, record, self._effects)
        self._happened = 0
        self._watching: datetime | None = None
        self._lingering_until: datetime | None = None

    def now(self) -> datetime:
        """The orchestration's own time, aware UTC."""
        return clock.now(self._ctx)

    def carried(self) -> FulfilmentInput:
        """The input of the next generation."""
        return FulfilmentInput(given=self._inputs.given, record=self._record, stopped=self._given.stopped)

    def begin(self) -> None:
        """Enters the first state in the first generation, or reports that another instance was stopped."""
        if self._given.stopped is not None and self._record.end is not None:
            if not self._record.lanes:  # otherwise an earlier generation has begun that work
                self._effects.finish()
        elif self._given.stopped is not None and self._record.stopped is None:
            self._effects.record_what_is_left()
            self._machine.stop(self._given.stopped, self.now())
        elif self._given.record is None:
            self._machine.begin(self.now())
        if self._record.linger_until is None:
            self._linger()
        self._watch()

    # ---- waiting -----------------------------------------------------------------------------------------

    def goes_on(self) -> bool:
        """Starts the effects that can start and publishes the progress. False once nothing is left to do."""
        self._outbox.step(start=not self._long())
        self._ctx.set_custom_status(self.progress())
        return not self._machine.over or self._outbox.busy() or self._is_lingering()

    def should_continue_as_new(self) -> bool:
        """Whether the history is long, and no try is under way."""
        return self._long() and not self._outbox.running

    def whatever_comes(self) -> Task[Any]:
        """A task that completes as soon as something arrives or an effect ends."""
        return when_any([*self._inbox.waits(), *self._outbox.waits()])

    def handle(self) -> None:
        """Handles everything that has arrived, in the order of arrival."""
        while (arrived := self._inbox.take()) is not None:
            self._happened += 1
            name, payload = arrived
            if name == TIME:
                self._machine.time_passes(self.now())
            elif name == EVENT_HANDED_OVER:
                self._handed_over(payload)
            elif name in {EVENT_RECEIVED, EVENT_CANCELLED, EVENT_RETRY}:
                self._move(name, payload)
            self._watch()

    def _long(self) -> bool:
        return self._happened >= CONTINUE_AFTER_EVENTS or self._outbox.written >= CONTINUE_AFTER_BYTES

    def _watch(self) -> None:
        """Sets the timer for the next time that matters."""
        when = self._machine.next_time()
        if when is None:
            self._inbox.drop(TIME)
        elif when != self._watched():
            self._inbox.watch(TIME, clock.timer(self._ctx, when))
            self._watching = when

    def _watched(self) -> datetime | None:
        return self._watching if self._inbox.watches(TIME) else None

    # ---- the approval hands over -------------------------------------------------------------------------

    def _handed_over(self, payload: Any) -> None:
        try:
            given = HandOverInput.model_validate(payload)
        except ValidationError as error:
            self._log.error("%s: what was handed over cannot be read: %s", self._ctx.instance_id, error)
            return
        if given.revision > self._inputs.given.revision:
            known = self._inputs.given
            self._inputs.given = known.model_copy(
                update={"card": given.card, "cards": given.cards, "revision": given.revision}
            )
            self._linger()
            self._effects.cards_changed()

    def _linger(self) -> None:
        """Keeps the instance alive to redraw cards: the approval may still post a card or try an action again."""
        policy = self._inputs.given.policy
        self._record.linger_until = self.now() + policy.edits_retried_for + 2 * policy.actions_retried_for

    def _is_lingering(self) -> bool:
        given, until = self._inputs.given, self._record.linger_until
        failed = any(one.state.status == "failed" for one in self._record.actions)
        settled = bool(given.cards) and all(action.status == "done" for action in given.card.actions)
        settled = settled and not failed
        if settled or self._given.stopped is not None or until is None or self.now() >= until:
            return False
        if not self._inbox.watches(LINGER) or self._lingering_until != until:
            self._lingering_until = until
            self._inbox.watch(LINGER, clock.timer(self._ctx, until))
        return True

    # ---- what moves it -----------------------------------------------------------------------------------

    def _move(self, name: str, payload: Any) -> None:
        try:
            if name == EVENT_CANCELLED:
                self._machine.cancel(FulfilmentCancellation.model_validate(payload), self.now())
            elif name == EVENT_RETRY:
                self._machine.retry(FulfilmentRetry.model_validate(payload))
            else:
                self._machine.receive(HookDelivery.model_validate(payload), self.now())
        except ValidationError as error:
            self._log.error("%s: an event cannot be read: %s", self._ctx.instance_id, error)

    def progress(self) -> FulfilmentProgress:
        """The progress to publish."""
        record, given = self._record, self._inputs.given
        over = self._machine.over
        return FulfilmentProgress(
            id=self._ctx.instance_id,
            request_id=given.request_id,
            nonce=given.card.nonce,
            policy=given.policy.key,
            owner=self._machine.owner,
            state=record.state,
            entered_at=record.entered_at,
            deadline=None if over else record.deadline,
            overdue=record.overdue,
            escalated=record.escalated,
            end=record.end,
            stopped=record.stopped,
            awaits=[] if over else self._machine.state.awaited(),
            kept=[delivery.name for delivery in record.kept],
            steps=record.steps,
            actions=record.actions,
            verdicts=record.verdicts,
            cards=given.cards,
            numbers=record.numbers,
        )
