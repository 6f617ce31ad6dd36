"""The I/O of the approval workflow. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.effects import (
    ActivePeople,
    ActivePeopleInput,
    Delivery,
    EditCardInput,
    Membership,
    MembersInput,
    PostCardInput,
    PostReplyInput,
    RunActionInput,
    SendMessageInput,
)
from orchestration.domain.errors import DeliveryError, ThrottledError
from orchestration.ports import Actions, Directory, Notifier

MEMBERS_CACHED_FOR: Final = 60.0  # seconds; the design allows a membership to be at most a minute old
DELIVERIES_REMEMBERED: Final = 10_000


class ApprovalActivities:
    """The effects of the `approval` orchestration, done through the ports.

    `may_have_run` says of an activity, by the ID of its instance and of its task, whether another process may have
    begun it before this one was given it. What it posts is then looked for first. No times are compared for that: they
    are those of different clocks, and clocks are set.
    """

    def __init__(
        self,
        notifier: Notifier,
        directory: Directory,
        actions: Actions,
        *,
        may_have_run: Callable[[str, int], bool],
    ) -> None:
        self._notifier = notifier
        self._directory = directory
        self._actions = actions
        self._may_have_run = may_have_run
        self._lock = threading.Lock()
        self._done: OrderedDict[tuple[str, str, int], Delivery] = OrderedDict()
        self._under_way: dict[tuple[str, str, int], threading.Lock] = {}
        self._members: dict[str, tuple[float, list[str]]] = {}
        self._active: dict[str, tuple[float, bool]] = {}

    def post_card(self, ctx: ActivityContext, given: PostCardInput) -> Delivery:
        """Posts the card of a round once, however often it is called: remembered in this process, else looked for."""
        card, channel = given.card, given.channel
        look = self._maybe_tried(ctx, given)

        def post() -> Delivery:
            if look and (found := self._notifier.find_card(channel, card)):
                return Delivery(card=found, found=True)
            return Delivery(card=self._notifier.post_card(channel, card, given.notify))

        # By its nonce: a request that comes again under an old ID has cards of its own.
        return self._once((card.request_id, card.nonce, card.round), post, unsure=look)

    def edit_card(self, _: ActivityContext, given: EditCardInput) -> Delivery:
        """Makes a posted copy say what its card says. Idempotent by nature."""

        def edit() -> Delivery:
            self._notifier.edit_card(given.ref, given.card)
            return Delivery()

        return _deliver(edit)

    def post_reply(self, ctx: ActivityContext, given: PostReplyInput) -> Delivery:
        """Adds a line to the thread once; as `post_card`."""
        look = self._maybe_tried(ctx, given)

        def reply() -> Delivery:
            place = (given.ref, given.request_id, given.step)
            if not (look and self._notifier.has_reply(*place)):
                self._notifier.post_reply(*place)
            return Delivery()

        return self._once((given.ref.channel, given.ref.ts, given.step.number), reply, unsure=look)

    def send_message(self, _: ActivityContext, given: SendMessageInput) -> Delivery:
        """Sends one message. After a crash at the wrong moment it may come twice, which harms nobody."""

        def send() -> Delivery:
            self._notifier.send_message(given)
            return Delivery()

        return _deliver(send)

    def run_action(self, _: ActivityContext, given: RunActionInput) -> Delivery:
        """Does what an outcome is to do. The key is the same over all tries, for the other side to tell a repeat."""
        return _deliver(lambda: Delivery(answer=self._actions.run_action(given)))

    def _maybe_tried(self, ctx: ActivityContext, given: PostCardInput | PostReplyInput) -> bool:
        return given.attempt > 1 or self._may_have_run(ctx.orchestration_id, ctx.task_id)

    def _once(self, key: tuple[str, str, int], act: Callable[[], Delivery], *, unsure: bool) -> Delivery:
        """Acts, unless this process has done it: its answer may have been lost on the way to the hub.

        A try that did nothing, because it had to wait, leaves it `unsure` whether an earlier one did.
        """
        with self._lock:
            turn = self._under_way.setdefault(key, threading.Lock())
        # When a lease runs out, the same work is dispatched again while the first try runs. The second waits for it.
        with turn:
            with self._lock:
                known = self._done.get(key)
            if known is not None:
                return known
            try:
                delivery = _deliver(act)
                if delivery.retry_after is not None:
                    delivery = delivery.model_copy(update={"unsure": unsure})
                with self._lock:
                    if delivery.impossible is None and delivery.retry_after is None:
                        self._done[key] = delivery
                    while len(self._done) > DELIVERIES_REMEMBERED:
                        self._done.popitem(last=False)
            finally:
                with self._lock:
                    self._under_way.pop(key, None)
        return delivery

    def members(self, _: ActivityContext, given: MembersInput) -> Membership:
        """Who is in these groups, at most a minute old. A group that does not exist has nobody in it."""
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


def _deliver(act: Callable[[], Delivery]) -> Delivery:
    """Turns "wait" and "never" into data, so that the history names them. Any other error fails the try."""
    try:
        return act()
    except ThrottledError as error:
        return Delivery(retry_after=error.retry_after)
    except DeliveryError as error:
        return Delivery(impossible=str(error))
