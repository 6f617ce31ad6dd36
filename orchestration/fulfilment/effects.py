"""The effects of a fulfilment: puts steps on record, then runs their actions; updates cards, the thread and people."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval.outbox_items import EditCard, PostReply, RemoveCopies, SendMessage
from orchestration.approval.posts import MESSAGES_RETRIED_FOR
from orchestration.domain.cards import Notice, Step, StepKind
from orchestration.domain.effects import Delivery, StepCause
from orchestration.domain.fulfilment import FulfilmentState
from orchestration.domain.request import ActionState, CardRef
from orchestration.durable.outbox import Outbox
from orchestration.durable.post_try import COPIES_AFTER
from orchestration.fulfilment import activity_inputs
from orchestration.fulfilment.activity_inputs import FulfilmentInputs
from orchestration.fulfilment.models import (
    EntryAction,
    FulfilmentItem,
    FulfilmentStep,
    HookDelivery,
    RecordStep,
    RunEntryAction,
)

log = logging.getLogger(__name__)

RECORDS_RETRIED_FOR: Final = timedelta(
    days=366
)  # somebody will free a full disk, and then the fulfilment goes on
FIRST_NUMBER: Final = 1_000_000  # of its lines in the thread; the approval's own lines count from 1
ANSWER_KEPT: Final = 300
ACTIONS_KEPT: Final = 20


class FulfilmentEffects:
    """Listens to the machine and puts the effects into the outbox. `inputs` knows the present state."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        inputs: FulfilmentInputs,
        owner: str | None,
        now: Callable[[], datetime],
        *,
        cut_short: bool,
    ) -> None:
        """`cut_short`: this instance reports that another was stopped before its end. It begins no action any more."""
        self._cut_short = cut_short
        self._inputs = inputs
        self._record = inputs.record
        self._owner = owner
        self._now = now
        self._log = ctx.create_replay_safe_logger(log)
        self.outbox: Outbox[FulfilmentItem, Delivery] = Outbox(ctx, now, self._record.lanes, self, Delivery)

    # ---- what happened -----------------------------------------------------------------------------------

    def entered(self, step: FulfilmentStep, state: FulfilmentState) -> None:
        """Puts the entered state on record and shows it to everybody. Its actions run once it is on record."""
        self._put_on_record(step)
        self.refresh_cards()
        said = self._reply(
            StepKind.STATE_ENTERED,
            state=state.name,
            event=_brought_by(step),
            actor=step.actor,
        )
        self._mark(step.number, line=said.number)
        if state.final is not None:
            self._tell(self._inputs.given.request.requester, said)

    def finish(self) -> None:
        """Does what is left of an instance that reached its end but was stopped before it had done everything.

        An action that may have run before is sent with the same key; a message that may have been sent is looked
        for.
        """
        self.record_what_is_left()
        self.refresh_cards()
        step = self._record.steps[-1]
        if step.line:
            said = Step(
                number=step.line,
                kind=StepKind.STATE_ENTERED,
                at=step.at,
                state=step.state,
                event=_brought_by(step),
                actor=step.actor,
            )
            self._tell(self._inputs.given.request.requester, said, maybe_done=True)
        for action in [one for one in self._record.actions if one.state.status == "pending"]:
            self._run(action.step, action.index, action.state.label, maybe_done=True)

    def refused(self, delivery: HookDelivery, why: str) -> None:
        """Tells whoever is in charge that an event of the policy moved nothing."""
        said = self._reply(
            StepKind.EVENT_REFUSED, state=self._record.state, event=delivery.name, text=why[:ANSWER_KEPT]
        )
        self._tell(self.in_charge(), said)

    def overdue(self, state: FulfilmentState) -> None:
        """Reminds whoever is in charge."""
        self.refresh_cards()
        owner = self.in_charge()
        self._tell(owner, self._reply(StepKind.STATE_OVERDUE, state=state.name, people=[owner]))

    def escalated(self, state: FulfilmentState) -> None:
        """Tells the people in `escalate_to`."""
        fulfilment = self._inputs.given.policy.fulfilment
        others = fulfilment.escalate_to if fulfilment else []
        said = self._reply(StepKind.STATE_ESCALATED, state=state.name, people=list(others))
        for other in others:
            self._tell(other, said)

    def stopped(self, step: FulfilmentStep) -> None:
        """Reports that the instance was cut short and that nothing moves it any more."""
        self._put_on_record(step)
        self.refresh_cards()
        said = self._reply(StepKind.FULFILMENT_STOPPED, state=self._record.state, status=self._record.stopped)
        for person in dict.fromkeys([self._inputs.given.request.requester, self.in_charge()]):
            self._tell(person, said)

    def in_charge(self) -> str:
        """The owner; without one, the requester."""
        return self._owner or self._inputs.given.request.requester

    # ---- cards, the thread, messages ---------------------------------------------------------------------

    def cards_changed(self) -> None:
        """Redraws the cards, whose content the approval has handed over, and posts the lines that waited for a card."""
        self.refresh_cards()
        if self._inputs.given.cards:
            held, self._record.held = self._record.held, []
            for step in held:
                self._put_reply(step)

    def refresh_cards(self) -> None:
        """Has every posted copy edited to the present state."""
        for ref in self._inputs.given.cards:
            item = EditCard(ref=ref, give_up=self._inputs.given.policy.edits_retried_for)
            self.outbox.put(f"card:{ref.round}:{ref.ts}", item)

    def _reply(self, kind: StepKind, **what: Any) -> Step:
        self._record.numbers += 1
        number = FIRST_NUMBER + self._record.numbers
        step = Step.model_validate({"number": number, "kind": kind, "at": self._now(), **what})
        if self._inputs.given.cards:
            self._put_reply(step)
        else:
            self._record.held = [*self._record.held, step]
        return step

    def _put_reply(self, step: Step) -> None:
        self.outbox.put("post_reply", PostReply(steps=[step], give_up=MESSAGES_RETRIED_FOR))

    def _tell(self, user: str, step: Step, *, maybe_done: bool = False) -> None:
        message = SendMessage(
            message_id=f"fulfilment:{step.number}",
            user=user,
            notice=Notice.FULFILMENT,
            step=step,
            give_up=MESSAGES_RETRIED_FOR,
            maybe_done=maybe_done,
        )
        self.outbox.put(f"send_message:{user}", message)

    # ---- the records, and what follows -------------------------------------------------------------------

    def _put_on_record(self, step: FulfilmentStep) -> None:
        self.outbox.put("record_step", RecordStep(number=step.number, give_up=RECORDS_RETRIED_FOR))

    def record_what_is_left(self) -> None:
        """Puts those steps of the interrupted instance on record that are not there yet."""
        for step in self._record.steps:
            if not step.on_record:
                self._put_on_record(step)

    def _recorded(self, number: int) -> None:
        """Runs the actions of the step's state, now that the step is on record."""
        self._mark(number, on_record=True)
        step = self._inputs.step(number)
        state = self._inputs.state_of(step)
        if step is None or state is None or self._cut_short:
            return
        for index, action in enumerate(state.on_enter):
            self._run(number, index, action.label)

    def _run(self, step: int, index: int, label: str, *, maybe_done: bool = False) -> None:
        self._set_action(step, index, ActionState(label=label))
        give_up = self._inputs.given.policy.actions_retried_for
        item = RunEntryAction(step=step, index=index, give_up=give_up, maybe_done=maybe_done)
        self.outbox.put(f"run_entry_action:{step}:{index}", item)

    def retry_failed(self) -> bool:
        """Runs the failed actions again; False when none had failed."""
        failed = [one for one in self._record.actions if one.state.status == "failed"]
        for one in failed:
            self._run(one.step, one.index, one.state.label)
        if failed:
            self.refresh_cards()
        return bool(failed)

    def _mark(self, number: int, **what: object) -> None:
        self._record.steps = [
            step.model_copy(update=what) if step.number == number else step for step in self._record.steps
        ]

    def _set_action(self, step: int, index: int, state: ActionState) -> None:
        others = [one for one in self._record.actions if (one.step, one.index) != (step, index)]
        self._record.actions = [*others, EntryAction(step=step, index=index, state=state)][-ACTIONS_KEPT:]

    def _acted(self, item: RunEntryAction, status: str, answer: str) -> None:
        action = self._inputs.action(item.step, item.index)
        label = action.label if action else ""
        said = answer[:ANSWER_KEPT]
        self._set_action(item.step, item.index, ActionState(label=label, status=status, answer=said))
        self.refresh_cards()
        kind = StepKind.ACTION_DONE if status == "done" else StepKind.ACTION_FAILED
        step = self._reply(kind, to=label, text=said)
        if status == "failed":
            patience = self._now() + self._inputs.given.policy.actions_retried_for
            self._record.linger_until = max(patience, self._record.linger_until or patience)
            self._tell(self.in_charge(), step)

    # ---- running an item: the outbox asks ----------------------------------------------------------------

    def build(self, item: FulfilmentItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity to call and its input, from the present state."""
        return self._inputs.build(item, attempt, maybe_done=maybe_done)

    def done(self, item: FulfilmentItem, result: Delivery) -> None:
        """Handles the success of an item. Where another try may have done it too, has copies removed."""
        match item:
            case RecordStep(number=number):
                self._recorded(number)
            case RunEntryAction():
                self._acted(item, "done", result.answer)
            case _:
                pass
        if result.unsure:
            self._look_again(item)

    def put_off(self, item: FulfilmentItem, attempt: int, problem: str, pause: timedelta) -> None:
        """Logs that the item is tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._inputs.instance_id,
            item.kind,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: FulfilmentItem, problem: str) -> None:
        """Does nothing: nobody waits for it."""

    def failed(self, item: FulfilmentItem, problem: str) -> None:
        """Reports that the item will not be done."""
        match item:
            case RunEntryAction():
                self._acted(item, "failed", problem)
            case RecordStep():
                said = self._reply(
                    StepKind.STEP_UNRECORDED, state=self._record.state, text=problem[:ANSWER_KEPT]
                )
                self._tell(self.in_charge(), said)
            case EditCard(ref=ref):
                self._reply(StepKind.CARD_STALE, place=ref.channel, text=problem[:ANSWER_KEPT])
            case _:
                self._log.warning("%s: %s was given up: %s", self._inputs.instance_id, item.kind, problem)

    def _look_again(self, item: FulfilmentItem) -> None:
        """Has all but one copy removed of what more than one try may have posted."""
        cards = self._inputs.given.cards
        match item:
            case PostReply(steps=steps) if cards:
                self._remove_copies(cards[0].channel, ref=cards[0], steps=[step.number for step in steps])
            case SendMessage(user=user, message_id=message_id):
                self._remove_copies(user, message_id=message_id)
            case RunEntryAction(step=step, index=index):
                action = self._inputs.action(step, index)
                if action is not None and action.notify is not None:
                    self._remove_copies(action.notify, message_id=activity_inputs.message_id_of(item))
            case _:
                pass

    def _remove_copies(
        self,
        place: str,
        *,
        ref: CardRef | None = None,
        steps: list[int] | None = None,
        message_id: str | None = None,
    ) -> None:
        item = RemoveCopies(
            place=place, ref=ref, steps=steps or [], message_id=message_id, give_up=MESSAGES_RETRIED_FOR
        )
        self.outbox.put(f"copies:{message_id or steps}:{place}", item, after=COPIES_AFTER)


def _brought_by(step: FulfilmentStep) -> str | None:
    """The event that led to the step, or else its cause."""
    return step.event or (None if step.cause is StepCause.EVENT else step.cause.value)
