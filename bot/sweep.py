"""Runs sweeps at intervals.

Cards of requests that were stopped or crashed then show that. A digest that no policy needs any more is posted, and
ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from orchestration.domain.errors import HubUnavailableError

log = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds


class Sweep(Protocol):
    """A regular check of the hub."""

    async def sweep(self) -> int:
        """Makes one pass; returns how many instances it changed. May raise `HubUnavailableError`."""
        ...


async def run(sweeps: Sequence[Sweep], every: float = EVERY) -> None:
    """Sweeps at once, then every `every` seconds, until cancelled. A failure is logged and does not end it."""
    while True:
        for sweep in sweeps:
            try:
                await sweep.sweep()
            except HubUnavailableError as error:
                log.warning("the sweep failed and runs again in %d s: %s", every, error)
            except Exception:
                log.exception("the sweep failed and runs again in %d s", every)
        await asyncio.sleep(every)
