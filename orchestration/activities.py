"""The only I/O of the orchestrations. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from durabletask.task import ActivityContext

from orchestration.cards import Delivery, EditCard, Members, Membership, PostCard, Tell
from orchestration.errors import DeliveryError, ThrottledError
from orchestration.models import CardRef
from orchestration.ports import Directory, Notifier

MEMBERS_CACHED_FOR: Final = 60.0  # seconds; the design allows a membership to be at most a minute old
POSTS_REMEMBERED: Final = 10_000


class Activities:
    """The effects of the `approval` orchestration, bound to the outside through ports.

    `started_at` is the hub's time when this process started: what was scheduled before may have been tried by
    another process, so it is looked for before it is done again.
    """

    def __init__(self, notifier: Notifier, directory: Directory, *, started_at: datetime) -> None:
        self._notifier = notifier
        self._directory = directory
        self._started_at = started_at
        self._lock = threading.Lock()
        self._posted: OrderedDict[tuple[str, int], CardRef] = OrderedDict()
        self._members: dict[str, tuple[float, list[str]]] = {}

    def post_card(self, _: ActivityContext, given: PostCard) -> Delivery:
        """Posts the card of a round once, however often it is called: remembered in this process, else looked for."""
        key = (given.card.request_id, given.card.round)
        with self._lock:
            known = self._posted.get(key)
        if known is None:
            maybe_tried = given.attempt > 1 or given.scheduled_at <= self._started_at
            delivery = _deliver(lambda: self._find_or_post(given, look=maybe_tried))
            if delivery.card is None:
                return delivery
            known = delivery.card
            with self._lock:
                self._posted[key] = known
                while len(self._posted) > POSTS_REMEMBERED:
                    self._posted.popitem(last=False)
        return Delivery(card=known)

    def _find_or_post(self, given: PostCard, *, look: bool) -> CardRef:
        card = given.card
        found = (
            self._notifier.find(given.channel, card.request_id, card.round, card.asked_at) if look else None
        )
        return found or self._notifier.post(given.channel, card, given.notify)

    def edit_card(self, _: ActivityContext, given: EditCard) -> Delivery:
        """Makes a posted copy say what its card says. Idempotent by nature."""
        return _deliver(lambda: self._notifier.edit(given.ref, given.card))

    def tell(self, _: ActivityContext, given: Tell) -> Delivery:
        """Tells one person. After a crash at the wrong moment they may be told twice, which harms nobody."""
        return _deliver(lambda: self._notifier.tell(given.user, given.card, given.where))

    def members(self, _: ActivityContext, given: Members) -> Membership:
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


def _deliver(act: Callable[[], CardRef | None]) -> Delivery:
    """The outcome as data, so that "wait" and "never" are in the history by name; anything else fails the try."""
    try:
        return Delivery(card=act())
    except ThrottledError as error:
        return Delivery(retry_after=error.retry_after)
    except DeliveryError as error:
        return Delivery(impossible=str(error))
