"""The state machine of one fulfilment. Pure: takes events and times, returns verdicts, and tells a listener."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final, Protocol

from orchestration.domain.effects import HandOverInput, StepCause
from orchestration.domain.fulfilment import Fulfilment, FulfilmentState
from orchestration.domain.request import Status, to_json
from orchestration.domain.salts import text_digest, text_salt
from orchestration.fulfilment.models import (
    PAYLOADS_KEPT,
    STEPS_KEPT,
    FulfilmentCancellation,
    FulfilmentReason,
    FulfilmentRecord,
    FulfilmentRetry,
    FulfilmentStep,
    FulfilmentVerdict,
    HookDelivery,
    RecordStep,
    RunEntryAction,
)

EVENTS_WAITING: Final = 20
DELIVERIES_KNOWN: Final = 500
VERDICTS_PUBLISHED: Final = 50
REFUSALS_TOLD: Final = 5  # of each state
NO_MORE_TOLD: Final = "What else comes and moves nothing is not told until the state changes"
NO_STATE_AHEAD: Final = "no state that can still come awaits it"


class FulfilmentListener(Protocol):
    """Is told what happened, in order."""

    def entered(self, step: FulfilmentStep, state: FulfilmentState) -> None:
        """A state was entered."""
        ...

    def refused(self, delivery: HookDelivery, why: str) -> None:
        """An event of the policy moves nothing, now or later. `why` is the end of a sentence, without a full stop."""
        ...

    def overdue(self, state: FulfilmentState) -> None:
        """The fulfilment has been in the state for longer than it may."""
        ...

    def escalated(self, state: FulfilmentState) -> None:
        """The state is still overdue after the time set for an escalation."""
        ...

    def stopped(self, step: FulfilmentStep) -> None:
        """The instance was cut short."""
        ...

    def retry_failed(self) -> bool:
        """Tries failed actions again; returns whether any had failed."""
        ...


class FulfilmentMachine:
    """One fulfilment. It is always in one state of its policy; a final state ends it."""

    def __init__(self, given: HandOverInput, record: FulfilmentRecord, listener: FulfilmentListener) -> None:
        """Raises `AssertionError` for a policy that declares no fulfilment."""
        if given.policy.fulfilment is None:
            raise AssertionError("the policy was checked to declare a fulfilment")
        self.declared: Fulfilment = given.policy.fulfilment
        self.record = record
        self._given = given
        self._listener = listener

    @property
    def state(self) -> FulfilmentState:
        """The present state."""
        return self.declared.state(self.record.state)

    @property
    def owner(self) -> str | None:
        """The person who is reminded and may cancel; None where the policy names nobody."""
        return self.declared.owner or self._given.policy.owner

    @property
    def over(self) -> bool:
        """Whether it has ended or was stopped, so that nothing moves it any more."""
        return self.record.end is not None or self.record.stopped is not None

    # ---- what moves it -----------------------------------------------------------------------------------

    def begin(self, now: datetime) -> None:
        """Enters the first state."""
        self._enter(self.declared.first.name, StepCause.APPROVED, now)

    def receive(  # noqa: PLR0911 - one for each thing that can become of it
        self, delivery: HookDelivery, now: datetime
    ) -> FulfilmentVerdict:
        """Handles an event; returns the verdict. A delivery counts once. An early event waits for its state."""
        name, key = delivery.name, delivery_key(delivery)
        if (
            key in self.record.seen
        ):  # first, so that a sender who missed the answer is not refused the second time
            return self._repeated(delivery, key)
        if self.over:
            return self._verdict(delivery.attempt_id, FulfilmentReason.ENDED)
        if name not in self.declared.events():
            return self._verdict(delivery.attempt_id, FulfilmentReason.UNKNOWN_EVENT)
        if name in self.state.awaited():
            self._remember(key)
            needs = self._answer(delivery, now)
            reason = FulfilmentReason.MOVED if needs is None else FulfilmentReason.CONDITION_FAILED
            return self._verdict(delivery.attempt_id, reason, needs or "")
        if name not in self.declared.ahead(self.record.state):
            return self._verdict(delivery.attempt_id, FulfilmentReason.TOO_LATE)
        if len(self.record.kept) >= EVENTS_WAITING:
            return self._verdict(delivery.attempt_id, FulfilmentReason.TOO_MANY)
        self._remember(key)
        self.record.kept = [*self.record.kept, delivery]
        return self._verdict(delivery.attempt_id, FulfilmentReason.WAITS)

    def cancel(self, given: FulfilmentCancellation, now: datetime) -> FulfilmentVerdict:
        """Cancels the fulfilment for its owner, where the state allows that. Returns the verdict."""
        reason = FulfilmentReason.MOVED
        if self.owner is None or given.actor != self.owner:
            reason = FulfilmentReason.NOT_THE_OWNER
        elif self.over:
            reason = FulfilmentReason.ENDED
        elif self.state.cancel_to is None:
            reason = FulfilmentReason.NOT_HERE
        else:
            self._enter(
                self.state.cancel_to,
                StepCause.CANCELLED,
                now,
                actor=given.actor,
                token=given.token,
                payload={"reason": given.reason} if given.reason else None,
            )
        return self._verdict(given.attempt_id, reason)

    def retry(self, given: FulfilmentRetry) -> FulfilmentVerdict:
        """Tries failed actions again for whoever is in charge, also after the end. Returns the verdict."""
        if given.actor != (self.owner or self._given.request.requester):
            return self._verdict(given.attempt_id, FulfilmentReason.NOT_IN_CHARGE)
        tried = self._listener.retry_failed()
        reason = FulfilmentReason.RETRIED if tried else FulfilmentReason.NOTHING_TO_RETRY
        return self._verdict(given.attempt_id, reason)

    def time_passes(self, now: datetime) -> None:
        """Reminds the owner when the state takes too long, then tells others, then enters `on_timeout` if given."""
        record, state = self.record, self.state
        if self.over:
            return
        if record.deadline is not None and not record.overdue and now >= record.deadline:
            record.overdue = True
            self._listener.overdue(state)
            if state.escalate_after is not None:
                record.escalate_at = now + state.escalate_after
            elif state.on_timeout is not None:
                self._enter(state.on_timeout, StepCause.TIMEOUT, now)
        elif record.escalate_at is not None and not record.escalated and now >= record.escalate_at:
            record.escalated = True
            self._listener.escalated(state)
            if state.on_timeout is not None:
                self._enter(state.on_timeout, StepCause.TIMEOUT, now)

    def next_time(self) -> datetime | None:
        """When to call `time_passes` next; None where no time matters."""
        record = self.record
        if self.over or record.escalated:
            return None
        return record.escalate_at if record.overdue else record.deadline

    def stop(self, how: Status, now: datetime) -> None:
        """Records that the instance was stopped in its present state."""
        record = self.record
        record.stopped, record.kept = how, []
        self._listener.stopped(self._step(record.state, StepCause.STOPPED, now))

    def _repeated(self, delivery: HookDelivery, key: str) -> FulfilmentVerdict:
        """The verdict on a repeated delivery. Conditions that failed the first time are not checked again."""
        state = self.record.unmet.get(key)
        if state is None:
            return self._verdict(delivery.attempt_id, FulfilmentReason.DUPLICATE)
        needs = self.declared.state(state).needs(delivery.name)
        return self._verdict(delivery.attempt_id, FulfilmentReason.CONDITION_FAILED, needs, state)

    # ---- how it moves ------------------------------------------------------------------------------------

    def _answer(self, delivery: HookDelivery, now: datetime) -> str | None:
        """Moves by an event that the state awaits. If its conditions fail, returns what the event would have to say."""
        state, given = self.state, self._given
        found = state.answer_to(delivery.name, delivery.payload, given.request, given.request_id)
        if found is None:
            needs = state.needs(delivery.name)
            self.record.unmet = {**self.record.unmet, delivery_key(delivery): state.name}
            self._refuse(delivery, f"it needs {needs}")
            return needs
        self._enter(
            found.to,
            StepCause.EVENT,
            now,
            event=delivery.name,
            delivery_id=delivery.delivery_id,
            token=delivery.token,
            payload=delivery.payload,
        )
        return None

    def _enter(self, name: str, cause: StepCause, now: datetime, **what: object) -> None:
        record, state = self.record, self.declared.state(name)
        step = self._step(name, cause, now, **what)
        record.state, record.entered_at = name, now
        record.overdue = record.escalated = False
        record.refused = 0
        record.deadline = now + state.timeout if state.timeout is not None else None
        record.escalate_at = None
        record.end = state.final
        self._listener.entered(step, state)
        self._take_kept(now)

    def _step(self, name: str, cause: StepCause, now: datetime, **what: object) -> FulfilmentStep:
        record = self.record
        record.step_number += 1
        payload = what.get("payload")
        salt = "" if payload is None else text_salt(self._given.salt, "fulfilment", record.step_number)
        step = FulfilmentStep.model_validate(
            {
                **what,
                "number": record.step_number,
                "cause": cause,
                "state": name,
                "previous": record.state or None,
                "at": now,
                "payload_salt": salt,
                "payload_digest": None if payload is None else text_digest(salt, to_json(payload)),
            }
        )
        record.steps = [*self._still_kept(), step]
        return step

    def _still_kept(self) -> list[FulfilmentStep]:
        """The newest steps, and those with work left to do. Fewer of them keep their payloads."""
        needed = {
            item.number if isinstance(item, RecordStep) else item.step
            for lane in self.record.lanes.values()
            for item in lane.queue
            if isinstance(item, (RecordStep, RunEntryAction))
        } | {action.step for action in self.record.actions if action.state.status == "failed"}
        newest = self.record.step_number
        return [
            step
            if step.number in needed or step.number > newest - PAYLOADS_KEPT
            else step.model_copy(update={"payload": None, "payload_salt": ""})
            for step in self.record.steps
            if step.number in needed or step.number > newest - STEPS_KEPT
        ]

    def _take_kept(self, now: datetime) -> None:
        """Applies the events that waited for this state, oldest first. Refuses those that no later state awaits."""
        record = self.record
        ahead = self.declared.ahead(record.state)
        for delivery in [one for one in record.kept if one.name not in ahead]:
            record.kept = [one for one in record.kept if one is not delivery]
            self._refuse(delivery, NO_STATE_AHEAD)
        while True:
            awaited = self.state.awaited()
            due = next((one for one in record.kept if one.name in awaited), None)
            if due is None:
                return
            record.kept = [one for one in record.kept if one is not due]
            self._answer(due, now)

    def _refuse(self, delivery: HookDelivery, why: str) -> None:
        """Reports a refusal, but only the first few in each state: a sender may send as often as it likes."""
        self.record.refused += 1
        if self.record.refused < REFUSALS_TOLD:
            self._listener.refused(delivery, why)
        elif self.record.refused == REFUSALS_TOLD:
            self._listener.refused(delivery, f"{why}. {NO_MORE_TOLD}")

    def _remember(self, key: str) -> None:
        record = self.record
        record.seen = [*record.seen, key][-DELIVERIES_KNOWN:]
        known = set(record.seen)
        record.unmet = {one: state for one, state in record.unmet.items() if one in known}

    def _verdict(
        self, attempt_id: str, reason: FulfilmentReason, needs: str = "", state: str | None = None
    ) -> FulfilmentVerdict:
        verdict = FulfilmentVerdict(
            attempt_id=attempt_id, reason=reason, state=state or self.record.state, needs=needs
        )
        self.record.verdicts = [*self.record.verdicts, verdict][-VERDICTS_PUBLISHED:]
        return verdict


def delivery_key(delivery: HookDelivery) -> str:
    """A key for a delivery: the hash of the event's name and of the ID that its sender gave it."""
    return hashlib.sha256(f"{delivery.name}\0{delivery.delivery_id}".encode()).hexdigest()[:32]
