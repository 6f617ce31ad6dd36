"""The effects of a request: puts items into its outbox, and handles items that are done, late or given up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval import asking, projection
from orchestration.approval.activity_inputs import ActivityInputs
from orchestration.approval.outbox_items import (
    AddToDigest,
    AnyOutboxItem,
    EditCard,
    EditMessage,
    HandOver,
    NotifyInstance,
    PostCard,
    PostPreview,
    RunAction,
    SendCallback,
    SendMessage,
    SendResponse,
    SignReceipt,
    StartGrant,
)
from orchestration.approval.outcome_effects import OutcomeEffects
from orchestration.approval.posts import Posts
from orchestration.approval.record import Record
from orchestration.domain.cards import Card, StepKind
from orchestration.domain.effects import Delivery, PostCardInput, SendMessageInput
from orchestration.domain.request import CardRef
from orchestration.durable.outbox import Outbox

log = logging.getLogger(__name__)


class Effects(Posts):
    """The posts of a request, and in `outcome` the effects of its outcome.

    The input of an item is made when its try starts. See `Posts` for who is told what.
    """

    def __init__(
        self,
        ctx: OrchestrationContext,
        record: Record,
        now: Callable[[], datetime],
        *,
        posted: Callable[[CardRef], None] = lambda _: None,
        lost: Callable[[PostCard, str], bool] = lambda _card, _problem: False,
        maybe_done: bool = False,
    ) -> None:
        self._log = ctx.create_replay_safe_logger(log)
        self._inputs = ActivityInputs(record)
        self._shown: dict[int, Card] = {}
        self._drawn_from: dict[str, str] = {}
        self.outbox: Outbox[AnyOutboxItem, Delivery] = Outbox(ctx, now, record.state.lanes, self, Delivery)
        super().__init__(record, self.outbox, now, posted=posted, lost=lost, maybe_done=maybe_done)
        self.outcome = OutcomeEffects(record, self.outbox, self, now)

    # ---- running an item: the outbox asks ----------------------------------------------------------------

    def build(self, item: AnyOutboxItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity and its input, from the present state."""
        name, given = self._inputs.build(item, attempt, maybe_done=maybe_done)
        if isinstance(given, PostCardInput):
            self._shown[given.card.round] = given.card
        elif isinstance(item, SendMessage) and isinstance(given, SendMessageInput):
            with_state = given.asking is not None
            self._drawn_from[item.message_id] = asking.drawn_from(self._record, item) if with_state else ""
        elif isinstance(item, EditMessage):
            self._drawn_from[item.message.message_id] = asking.drawn_from(self._record, item.message)
        return name, given

    def done(  # noqa: C901 - one arm for each kind of item
        self, item: AnyOutboxItem, delivery: Delivery
    ) -> None:
        """Handles an item that is done. A second copy that another try may have made is looked for later."""
        match item:
            case PostCard(round=round_):
                if delivery.card is None:
                    raise AssertionError("a card that was posted has a place")
                # A copy from another try shows an older state.
                shown = self._shown.get(round_)
                is_true = not delivery.unsure and projection.card(self._record, round_) == shown
                self.card_posted(delivery.card, is_true=is_true)
            case SendMessage(message_id=message_id) if delivery.card is not None and item.round is not None:
                # Another try may have posted it from an older state, and with buttons.
                drawn = "" if delivery.unsure else self._drawn_from.get(message_id, "")
                if drawn or delivery.unsure:
                    self.message_posted(item, delivery.card, shown=drawn)
            case EditMessage(message=message):
                self.message_edited(message, drawn=self._drawn_from.get(message.message_id, ""))
            case RunAction(index=index):
                self.outcome.acted(index, "done", delivery.answer)
            case SignReceipt():
                self.outcome.signed(delivery.answer)
            case SendCallback(again=True):
                self.post_reply(StepKind.ACTION_DONE, to=self._record.request.callback_url)
            case SendResponse(again=True):
                self.outcome.response_sent_again()
            case HandOver():
                self._record.state.fulfilment_begun = True
            case _:
                pass
        if delivery.unsure:
            self.look_again(item, delivery)

    def put_off(self, item: AnyOutboxItem, attempt: int, problem: str, pause: timedelta) -> None:
        """Handles an item that will be tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._record.request_id,
            item.kind,
            attempt,
            problem,
            pause.total_seconds(),
        )
        if isinstance(item, EditCard) and self._record.state.handed_over:
            self.withdraw_edits()

    def late(self, item: AnyOutboxItem, problem: str) -> None:
        """Handles an item that has failed for a minute.

        Only a missing card matters: without it nobody sees that they are asked.
        """
        if isinstance(item, PostCard) and not self._record.ended:
            self.card_late(item, problem)

    def failed(  # noqa: C901, PLR0912 - one arm for each kind of item
        self, item: AnyOutboxItem, problem: str
    ) -> None:
        """Handles an item that was given up."""
        match item:
            case PostCard():
                self.card_lost(item, problem)
            case AddToDigest():
                self.post_card(self._record.policy.channel, [])
            case EditCard(ref=ref):
                self.card_stale(ref, problem)
            case EditMessage(message=message):
                self.message_stale(message, problem)
            case RunAction(index=index):
                self.outcome.acted(index, "failed", problem)
            case PostPreview():
                self.preview_failed(problem)
            case SignReceipt():
                self.outcome.unsigned(problem)
            case SendCallback():
                self.outcome.callback_given_up(problem)
            case NotifyInstance():
                self.outcome.notification_refused(problem)
            case SendResponse():
                self.outcome.response_given_up(problem)
            case HandOver():
                self.outcome.hand_over_refused(problem)
            case StartGrant():
                self.outcome.grant_refused(problem)
            case _:
                self._log.warning("%s: %s was given up: %s", self._record.request_id, item.kind, problem)
