"""Runs an effect once in this process, even if the hub gives its activity out again after a lease has run out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.effects import Delivery
from orchestration.domain.posting import Posting
from orchestration.durable.delivery import deliver
from orchestration.durable.post_try import PostTry
from orchestration.ports import Intents

DELIVERIES_REMEMBERED: Final = 10_000


class Once:
    """Remembers which effects are done. Safe to share between threads.

    When `intents` says that a post may have begun before, the message is looked for before it is posted. This
    compares no times: they would come from different clocks, and clocks can be set.
    """

    def __init__(self, intents: Intents) -> None:
        self._intents = intents
        self._lock = threading.Lock()
        self._done: OrderedDict[Hashable, Delivery] = OrderedDict()
        self._under_way: dict[Hashable, threading.Lock] = {}

    def attempt(self, ctx: ActivityContext, given: Posting, what: str) -> PostTry:
        """Returns this activity's try to post `what`."""
        return PostTry(self._intents, ctx.orchestration_id, ctx.task_id, what, maybe_done=given.maybe_done)

    def run(
        self, key: Hashable, attempt: PostTry, act: Callable[[], Delivery], *, looks: bool = False
    ) -> Delivery:
        """Calls `act` and returns its delivery, or the known delivery if this process has acted already.

        This process may be asked again because the first answer was lost on the way to the hub.

        With `looks`, `act` only looks for a message. If it does not find one, the next call looks again.

        The delivery is `unsure` where another try may have acted too. This holds also when this process is asked
        again: another process may have been given the activity in between.
        """
        with self._lock:
            turn = self._under_way.setdefault(key, threading.Lock())
        # When a lease runs out, the same work is dispatched again while the first try runs. The second waits for it.
        with turn:
            with self._lock:
                known = self._done.get(key)
            if known is not None:
                return known.model_copy(update={"unsure": True})
            try:
                delivery = deliver(act)
                if delivery.to_do:
                    attempt.put_off()
                if attempt.unsure:
                    delivery = delivery.model_copy(update={"unsure": True})
                with self._lock:
                    if not delivery.to_do and not (looks and delivery.card is None):
                        self._done[key] = delivery
                    while len(self._done) > DELIVERIES_REMEMBERED:
                        self._done.popitem(last=False)
            finally:
                with self._lock:
                    self._under_way.pop(key, None)
        return delivery
