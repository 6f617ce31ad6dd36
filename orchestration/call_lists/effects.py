"""What people see of a list of waiting calls: its card, and a line for each call that is added later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval.outbox_items import PostReply, RemoveCopies
from orchestration.approval.posts import MESSAGES_RETRIED_FOR
from orchestration.call_lists.models import AnyListItem, CallListState, EditCallList, PostCallList
from orchestration.domain.call_lists import (
    CallListEditInput,
    CallListPostInput,
    CallListView,
    ListedCall,
)
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.effects import Delivery, PostReplyInput, RemoveCopiesInput
from orchestration.domain.request import Identity
from orchestration.durable.outbox import Outbox
from orchestration.durable.post_try import COPIES_AFTER

log = logging.getLogger(__name__)

EDITS_RETRIED_FOR: Final = timedelta(days=3)
CARD: Final = "calls"  # the card's name among the messages of the list


class CallListEffects:
    """Posts and edits the card of one list."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        channel: str,
        state: CallListState,
        now: Callable[[], datetime],
    ) -> None:
        self._log = ctx.create_replay_safe_logger(log)
        self._id = ctx.instance_id
        self._channel = channel
        self._state = state
        self._now = now
        self._shown: CallListView | None = None
        self.outbox: Outbox[AnyListItem, Delivery] = Outbox(ctx, now, state.lanes, self, Delivery)

    def post_card(self) -> None:
        """Posts the card, with all calls on the list when the try starts."""
        self.outbox.put("card", PostCallList(give_up=EDITS_RETRIED_FOR))

    def refresh(self) -> None:
        """Edits the card to what is true now."""
        if self._state.card is not None:
            self.outbox.put("card", EditCallList(give_up=EDITS_RETRIED_FOR))

    def tell_joined(self, call: ListedCall) -> None:
        """Tells those who may decide about a call that was added after the card, because an edit notifies nobody."""
        self._state.steps += 1
        step = Step(
            number=self._state.steps,
            kind=StepKind.CALL_JOINED,
            at=self._now(),
            people=call.notify,
            text=call.card.title,
        )
        if self._state.card is None:
            self._state.held_replies.append(step)
        else:
            self._put_reply(step)

    def _put_reply(self, step: Step) -> None:
        self.outbox.put("post_reply", PostReply(steps=[step], give_up=MESSAGES_RETRIED_FOR))

    def _view(self) -> CallListView:
        return CallListView(list_id=self._id, cards=self._state.cards())

    # ---- running an item: the outbox asks ----------------------------------------------------------------

    def build(self, item: AnyListItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity and its input, from the present state."""
        view, ref = self._view(), self._state.card
        if isinstance(item, PostCallList):
            self._shown = view
            return "post_call_list", CallListPostInput(
                channel=self._channel,
                view=view,
                notify=self._state.calls[0].notify,
                attempt=attempt,
                maybe_done=maybe_done,
            )
        if ref is None:
            raise AssertionError("edits and lines wait until the card is posted")
        if isinstance(item, EditCallList):
            return "edit_call_list", CallListEditInput(ref=ref, view=view, attempt=attempt)
        if isinstance(item, PostReply):
            return "post_reply", PostReplyInput(
                ref=ref.model_copy(update={"list_id": ""}),  # the lines belong to the list itself
                request_id=self._id,
                steps=item.steps,
                attempt=attempt,
                maybe_done=maybe_done,
            )
        first = self._state.calls[0].card
        alone = item.round is not None
        return "remove_copies", RemoveCopiesInput(
            request_id=first.request_id if alone else self._id,
            identity=first.identity if alone else Identity(nonce=first.nonce),
            place=item.place,
            ref=item.ref,
            steps=item.steps,
            message_id=item.message_id,
            round=item.round,
            attempt=attempt,
        )

    def done(self, item: AnyListItem, delivery: Delivery) -> None:
        """Handles an item that is done. A second copy that another try may have made is looked for later."""
        match item:
            case PostCallList() if delivery.card is not None:
                self._state.card = delivery.card.model_copy(update={"list_id": self._id})
                held, self._state.held_replies = self._state.held_replies, []
                for step in held:
                    self._put_reply(step)
                if delivery.unsure:
                    self._remove_copies(message_id=CARD)
                    # Another try may have posted the card with a single call on it, in the form of that call's own
                    # card.
                    self._remove_copies(round=self._state.calls[0].card.round)
                if delivery.unsure or self._view() != self._shown:
                    self.refresh()
            case PostReply(steps=steps) if delivery.unsure:
                self._remove_copies(steps=[step.number for step in steps])
            case _:
                pass

    def _remove_copies(
        self, *, steps: list[int] | None = None, message_id: str | None = None, round: int | None = None
    ) -> None:
        card = self._state.card
        if card is None:
            raise AssertionError("what has copies was posted")
        item = RemoveCopies(
            place=card.channel,
            ref=card,
            steps=steps or [],
            message_id=message_id,
            round=round,
            give_up=MESSAGES_RETRIED_FOR,
        )
        self.outbox.put(f"copies:{message_id or steps or 'alone'}", item, after=COPIES_AFTER)

    def put_off(self, item: AnyListItem, attempt: int, problem: str, pause: timedelta) -> None:
        """Handles an item that will be tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._id,
            item.kind,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: AnyListItem, problem: str) -> None:
        """Does nothing: each call on the list reports that it has no card yet."""

    def failed(self, item: AnyListItem, problem: str) -> None:
        """Handles an item that was given up."""
        if isinstance(item, PostCallList):
            self._state.problem = problem or "Slack does not take it."
        self._log.warning("%s: %s was given up: %s", self._id, item.kind, problem)
