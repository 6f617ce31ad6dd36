"""What a request makes visible: its cards, the thread under them, messages to people, the outcome's actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval import projection
from orchestration.approval.activity_inputs import ActivityInputs
from orchestration.approval.outbox_items import (
    AnyOutboxItem,
    EditCard,
    NotifyInstance,
    PostCard,
    PostReply,
    RunAction,
    SendCallback,
    SendMessage,
    SignReceipt,
)
from orchestration.approval.record import Record
from orchestration.domain.cards import Card, Notice, Step, StepKind, Waiting
from orchestration.domain.commands import Reason
from orchestration.domain.effects import Delivery, PostCardInput
from orchestration.domain.request import ActionState, CardRef
from orchestration.durable.outbox import Outbox

MESSAGES_RETRIED_FOR: Final = timedelta(days=1)
CALLBACKS_RETRIED_FOR: Final = timedelta(days=3)
# Nothing goes out before it is on record. A full disk is freed by somebody, and then everything goes on.
RECEIPT_RETRIED_FOR: Final = timedelta(days=366)


class Effects:
    """Puts items into its outbox. What an item sends is made when its try starts, from what is true then.

    `posted(ref)` is told when a round's card is there to be looked at; `lost(round, problem)` when it cannot be
    posted, and returns whether that is dealt with.
    """

    def __init__(
        self,
        ctx: OrchestrationContext,
        record: Record,
        now: Callable[[], datetime],
        *,
        posted: Callable[[CardRef], None] = lambda _: None,
        lost: Callable[[int, str], bool] = lambda _round, _problem: False,
    ) -> None:
        self._ctx = ctx
        self._record = record
        self._now = now
        self._when_posted = posted
        self._lost = lost
        self._inputs = ActivityInputs(record)
        self._shown: dict[int, Card] = {}
        self.outbox: Outbox[AnyOutboxItem, Delivery] = Outbox(ctx, now, record.state.lanes, self, Delivery)

    # ---- cards -------------------------------------------------------------------------------------------

    def post_card(self, channel: str, notify: list[str]) -> None:
        """Posts the newest round's card."""
        state = self._record.state
        # While nobody can see the card nobody can decide, so there is no use in trying past the deadline.
        give_up = state.deadline - self._now() if state.deadline else self._record.policy.edits_retried_for
        self.outbox.put(
            f"card:{state.round}",
            PostCard(round=state.round, channel=channel, notify=notify, give_up=give_up),
        )

    def refresh_cards(self) -> None:
        """Has every posted copy edited to what is true now."""
        for ref in self._record.state.cards:
            self._refresh(ref)

    def _refresh(self, ref: CardRef) -> None:
        self.outbox.put(f"card:{ref.round}", EditCard(ref=ref, give_up=self._record.policy.edits_retried_for))

    def _posted(self, round_: int, ref: CardRef, *, may_be_old: bool) -> None:
        state = self._record.state
        state.cards = [*state.cards, ref]
        held, state.held_replies = state.held_replies, []
        for step in held:
            self._put_reply(step)
        messages, state.held_messages = state.held_messages, []
        for message in messages:
            self._put_message(message)
        self._when_posted(ref)
        # The copy of an earlier try says what was true at that time.
        if may_be_old or projection.card(self._record, round_) != self._shown.get(round_):
            self._refresh(ref)

    def _stale(self, channel: str, problem: str) -> None:
        """A copy that could not be edited is reported in the thread, and to the owner."""
        step = self.post_reply(StepKind.CARD_STALE, place=channel, text=problem)
        self.tell_owner(Notice.CARD_STALE, step)

    def _not_posted(self, channel: str, problem: str) -> None:
        """A copy that is not there at all is reported likewise: whoever was to see it knows of nothing."""
        step = self.post_reply(StepKind.CARD_NOT_POSTED, place=channel, text=problem)
        self.tell_owner(Notice.CARD_NOT_POSTED, step)

    # ---- the thread, and messages ------------------------------------------------------------------------

    def post_reply(self, kind: StepKind, **what: object) -> Step:
        """Adds a line to the thread under the first card. Lines from before that card wait for it."""
        step = self._record.step(kind, self._now(), **what)
        if self._record.state.cards:
            self._put_reply(step)
        else:
            self._record.state.held_replies.append(step)
        return step

    def _put_reply(self, step: Step) -> None:
        self.outbox.put("post_reply", PostReply(step=step, give_up=MESSAGES_RETRIED_FOR))

    def send_message(self, user: str, notice: Notice, step: Step | None = None) -> None:
        """A direct message to one person, about the request."""
        self._put_message(self._message(user, notice, step))

    def send_digest(self, user: str, waiting: list[Waiting], more: int) -> None:
        """A direct message to one person, about all that waits for them: the most urgent, and how many more."""
        message = self._message(user, Notice.DIGEST)
        self._put_message(message.model_copy(update={"waiting": waiting, "more": more}))

    def ask(self, user: str, step: Step | None = None) -> None:
        """Tells a person that they are to decide now, once there is a card where they can."""
        message = self._message(user, Notice.ASKED, step)
        if self._record.on_show():
            self._put_message(message)
        else:
            self._record.state.held_messages.append(message)

    def _message(self, user: str, notice: Notice, step: Step | None = None) -> SendMessage:
        return SendMessage(user=user, notice=notice, step=step, give_up=MESSAGES_RETRIED_FOR)

    def _put_message(self, message: SendMessage) -> None:
        self.outbox.put(f"send_message:{message.user}", message)

    def refuse_confirmed(self, person: str, reason: Reason) -> None:
        """Tells a person that what they confirmed by the right code does not count, and why."""
        step = self.post_reply(StepKind.REFUSED, actor=person, text=reason)
        self.send_message(person, Notice.REFUSED, step)

    def tell_requester(self, notice: Notice, step: Step | None = None) -> None:
        """A message to the requester."""
        self.send_message(self._record.request.requester, notice, step)

    def tell_owner(self, notice: Notice, step: Step) -> None:
        """The policy's owner hears of what keeps failing; without an owner, the requester does."""
        self.send_message(self._record.policy.owner or self._record.request.requester, notice, step)

    # ---- the outcome goes out ----------------------------------------------------------------------------

    def send_outcome(self) -> None:
        """Has the outcome signed, and then sent to whoever is to hear of it: they all get it with its receipt."""
        if self._record.state.receipt_pending:
            self.outbox.put("sign_receipt", SignReceipt(give_up=RECEIPT_RETRIED_FOR))
        elif self._record.state.receipt:
            self._goes_out()

    def _signed(self, receipt: str) -> None:
        self._record.state.receipt_pending, self._record.state.receipt = False, receipt
        self._goes_out()

    def _unsigned(self, problem: str) -> None:
        """Without a receipt nothing goes out: no action, no callback, no event. The owner hears of it."""
        self._record.state.receipt_pending = False
        self.tell_owner(Notice.UNSIGNED, self.post_reply(StepKind.UNSIGNED, text=problem[:300]))

    def _goes_out(self) -> None:
        request = self._record.request
        self.run_actions()
        if request.callback_url:
            self.outbox.put("send_callback", SendCallback(give_up=CALLBACKS_RETRIED_FOR))
        if request.notify_instance:
            self.outbox.put("notify_instance", NotifyInstance(give_up=CALLBACKS_RETRIED_FOR))

    # ---- the outcome's actions ---------------------------------------------------------------------------

    def run_actions(self) -> None:
        """What the policy says an outcome does, but for what was done already; each result goes on the card."""
        state = self._record.state
        actions = projection.actions(self._record)
        if len(state.actions) != len(actions):
            state.actions = [ActionState(label=action.label) for action in actions]
        for index, known in enumerate(state.actions):
            if known.status != "done":
                self._run(index)

    def any_failed(self) -> bool:
        """Whether something that the outcome was to do was given up, and waits for somebody to have it tried again."""
        state = self._record.state
        return state.callback_failed or any(action.status == "failed" for action in state.actions)

    def retry_failed(self) -> bool:
        """Does again what failed; False when nothing did."""
        if not self.any_failed():
            return False
        state = self._record.state
        failed = [index for index, action in enumerate(state.actions) if action.status == "failed"]
        for index in failed:
            state.actions[index] = state.actions[index].model_copy(update={"status": "pending"})
            self._run(index)
        if state.callback_failed:
            state.callback_failed = False
            self.outbox.put("send_callback", SendCallback(give_up=CALLBACKS_RETRIED_FOR, again=True))
        return True

    def _run(self, index: int) -> None:
        self.outbox.put(
            f"run_action:{index}", RunAction(index=index, give_up=self._record.policy.actions_retried_for)
        )

    def _acted(self, index: int, status: str, answer: str) -> None:
        state, label = self._record.state, projection.actions(self._record)[index].label
        state.actions[index] = ActionState(label=label, status=status, answer=answer[:300])
        kind = StepKind.ACTION_DONE if status == "done" else StepKind.ACTION_FAILED
        step = self.post_reply(kind, to=label, text=answer[:300])
        self.refresh_cards()
        if status == "failed":
            self._ask_to_retry(step)

    def _callback_given_up(self, problem: str) -> None:
        """A program waits for what it never got."""
        self._record.state.callback_failed = True
        url = self._record.request.callback_url
        self._ask_to_retry(self.post_reply(StepKind.ACTION_FAILED, to=url, text=problem[:300]))

    def _ask_to_retry(self, step: Step) -> None:
        """The owner is told what failed, and can have it tried again for some time."""
        self._record.state.retry_until = self._now() + self._record.policy.actions_retried_for
        self.tell_owner(Notice.ACTION_FAILED, step)

    def _notification_refused(self, problem: str) -> None:
        """Reported in the thread and to the owner, who cannot have it tried again: that would not help."""
        target = self._record.request.notify_instance
        place = f"orchestration {target.id}" if target else "an orchestration"
        step = self.post_reply(StepKind.ACTION_FAILED, to=place, text=problem[:300])
        self.tell_owner(Notice.NOTIFICATION_REFUSED, step)

    # ---- running an item: the outbox asks --------------------------------------------------------------

    def build(self, item: AnyOutboxItem, attempt: int) -> tuple[str, BaseModel]:
        """The activity and its input, from what is true now."""
        name, given = self._inputs.build(item, attempt)
        if isinstance(given, PostCardInput):
            self._shown[given.card.round] = given.card
        return name, given

    def done(self, item: AnyOutboxItem, attempt: int, delivery: Delivery) -> None:
        """It was done."""
        match item:
            case PostCard(round=round_):
                if delivery.card is None:
                    raise AssertionError("a card that was posted has a place")
                self._posted(round_, delivery.card, may_be_old=attempt > 1 or delivery.found)
            case RunAction(index=index):
                self._acted(index, "done", delivery.answer)
            case SignReceipt():
                self._signed(delivery.answer)
            case SendCallback(again=True):
                self.post_reply(StepKind.ACTION_DONE, to=self._record.request.callback_url)
            case _:
                pass

    def failed(self, item: AnyOutboxItem, problem: str) -> None:
        """It will not be done."""
        match item:
            case PostCard(round=round_, channel=channel):
                if not self._lost(round_, problem):
                    self._not_posted(channel, problem)
            case EditCard(ref=ref):
                self._stale(ref.channel, problem)
            case RunAction(index=index):
                self._acted(index, "failed", problem)
            case SignReceipt():
                self._unsigned(problem)
            case SendCallback():
                self._callback_given_up(problem)
            case NotifyInstance():
                self._notification_refused(problem)
            case _:
                pass
