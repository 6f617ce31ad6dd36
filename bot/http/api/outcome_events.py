"""A signer that says so: an outcome signed in this process is about to be published."""

from __future__ import annotations

import asyncio

from bot.http.api.long_polling import LongPolling
from orchestration.domain.cards import SignReceiptInput
from orchestration.ports import Signer


class OutcomeEvents:
    """Nudges the watch of the event loop it was made in; signing itself happens on worker threads."""

    def __init__(self, signer: Signer, watch: LongPolling) -> None:
        self._signer = signer
        self._watch = watch
        self._loop = asyncio.get_running_loop()

    def sign(self, sealed: SignReceiptInput) -> str:
        """As the signer does."""
        receipt = self._signer.sign(sealed)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._watch.nudge, sealed.outcome.request_id)
        return receipt
