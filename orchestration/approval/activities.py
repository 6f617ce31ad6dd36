"""The I/O of the approval workflow. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

import threading
import time
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.call_lists import ListedCall
from orchestration.domain.effects import (
    ActivePeople,
    ActivePeopleInput,
    Delivery,
    EditCardInput,
    EditMessageInput,
    Membership,
    MembersInput,
    PostCardInput,
    PostReplyInput,
    RemoveCopiesInput,
    RunActionInput,
    SendMessageInput,
)
from orchestration.domain.errors import DeliveryError
from orchestration.domain.request import CardRef
from orchestration.durable.delivery import deliver
from orchestration.durable.once import Once
from orchestration.ports import Actions, CallLists, Directory, Intents, Notifier

MEMBERS_CACHED_FOR: Final = 60.0  # seconds; the design allows a membership to be at most a minute old


class ApprovalActivities:
    """The effects of the `approval` orchestration, done through the ports. `intents`: see `Once`."""

    def __init__(
        self,
        notifier: Notifier,
        directory: Directory,
        actions: Actions,
        intents: Intents,
        lists: CallLists | None = None,
    ) -> None:
        """Without `lists`, each request has its own cards."""
        self._notifier = notifier
        self._lists = lists
        self._directory = directory
        self._actions = actions
        self._once = Once(intents)
        self._lock = threading.Lock()
        self._members: dict[str, tuple[float, list[str]]] = {}
        self._active: dict[str, tuple[float, bool]] = {}

    def post_card(self, ctx: ActivityContext, given: PostCardInput) -> Delivery:
        """Posts the card of a round once, however often it is called.

        An earlier post is remembered in this process, or looked for in the chat system.
        """
        card, channel = given.card, given.channel
        if given.list_id and self._lists is not None:
            return self._join_list(self._lists, given)
        attempt = self._once.attempt(ctx, given, f"card {card.nonce} {card.round}")
        found: CardRef | None = None

        def is_there() -> bool:
            nonlocal found
            found = self._notifier.find_card(channel, card)
            return found is not None

        def post() -> Delivery:
            posted = self._notifier.post_card(channel, card, given.notify, lambda: attempt.begin(is_there))
            return Delivery(card=posted or found)

        # By its nonce: a new request under an old ID has its own cards.
        return self._once.run((card.request_id, card.nonce, card.round), attempt, post)

    @staticmethod
    def _join_list(lists: CallLists, given: PostCardInput) -> Delivery:
        """Shows the card as part of its list's card. Idempotent: a card that joins twice is on the list once."""
        call = ListedCall(card=given.card, notify=given.notify)

        def join() -> Delivery:
            ref = lists.join(given.list_id, given.run, given.channel, call)
            return Delivery(card=ref.model_copy(update={"round": given.card.round}))

        return deliver(join)

    def edit_card(self, _: ActivityContext, given: EditCardInput) -> Delivery:
        """Edits a posted copy to what its card says. Idempotent."""

        def edit() -> Delivery:
            lists, name = self._lists, given.ref.list_id
            if not name or lists is None or not lists.change(name, given.card):
                self._notifier.edit_card(given.ref, given.card)
            return Delivery()

        return deliver(edit)

    def post_reply(self, ctx: ActivityContext, given: PostReplyInput) -> Delivery:
        """Adds lines to the thread once, in the same way as `post_card`."""
        attempt = self._once.attempt(ctx, given, f"line {given.ref.ts} {given.steps[0].number}")
        place = (given.ref, given.request_id, given.steps)

        def reply() -> Delivery:
            self._notifier.post_reply(*place, lambda: attempt.begin(lambda: self._notifier.has_reply(*place)))
            return Delivery()

        # Several requests may share one card, and so one thread.
        key = (given.ref.channel, given.ref.ts, given.request_id, given.steps[0].number)
        return self._once.run(key, attempt, reply)

    def send_message(self, ctx: ActivityContext, given: SendMessageInput) -> Delivery:
        """Sends one message once, in the same way as `post_card`."""
        attempt = self._once.attempt(ctx, given, f"message {given.card.nonce} {given.message_id}")

        found: CardRef | None = None

        def is_there() -> bool:
            nonlocal found
            found = self._notifier.find_message(given)
            return found is not None

        def send() -> Delivery:
            posted = self._notifier.send_message(given, lambda: attempt.begin(is_there))
            return Delivery(card=posted or found)

        return self._once.run((given.card.request_id, given.card.nonce, given.message_id), attempt, send)

    def edit_message(self, _: ActivityContext, given: EditMessageInput) -> Delivery:
        """Edits a sent message to what is true now. Idempotent."""

        def edit() -> Delivery:
            self._notifier.edit_message(given.ref, given.message)
            return Delivery()

        return deliver(edit)

    def remove_copies(self, _: ActivityContext, given: RemoveCopiesInput) -> Delivery:
        """Deletes all copies but one of a post that may have been made twice."""

        def remove() -> Delivery:
            self._notifier.remove_copies(given)
            return Delivery()

        return deliver(remove)

    def run_action(self, _: ActivityContext, given: RunActionInput) -> Delivery:
        """Runs an action of an outcome.

        Its key is the same for all tries, so that the receiver can recognise a repeat.
        """
        return deliver(lambda: Delivery(answer=self._actions.run_action(given)))

    def members(self, _: ActivityContext, given: MembersInput) -> Membership:
        """The members of these groups, at most a minute old. A group that does not exist has no members."""
        return Membership(groups={group: self._members_of(group) for group in given.groups})

    def _members_of(self, group: str) -> list[str]:
        now = time.monotonic()
        with self._lock:
            at, people = self._members.get(group, (-MEMBERS_CACHED_FOR, []))
        if now - at < MEMBERS_CACHED_FOR:
            return people
        try:
            people = self._directory.members(group)
        except DeliveryError:
            people = []
        with self._lock:
            self._members[group] = (now, people)
        return people

    def active_people(self, _: ActivityContext, given: ActivePeopleInput) -> ActivePeople:
        """Which of these are human, active members of the workspace, as known at most a minute ago."""
        return ActivePeople(people=[person for person in given.people if self._is_active(person)])

    def _is_active(self, person: str) -> bool:
        now = time.monotonic()
        with self._lock:
            at, active = self._active.get(person, (now - MEMBERS_CACHED_FOR, False))
        if now - at < MEMBERS_CACHED_FOR:
            return active
        active = self._directory.is_active(person)
        with self._lock:
            self._active = {
                one: known for one, known in self._active.items() if now - known[0] < MEMBERS_CACHED_FOR
            }
            self._active[person] = (now, active)
        return active
