"""Wakes long polls when an outcome is signed in this process, just before it is published."""

from __future__ import annotations

import asyncio

from bot.http.api.long_polling import LongPolling
from orchestration.domain.commands import Progress
from orchestration.domain.effects import SignReceiptInput
from orchestration.ports import Signer


class OutcomeEvents:
    """Signs receipts on worker threads, and then wakes the long polls in the event loop that it was made in."""

    def __init__(self, signer: Signer, long_polling: LongPolling[Progress]) -> None:
        self._signer = signer
        self._long_polling = long_polling
        self._loop = asyncio.get_running_loop()

    def sign_receipt(self, given: SignReceiptInput) -> str:
        """See `Signer`."""
        receipt = self._signer.sign_receipt(given)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._long_polling.wake, given.outcome.request_id)
        return receipt
