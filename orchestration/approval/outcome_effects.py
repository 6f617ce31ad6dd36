"""The effects of an outcome: it is signed, then its actions run and everybody who waits for it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from orchestration.approval import projection
from orchestration.approval.outbox_items import (
    AnyOutboxItem,
    NotifyInstance,
    RunAction,
    SendCallback,
    SendResponse,
    SignReceipt,
    StartGrant,
    TellUse,
)
from orchestration.approval.posts import Posts
from orchestration.approval.record import Record
from orchestration.domain.cards import Notice, Step, StepKind
from orchestration.domain.effects import Delivery
from orchestration.domain.gathering import AnyRequest
from orchestration.domain.request import ActionState
from orchestration.durable.outbox import Outbox

CALLBACKS_RETRIED_FOR: Final = timedelta(days=3)
# Nothing is sent before the outcome is on record. If the disk is full, it waits until somebody frees space.
RECEIPT_RETRIED_FOR: Final = timedelta(days=366)


def programs_told(request: AnyRequest) -> Iterator[tuple[str, SendCallback | NotifyInstance | SendResponse]]:
    """The lane and the item for each program that a request names, to be sent once its outcome is on record."""
    if request.callback_url:
        yield "send_callback", SendCallback(give_up=CALLBACKS_RETRIED_FOR)
    if request.notify_instance:
        yield "notify_instance", NotifyInstance(give_up=CALLBACKS_RETRIED_FOR)
    if request.respond:
        yield "send_response", SendResponse(give_up=CALLBACKS_RETRIED_FOR)


class OutcomeEffects:
    """Puts the effects of one request's outcome into the outbox."""

    def __init__(
        self,
        record: Record,
        outbox: Outbox[AnyOutboxItem, Delivery],
        posts: Posts,
        now: Callable[[], datetime],
    ) -> None:
        self._record = record
        self._outbox = outbox
        self._posts = posts
        self._now = now

    def send_outcome(self) -> None:
        """Signs the outcome through the outbox; it is then sent to all receivers with its receipt."""
        if self._record.state.receipt_pending:
            self._outbox.put("sign_receipt", SignReceipt(give_up=RECEIPT_RETRIED_FOR))
        elif self._record.state.receipt:
            self._goes_out()

    def signed(self, receipt: str) -> None:
        """Handles the receipt of the outcome."""
        self._record.state.receipt_pending, self._record.state.receipt = False, receipt
        self._goes_out()

    def unsigned(self, problem: str) -> None:
        """Sends nothing, because there is no receipt: no action, no callback, no event. Tells the owner."""
        self._record.state.receipt_pending = False
        self._posts.tell_owner(Notice.UNSIGNED, self._posts.post_reply(StepKind.UNSIGNED, text=problem[:300]))

    def _goes_out(self) -> None:
        self.run_actions()
        if self._record.policy.fulfilment is not None and self._record.state.status.is_yes:
            self._posts.hand_over()
        if self._record.grants:
            self._outbox.put("grant", StartGrant(give_up=CALLBACKS_RETRIED_FOR))
        if self._record.state.grant is not None:
            self._outbox.put("grant", TellUse(give_up=CALLBACKS_RETRIED_FOR))
        for lane, item in programs_told(self._record.request):
            self._outbox.put(lane, item)

    def run_actions(self) -> None:
        """Runs the policy's actions for the outcome, except those already done. Each result goes on the card."""
        state = self._record.state
        actions = projection.actions(self._record)
        if len(state.actions) != len(actions):
            state.actions = [ActionState(label=action.label) for action in actions]
        for index, known in enumerate(state.actions):
            if known.status != "done":
                self._run(index)

    def any_failed(self) -> bool:
        """Whether an effect of the outcome was given up and can still be retried."""
        state = self._record.state
        given_up = state.callback_failed or state.response_failed
        return given_up or any(action.status == "failed" for action in state.actions)

    def retry_failed(self) -> bool:
        """Tries again what failed; False if nothing did."""
        if not self.any_failed():
            return False
        state = self._record.state
        failed = [index for index, action in enumerate(state.actions) if action.status == "failed"]
        for index in failed:
            state.actions[index] = state.actions[index].model_copy(update={"status": "pending"})
            self._run(index)
        if state.callback_failed:
            state.callback_failed = False
            self._outbox.put("send_callback", SendCallback(give_up=CALLBACKS_RETRIED_FOR, again=True))
        if state.response_failed:
            state.response_failed = False
            self._outbox.put("send_response", SendResponse(give_up=CALLBACKS_RETRIED_FOR, again=True))
        return True

    def _run(self, index: int) -> None:
        self._outbox.put(
            f"run_action:{index}", RunAction(index=index, give_up=self._record.policy.actions_retried_for)
        )

    def acted(self, index: int, status: str, answer: str) -> None:
        """Handles an action that is done, or has failed for now."""
        state, label = self._record.state, projection.actions(self._record)[index].label
        state.actions[index] = ActionState(label=label, status=status, answer=answer[:300])
        kind = StepKind.ACTION_DONE if status == "done" else StepKind.ACTION_FAILED
        step = self._posts.post_reply(kind, to=label, text=answer[:300])
        self._posts.refresh_cards()
        if status == "failed":
            self._ask_to_retry(step)

    def callback_given_up(self, problem: str) -> None:
        """Reports that a program never got its callback."""
        self._record.state.callback_failed = True
        url = self._record.request.callback_url
        self._ask_to_retry(self._posts.post_reply(StepKind.ACTION_FAILED, to=url, text=problem[:300]))

    def response_given_up(self, problem: str) -> None:
        """Reports that another party's orchestration never got its response.

        An instance that is gone never comes back.
        """
        target = self._record.request.respond
        if target is not None and target.url is None:
            step = self._post_failure(target.instance_id, problem)
            self._posts.tell_owner(Notice.NOTIFICATION_REFUSED, step)
            return
        self._record.state.response_failed = True
        self._ask_to_retry(
            self._posts.post_reply(
                StepKind.ACTION_FAILED, to=self._record.request.responds_to, text=problem[:300]
            )
        )

    def response_sent_again(self) -> None:
        """Reports that a response that had been given up was delivered after all."""
        self._posts.post_reply(StepKind.ACTION_DONE, to=self._record.request.responds_to)

    def _ask_to_retry(self, step: Step) -> None:
        """Tells the owner what failed. The owner can retry it for some time."""
        self._record.state.retry_until = self._now() + self._record.policy.actions_retried_for
        self._posts.tell_owner(Notice.ACTION_FAILED, step)

    def notification_refused(self, problem: str) -> None:
        """Reports in the thread and to the owner that the event was refused.

        The owner cannot retry it: that would not help.
        """
        target = self._record.request.notify_instance
        step = self._post_failure(target.id if target else None, problem)
        self._posts.tell_owner(Notice.NOTIFICATION_REFUSED, step)

    def hand_over_refused(self, problem: str) -> None:
        """Tells the requester and the owner that the fulfilment of what was approved could not start."""
        step = self._posts.post_reply(
            StepKind.ACTION_FAILED, to="what follows the approval", text=problem[:300]
        )
        for person in self._posts.concerned():
            self._posts.send_message(person, Notice.NOTIFICATION_REFUSED, step)

    def grant_refused(self, problem: str) -> None:
        """Tells the person who gave the grant and the owner that the grant did not start."""
        step = self._posts.post_reply(StepKind.ACTION_FAILED, to="the standing grant", text=problem[:300])
        giver = self._record.state.ended_by
        for person in dict.fromkeys([*([giver] if giver else []), *self._posts.concerned()]):
            self._posts.send_message(person, Notice.NOTIFICATION_REFUSED, step)

    def _post_failure(self, instance_id: str | None, problem: str) -> Step:
        place = f"orchestration {instance_id}" if instance_id else "an orchestration"
        return self._posts.post_reply(StepKind.ACTION_FAILED, to=place, text=problem[:300])
