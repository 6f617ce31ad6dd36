"""Runs sweeps at intervals.

Cards of requests that were stopped or crashed say so then. A digest that no policy wants any more is posted, and ends.
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
    """What looks over the hub, now and then."""

    async def sweep(self) -> int:
        """One pass; returns how many instances it did something about. May raise `HubUnavailableError`."""
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
