"""What people see of a request: its cards, the thread under the first one, and messages to people.

Before anything is posted again, an earlier post is looked for. That post may still be on its way then, so its copies
are looked for once more later, and all but one are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from orchestration.approval import asking, projection
from orchestration.approval.outbox_items import (
    AddToDigest,
    AnyOutboxItem,
    EditCard,
    EditMessage,
    HandOver,
    PostCard,
    PostPreview,
    PostReply,
    RemoveCopies,
    RunAction,
    SendMessage,
)
from orchestration.approval.record import Record
from orchestration.domain.cards import Notice, Step, StepKind, Waiting
from orchestration.domain.commands import AskMessage, Reason
from orchestration.domain.documents import has_preview, reviewed
from orchestration.domain.effects import Delivery
from orchestration.domain.request import CardRef
from orchestration.domain.rounds import Members
from orchestration.durable.outbox import Outbox
from orchestration.durable.post_try import COPIES_AFTER

MESSAGES_RETRIED_FOR: Final = timedelta(days=1)
# What was approved must still be done after a hub was away.
HAND_OVER_RETRIED_FOR: Final = timedelta(days=366)


class Posts:
    """Puts into the outbox what people see of one request.

    `posted(ref)` is called when a round's card is posted; `lost(card, problem)` when it cannot be posted, and returns
    whether it has handled that. With `maybe_done`, another orchestration may already have posted how the request ended.
    """

    def __init__(
        self,
        record: Record,
        outbox: Outbox[AnyOutboxItem, Delivery],
        now: Callable[[], datetime],
        *,
        posted: Callable[[CardRef], None],
        lost: Callable[[PostCard, str], bool],
        maybe_done: bool,
    ) -> None:
        self._record = record
        self._outbox = outbox
        self._now = now
        self._when_posted = posted
        self._lost = lost
        self._maybe_done = maybe_done

    # ---- cards -------------------------------------------------------------------------------------------

    def post_card(self, channel: str, notify: list[str]) -> None:
        """Posts the newest round's card.

        It is still tried after the deadline, as an edit is: an earlier try may have posted it without our knowing.
        """
        state = self._record.state
        give_up = self._record.policy.edits_retried_for
        if state.deadline is not None:
            give_up += max(state.deadline - self._now(), timedelta(0))
        self._outbox.put(
            f"card:{state.round}",
            PostCard(
                round=state.round,
                channel=channel,
                notify=notify,
                list_id=state.list_id if state.round == 1 else "",
                give_up=give_up,
            ),
        )

    def announce(self) -> None:
        """Tells the channel what a rule approved: by its own card, or in the hourly digest."""
        if self._record.in_digest():
            self._outbox.put("add_to_digest", AddToDigest(give_up=self._record.policy.edits_retried_for))
        else:
            self.post_card(self._record.policy.channel, [])

    def refresh_cards(self) -> None:
        """Edits every posted copy to what is true now, the newest first: people press that one.

        Also edits each direct message on which somebody can decide, if what it shows has changed.
        """
        self.refresh_messages()
        if self._record.state.handed_over:
            self.hand_over()
            return
        for ref in reversed(self._record.state.cards):
            self._refresh(ref)

    def hand_over(self) -> None:
        """Hands the cards to the fulfilment, which alone edits them from now on. Tells it the present cards."""
        self._record.state.handed_over += 1
        self.withdraw_edits()
        self._outbox.put("hand_over", HandOver(give_up=HAND_OVER_RETRIED_FOR))

    def withdraw_edits(self) -> None:
        """Withdraws all edits of cards: they would show less than the cards do by now."""
        self._outbox.withdraw(lambda item: isinstance(item, EditCard))

    def look_for_cards(self) -> None:
        """Looks now for each card that may have been posted, because something depends on it."""
        for round_ in range(1, self._record.state.round + 1):
            self._outbox.look_now(f"card:{round_}")

    def remove_copies_of_cards(self) -> None:
        """Looks for copies of each posted card, and deletes all but one."""
        for ref in self._record.state.cards:
            self._remove_copies(f"card:{ref.round}", ref.channel, ref=ref, round=ref.round)

    def _refresh(self, ref: CardRef) -> None:
        # The edit that shows how a request ended does not wait behind older edits.
        item = EditCard(ref=ref, give_up=self._record.policy.edits_retried_for)
        self._outbox.put(f"card:{ref.round}", item, hurry=self._record.ended)

    def card_posted(self, ref: CardRef, *, is_true: bool) -> None:
        """Handles a posted card of a round. `is_true`: whether it certainly shows the present state."""
        state = self._record.state
        state.cards = [*state.cards, ref]
        held, state.held_replies = state.held_replies, []
        for step in held:
            self._put_reply(step)
        messages, state.held_messages = state.held_messages, []
        if not self._record.ended:  # otherwise they would tell the end a second time
            for message in messages:
                self._put_message(message)
        if state.cards == [ref]:
            self._put_preview()
        self._when_posted(ref)
        if state.handed_over:
            self.hand_over()
        elif not is_true:
            self._refresh(ref)

    def card_lost(self, item: PostCard, problem: str) -> None:
        """Reports that the card of a round cannot be posted, unless `lost` has handled that."""
        if self._lost(item, problem):
            return
        step = self.post_reply(StepKind.CARD_NOT_POSTED, place=item.channel, round=item.round, text=problem)
        self.tell_owner(Notice.CARD_NOT_POSTED, step)

    def card_late(self, item: PostCard, problem: str) -> None:
        """Tells the requester and the policy's owner why the card of a round is late, and what would help."""
        step = self._record.step(
            StepKind.CARD_LATE, self._now(), place=item.channel, round=item.round, text=problem
        )
        for person in self.concerned():
            self.send_message(person, Notice.CARD_LATE, step)

    def card_stale(self, ref: CardRef, problem: str) -> None:
        """Reports in the thread and to the owner that a copy could not be edited."""
        step = self.post_reply(StepKind.CARD_STALE, place=ref.channel, text=problem)
        self.tell_owner(Notice.CARD_STALE, step)

    # ---- the thread, and messages ------------------------------------------------------------------------

    def post_reply(self, kind: StepKind, **what: object) -> Step:
        """Adds a line to the thread under the first card. Until that card is posted, lines are held."""
        step = self._record.step(kind, self._now(), **what)
        if self._record.state.cards:
            self._put_reply(step)
        else:
            self._record.state.held_replies.append(step)
        return step

    def _put_reply(self, step: Step) -> None:
        item = PostReply(steps=[step], give_up=MESSAGES_RETRIED_FOR, maybe_done=self._ended_by_another(step))
        self._outbox.put("post_reply", item)

    def _put_preview(self) -> None:
        """Posts the document of a review, if it can be shown and somebody still has to decide."""
        documents = self._record.policy.documents
        if documents and not self._record.ended and has_preview(documents, reviewed(self._record.request)):
            self._outbox.put("post_preview", PostPreview(give_up=MESSAGES_RETRIED_FOR))

    def preview_failed(self, problem: str) -> None:
        """Tells those who decide that there is no preview, and why. The card says where the document is."""
        if not self._record.ended:
            self.post_reply(StepKind.PREVIEW_FAILED, text=problem)

    def send_message(self, user: str, notice: Notice, step: Step | None = None) -> None:
        """Sends a direct message about the request to one person."""
        self._put_message(self._message(user, notice, step))

    def send_digest(self, user: str, waiting: list[Waiting], more: int) -> None:
        """Sends one person a digest of all that waits for them: the most urgent, and how many more."""
        message = self._message(user, Notice.DIGEST)
        self._put_message(message.model_copy(update={"waiting": waiting, "more": more}))

    def remind(self, user: str) -> None:
        """Reminds a person of the newest round, by a message on which they can decide."""
        self._put_message(self._message(user, Notice.REMINDER, round_=self._record.state.round))

    def ask(self, user: str, step: Step | None = None, *, round_: int | None = None) -> None:
        """Tells a person that they are to decide, once there is a card. They can also decide by this message.

        `round_` is the round to decide; by default the newest.
        """
        self._put_once_shown(
            self._message(user, Notice.ASKED, step, round_=round_ or self._record.state.round)
        )

    def ask_without_card(self, people: Collection[str], round_: int) -> None:
        """Asks these people to decide although there is no card. Drops the messages that were held for a card."""
        self._record.state.held_messages = []
        for person in people:
            self._put_message(self._message(person, Notice.ASKED, round_=round_))

    def message_posted(self, item: SendMessage, ref: CardRef, *, shown: str) -> None:
        """Handles a posted message on which its person can decide, made from `shown`. It replaces earlier ones.

        If there is no room for another such message by now, it loses its buttons instead.
        """
        message = AskMessage(
            ref=ref,
            message_id=item.message_id,
            user=item.user,
            reminds=item.notice is Notice.REMINDER,
            seat=item.seat,
            shown=shown,
        )
        state = self._record.state
        if len(state.messages) >= asking.DECIDABLE:
            self._edit_message(message)
            return
        state.messages = [*state.messages, message]
        self.refresh_messages()

    def refresh_messages(self) -> None:
        """Edits those direct messages whose content has changed."""
        state = self._record.state
        kept: list[AskMessage] = []
        for message in state.messages:
            now = asking.drawn_from(self._record, message)
            kept.append(message.model_copy(update={"shown": now}))
            if now != message.shown:
                self._edit_message(kept[-1])
        state.messages = kept

    def _edit_message(self, message: AskMessage) -> None:
        item = EditMessage(message=message, give_up=self._record.policy.edits_retried_for)
        self._outbox.put(_edits_of(message), item, hurry=self._record.ended)

    def message_edited(self, message: AskMessage, *, drawn: str) -> None:
        """Handles an edited message, which now shows what it was `drawn` from.

        Stops tracking it if it will never change again.
        """
        state = self._record.state
        known = next((one for one in state.messages if one.message_id == message.message_id), None)
        lane = state.lanes.get(_edits_of(message))
        if known is None or (lane is not None and lane.queue):  # a later edit still waits
            return
        if drawn != asking.drawn_from(self._record, known):
            shown = known.model_copy(update={"shown": drawn})
            state.messages = [shown if one is known else one for one in state.messages]
            self.refresh_messages()
        elif asking.is_over(self._record, known):
            state.messages = [one for one in state.messages if one is not known]

    def message_stale(self, message: AskMessage, problem: str) -> None:
        """Reports in the thread and to the owner that a direct message could not be edited."""
        step = self.post_reply(StepKind.CARD_STALE, place=message.user, text=problem)
        self.tell_owner(Notice.CARD_STALE, step)

    def look_for_seats(self, members: Members) -> None:
        """Updates the messages of people who have no seat any more, given the present `members` of the groups."""
        state = self._record.state
        found = [asking.with_seat_of(self._record, message, members) for message in state.messages]
        if found != state.messages:
            state.messages = found
            self.refresh_messages()

    def tell_requester_once_shown(self, notice: Notice, step: Step) -> None:
        """Sends the requester a message that is true only once there is a card."""
        self._put_once_shown(self._message(self._record.request.requester, notice, step))

    def _put_once_shown(self, message: SendMessage) -> None:
        if self._record.on_show():
            self._put_message(message)
        else:
            self._record.state.held_messages.append(message)

    def _message(
        self, user: str, notice: Notice, step: Step | None = None, *, round_: int | None = None
    ) -> SendMessage:
        by_another = step is not None and self._ended_by_another(step)
        ended = step is not None and step.kind is StepKind.ENDED
        seat = asking.seat_of(self._record, user, round_) if round_ is not None else ""
        return SendMessage(
            message_id="ended" if ended else str(self._record.next_number()),
            user=user,
            notice=notice,
            step=step,
            round=round_,
            seat=seat,
            give_up=MESSAGES_RETRIED_FOR,
            maybe_done=by_another,
        )

    def _ended_by_another(self, step: Step) -> bool:
        return self._maybe_done and step.kind is StepKind.ENDED

    def _put_message(self, message: SendMessage) -> None:
        self._outbox.put(f"send_message:{message.user}", message)

    def refuse_confirmed(self, person: str, reason: Reason) -> None:
        """Tells a person that what they confirmed by the right code does not count, and why."""
        step = self.post_reply(StepKind.REFUSED, actor=person, text=reason)
        self.send_message(person, Notice.REFUSED, step)

    def tell_requester(self, notice: Notice, step: Step | None = None) -> None:
        """Sends the requester a message."""
        self.send_message(self._record.request.requester, notice, step)

    def tell_owner(self, notice: Notice, step: Step) -> None:
        """Tells the policy's owner what keeps failing; without an owner, the requester."""
        self.send_message(self._record.policy.owner or self._record.request.requester, notice, step)

    def concerned(self) -> list[str]:
        """The requester, and the policy's owner if there is one."""
        owner = self._record.policy.owner
        return list(dict.fromkeys([self._record.request.requester, *([owner] if owner else [])]))

    # ---- what may stand twice ----------------------------------------------------------------------------

    def look_again(self, item: AnyOutboxItem, delivery: Delivery) -> None:
        """Looks for posts that more than one try may have made, and deletes all copies but one."""
        cards = self._record.state.cards
        match item:
            case PostCard(round=round_) if ref := delivery.card:
                self._remove_copies(f"card:{round_}", ref.channel, ref=ref, round=round_, after=COPIES_AFTER)
            case PostReply(steps=steps):
                self._remove_copies(
                    f"step:{steps[0].number}",
                    cards[0].channel,
                    ref=cards[0],
                    steps=[step.number for step in steps],
                    after=COPIES_AFTER,
                )
            case SendMessage(user=user, message_id=message_id):
                self._remove_copies(
                    f"message:{message_id}",
                    user,
                    ref=delivery.card,
                    message_id=message_id,
                    after=COPIES_AFTER,
                )
            case RunAction(index=index) if to := projection.actions(self._record)[index].notify:
                self._remove_copies(
                    f"message:action:{index}", to, message_id=f"action:{index}", after=COPIES_AFTER
                )
            case _:
                pass

    def _remove_copies(
        self,
        what: str,
        place: str,
        *,
        ref: CardRef | None = None,
        round: int | None = None,
        steps: Sequence[int] = (),
        message_id: str | None = None,
        after: timedelta | None = None,
    ) -> None:
        give_up = self._record.policy.edits_retried_for if round else MESSAGES_RETRIED_FOR
        item = RemoveCopies(
            place=place, ref=ref, round=round, steps=list(steps), message_id=message_id, give_up=give_up
        )
        self._outbox.put(f"copies:{what}", item, after=after)


def _edits_of(message: AskMessage) -> str:
    """The lane of the outbox that has only the edits of this message."""
    return f"edit_message:{message.message_id}"
