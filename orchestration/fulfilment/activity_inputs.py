"""Chooses the activity for an item of the outbox and builds its input, from the state at the start of the try."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from orchestration.approval import shared_inputs
from orchestration.approval.outbox_items import EditCard, PostReply, RemoveCopies, SendMessage
from orchestration.domain.actions import Action
from orchestration.domain.cards import Card, FulfilmentLine, Notice, Step, StepKind
from orchestration.domain.effects import (
    EditCardInput,
    HandOverInput,
    RecordStepInput,
    RunActionInput,
    SendMessageInput,
)
from orchestration.domain.fulfilment import FulfilmentState
from orchestration.domain.names import fulfilment_id
from orchestration.domain.request import EventFormat
from orchestration.fulfilment.models import (
    FulfilmentItem,
    FulfilmentRecord,
    FulfilmentStep,
    RecordStep,
    RunEntryAction,
)

STATES_SHOWN: Final = 8
TYPE: Final = "fulfilment.entered"


class FulfilmentInputs:
    """Builds the activity inputs of one fulfilment. `given` is what the approval handed over last."""

    def __init__(self, instance_id: str, given: HandOverInput, record: FulfilmentRecord) -> None:
        self.instance_id = instance_id
        self.given = given
        self.record = record

    @property
    def whole_id(self) -> str:
        """The fulfilment's ID, the same in the instance that reports a stop, so that both send under the same ID."""
        return fulfilment_id(self.given.request_id, self.given.card.nonce)

    # ---- what is true now --------------------------------------------------------------------------------

    def step(self, number: int) -> FulfilmentStep | None:
        """The step of that number; None where it is no longer kept."""
        return next((step for step in self.record.steps if step.number == number), None)

    def state_of(self, step: FulfilmentStep | None) -> FulfilmentState | None:
        """The state that a step entered."""
        fulfilment = self.given.policy.fulfilment
        return fulfilment.state(step.state) if step is not None and fulfilment is not None else None

    def action(self, number: int, index: int) -> Action | None:
        """The action at that index of the state that the step entered."""
        state = self.state_of(self.step(number))
        return state.on_enter[index] if state is not None else None

    def line(self) -> FulfilmentLine:
        """The line about the fulfilment on a card."""
        record, fulfilment = self.record, self.given.policy.fulfilment
        over = record.end is not None or record.stopped is not None
        entered = [step.state for step in record.steps if step.cause != "stopped"]
        return FulfilmentLine(
            path=entered[-STATES_SHOWN:],
            awaits=fulfilment.state(record.state).awaited() if fulfilment and not over else [],
            until=None if over else record.deadline,
            overdue=record.overdue and not over,
            end=record.end,
            stopped=record.stopped,
        )

    def card(self, round_: int) -> Card:
        """The present content of the card's copy of that round."""
        shown = [one.state for one in self.record.actions]
        return self.given.card.model_copy(
            update={
                "round": round_,
                "open": False,
                "fulfilment": self.line(),
                "actions": [*self.given.card.actions, *shown],
            }
        )

    # ---- the activities ----------------------------------------------------------------------------------

    def build(self, item: FulfilmentItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity to call and its input, from the present state."""
        given = self.given
        match item:
            case EditCard(ref=ref):
                return "edit_card", EditCardInput(ref=ref, card=self.card(ref.round), attempt=attempt)
            case PostReply():
                return shared_inputs.reply(
                    given.request_id, given.cards[0], item, attempt, maybe_done=maybe_done
                )
            case SendMessage():
                return "send_message", self._message(
                    item.user, item.message_id, item.step, attempt, maybe_done=maybe_done
                )
            case RemoveCopies():
                return shared_inputs.removal(given.request_id, given.card.identity, item, attempt)
            case RecordStep(number=number):
                return "record_step", self._to_record(number, attempt)
            case RunEntryAction():
                return self._to_run(item, attempt, maybe_done=maybe_done)

    def _message(
        self, user: str, message_id: str, step: Step | None, attempt: int, *, maybe_done: bool
    ) -> SendMessageInput:
        cards = self.given.cards
        return SendMessageInput(
            message_id=message_id,
            user=user,
            notice=Notice.FULFILMENT,
            card=self.card(self.given.card.round),
            where=cards[0] if cards else None,
            step=step,
            attempt=attempt,
            maybe_done=maybe_done,
        )

    def _to_record(self, number: int, attempt: int) -> RecordStepInput:
        step = self._known(number)
        return RecordStepInput(
            request_id=self.given.request_id,
            nonce=self.given.card.nonce,
            fulfilment=self.whole_id,
            number=number,
            cause=step.cause,
            state=step.state,
            from_state=step.previous,
            event=step.event,
            delivery=step.delivery_id,
            actor=step.actor,
            token=step.token,
            at=step.at,
            payload_digest=step.payload_digest,
            attempt=attempt,
        )

    def _known(self, number: int) -> FulfilmentStep:
        step = self.step(number)
        if step is None:
            raise AssertionError("a step is kept until everything about it is done")
        return step

    def _to_run(self, item: RunEntryAction, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        step, action = self._known(item.step), self.action(item.step, item.index)
        if action is None:
            raise AssertionError("an action is one of its state")
        if action.notify is not None:
            said = Step(number=0, kind=StepKind.STATE_ENTERED, at=step.at, state=step.state, event=step.event)
            return "send_message", self._message(
                action.notify, message_id_of(item), said, attempt, maybe_done=maybe_done
            )
        return "run_action", RunActionInput(
            policy=self.given.policy.key,
            post=action.post,
            format=action.format or EventFormat.STANDARD,
            activity=action.activity,
            key=f"{self.whole_id}:{item.step}:{item.index}",
            event=self._event(step),
            attempt=attempt,
        )

    def _event(self, step: FulfilmentStep) -> dict[str, Any]:
        """The step in the form that other systems get. It is the same in every try."""
        entered = {
            "id": self.whole_id,
            "step": step.number,
            "state": step.state,
            "previous": step.previous,
            "cause": step.cause,
            "event": step.event,
            "payload": step.payload,
        }
        return {
            "type": TYPE,
            "timestamp": step.at.isoformat(),
            "data": {**self.given.approved, "fulfilment": entered},
        }


def message_id_of(item: RunEntryAction) -> str:
    """The ID of the message that an action sends."""
    return f"fulfilment:action:{item.step}:{item.index}"
