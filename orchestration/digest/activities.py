"""The I/O of digests. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.digests import AddToDigestInput, PostDigestInput
from orchestration.domain.effects import Delivery
from orchestration.durable.delivery import deliver
from orchestration.durable.once import Once
from orchestration.ports import Digests, Intents, Notifier


class DigestActivities:
    """Adds lines and posts summaries through the ports. `intents`: see `Once`."""

    def __init__(self, digests: Digests, notifier: Notifier, intents: Intents) -> None:
        self._digests = digests
        self._notifier = notifier
        self._once = Once(intents)

    def add_to_digest(self, _: ActivityContext, given: AddToDigestInput) -> Delivery:
        """Has the channel's listener count the line; starts the listener if there is none.

        A repeated line counts once.
        """

        def add() -> Delivery:
            self._digests.add(given.channel, given.line)
            return Delivery()

        return deliver(add)

    def post_digest(self, ctx: ActivityContext, given: PostDigestInput) -> Delivery:
        """Posts a summary once, however often it is called.

        An earlier post is remembered in this process, or looked for in the chat system.
        """
        attempt = self._once.attempt(ctx, given, f"digest {given.digest_id} {given.place}")

        def post() -> Delivery:
            self._notifier.post_digest(given, lambda: attempt.begin(lambda: self._notifier.has_digest(given)))
            return Delivery()

        return self._once.run(("digest", given.place, given.digest_id), attempt, post)

    def remove_digest_copies(self, _: ActivityContext, given: PostDigestInput) -> Delivery:
        """Deletes all copies but one of a summary that may have been posted twice."""

        def remove() -> Delivery:
            self._notifier.remove_digest_copies(given)
            return Delivery()

        return deliver(remove)
