"""The I/O of lists of waiting calls. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.call_lists import CallListEditInput, CallListPostInput
from orchestration.domain.effects import Delivery
from orchestration.domain.request import CardRef
from orchestration.durable.delivery import deliver
from orchestration.durable.once import Once
from orchestration.ports import CallListNotifier, Intents


class CallListActivities:
    """Bound to the outside through ports."""

    def __init__(self, notifier: CallListNotifier, intents: Intents) -> None:
        self._notifier = notifier
        self._once = Once(intents)

    def post_call_list(self, ctx: ActivityContext, given: CallListPostInput) -> Delivery:
        """Posts the card once, however often it is called.

        An earlier post is remembered in this process, or looked for in the chat system.
        """
        attempt = self._once.attempt(ctx, given, f"{given.view.list_id} card")
        found: CardRef | None = None

        def is_there() -> bool:
            nonlocal found
            found = self._notifier.find_call_list(given)
            return found is not None

        def post() -> Delivery:
            posted = self._notifier.post_call_list(given, lambda: attempt.begin(is_there))
            return Delivery(card=posted or found)

        return self._once.run(("calls", given.view.list_id), attempt, post)

    def edit_call_list(self, _: ActivityContext, given: CallListEditInput) -> Delivery:
        """Edits the card to what is true now. Idempotent."""

        def edit() -> Delivery:
            self._notifier.edit_call_list(given)
            return Delivery()

        return deliver(edit)
