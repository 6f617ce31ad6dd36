"""The I/O of digests. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.digests import AddToDigestInput, PostDigestInput
from orchestration.domain.effects import Delivery
from orchestration.durable.delivery import deliver
from orchestration.ports import Digests, Notifier

REMEMBERED: Final = 1000


class DigestActivities:
    """Adds lines and posts summaries, through the ports. `may_have_run`: as for `ApprovalActivities`."""

    def __init__(
        self, digests: Digests, notifier: Notifier, *, may_have_run: Callable[[str, int], bool]
    ) -> None:
        self._digests = digests
        self._notifier = notifier
        self._may_have_run = may_have_run
        self._lock = threading.Lock()
        self._posted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add_to_digest(self, _: ActivityContext, given: AddToDigestInput) -> Delivery:
        """Has the channel's listener count the line, which it starts where none stands. The same line counts once."""

        def add() -> Delivery:
            self._digests.add(given.channel, given.line)
            return Delivery()

        return deliver(add)

    def post_digest(self, ctx: ActivityContext, given: PostDigestInput) -> Delivery:
        """Posts a summary once, however often it is called: remembered in this process, else looked for."""
        look = given.maybe_done or self._may_have_run(ctx.orchestration_id, ctx.task_id)
        key = (given.place, given.digest_id)

        def post() -> Delivery:
            if not (look and self._notifier.has_digest(given)):
                self._notifier.post_digest(given)
            return Delivery()

        # Where a lease runs out the same work comes again while the first try runs. The second waits for it.
        with self._lock:
            if key in self._posted:
                return Delivery()
            delivery = deliver(post)
            if not delivery.to_do:
                self._posted[key] = None
                while len(self._posted) > REMEMBERED:
                    self._posted.popitem(last=False)
        return delivery
