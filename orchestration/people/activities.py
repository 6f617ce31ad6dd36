"""The I/O of telling a person about their delegate. Phone numbers stay within these functions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.effects import DelegateChange, Delivery
from orchestration.domain.errors import DeliveryError, SmsRefusedError
from orchestration.durable.delivery import deliver
from orchestration.ports import Notifier, Phones, SmsSender

# Fixed words: no text that anybody wrote goes into an SMS.
TEXT_NAMED: Final = (
    "Countersign: somebody else is asked in your place while you are away. "
    "If you did not set that, tell whoever runs Countersign."
)
TEXT_TAKEN_BACK: Final = (
    "Countersign: what was set for when you are away is taken back. "
    "If you did not do that, tell whoever runs Countersign."
)
REMEMBERED: Final = 1000


class PeopleActivities:
    """Tells people through the ports. Without `phones` and `sender` there is no SMS account, and nobody is texted.

    A message that this process has sent is not sent again. After a crash at the wrong moment it may come twice, with
    the same words.
    """

    def __init__(
        self, notifier: Notifier, phones: Phones | None = None, sender: SmsSender | None = None
    ) -> None:
        self._notifier = notifier
        self._phones = phones
        self._sender = sender
        self._lock = threading.Lock()
        self._done: OrderedDict[tuple[str, str], None] = OrderedDict()

    def tell_delegate_change(self, ctx: ActivityContext, given: DelegateChange) -> Delivery:
        """Sends the person a direct message."""
        return self._once((ctx.orchestration_id, "tell"), lambda: self._notifier.tell_delegate_change(given))

    def text_delegate_change(self, ctx: ActivityContext, given: DelegateChange) -> Delivery:
        """Sends an SMS, if the operator enrolled a phone for the person and SMS to its country are allowed."""
        return self._once((ctx.orchestration_id, "text"), lambda: self._text(given))

    def _text(self, given: DelegateChange) -> None:
        number = self._phones.number_of(given.person) if self._phones else None
        if self._phones is None or self._sender is None or number is None or not self._phones.allowed(number):
            return
        named = given.entry is not None and given.entry.delegate is not None
        self._sender.send(number, TEXT_NAMED if named else TEXT_TAKEN_BACK)

    def _once(self, key: tuple[str, str], act: Callable[[], None]) -> Delivery:
        with self._lock:
            if key in self._done:
                return Delivery()

        def act_and_remember() -> Delivery:
            try:
                act()
            except SmsRefusedError as error:
                raise DeliveryError(error.trouble) from error
            with self._lock:
                self._done[key] = None
                while len(self._done) > REMEMBERED:
                    self._done.popitem(last=False)
            return Delivery()

        return deliver(act_and_remember)
