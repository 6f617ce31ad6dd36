"""Does an effect once in this process, however often its activity is called: work is dispatched again after a lease."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.effects import Delivery, Posting
from orchestration.durable.delivery import deliver

DELIVERIES_REMEMBERED: Final = 10_000


class Once:
    """Remembers what was done. Safe to share between threads.

    `may_have_run` says of an activity, by the ID of its instance and of its task, whether another process may have
    begun it before this one was given it. What it posts is then looked for first. No times are compared for that: they
    are those of different clocks, and clocks are set.
    """

    def __init__(self, may_have_run: Callable[[str, int], bool]) -> None:
        self._may_have_run = may_have_run
        self._lock = threading.Lock()
        self._done: OrderedDict[Hashable, Delivery] = OrderedDict()
        self._under_way: dict[Hashable, threading.Lock] = {}

    def maybe_tried(self, ctx: ActivityContext, given: Posting) -> bool:
        """Whether an earlier try may have posted it, so that it has to be looked for."""
        return given.maybe_done or self._may_have_run(ctx.orchestration_id, ctx.task_id)

    def run(self, key: Hashable, act: Callable[[], Delivery], *, unsure: bool) -> Delivery:
        """Acts, unless this process has done it: its answer may have been lost on the way to the hub.

        Whatever comes of it, it stays `unsure` whether an earlier try did it too.
        """
        with self._lock:
            turn = self._under_way.setdefault(key, threading.Lock())
        # When a lease runs out, the same work is dispatched again while the first try runs. The second waits for it.
        with turn:
            with self._lock:
                known = self._done.get(key)
            if known is not None:
                return known.model_copy(update={"unsure": known.unsure or unsure})
            try:
                delivery = deliver(act)
                if unsure:
                    delivery = delivery.model_copy(update={"unsure": True})
                with self._lock:
                    if not delivery.to_do:
                        self._done[key] = delivery
                    while len(self._done) > DELIVERIES_REMEMBERED:
                        self._done.popitem(last=False)
            finally:
                with self._lock:
                    self._under_way.pop(key, None)
        return delivery
