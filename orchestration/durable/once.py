"""Does an effect once in this process, however often its activity is called: work is dispatched again after a lease."""

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
    """Remembers what was done. Safe to share between threads.

    What `intents` says may have been begun before is looked for before it is posted. No times are compared for that:
    they are those of different clocks, and clocks are set.
    """

    def __init__(self, intents: Intents) -> None:
        self._intents = intents
        self._lock = threading.Lock()
        self._done: OrderedDict[Hashable, Delivery] = OrderedDict()
        self._under_way: dict[Hashable, threading.Lock] = {}

    def attempt(self, ctx: ActivityContext, given: Posting, what: str) -> PostTry:
        """The try to post `what` that this activity is."""
        return PostTry(self._intents, ctx.orchestration_id, ctx.task_id, what, maybe_done=given.maybe_done)

    def run(
        self, key: Hashable, attempt: PostTry, act: Callable[[], Delivery], *, looks: bool = False
    ) -> Delivery:
        """Acts, unless this process has done it: its answer may have been lost on the way to the hub.

        With `looks` it only looks for a message: what it has not found is looked for again the next time.

        Whatever comes of it, it is `unsure` where another try may have done it too: so also where this process was
        given it again, for in between another may have been given it.
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
