"""The sweep, now and again: requests that were stopped or crashed get cards that say so."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from orchestration.domain.errors import HubUnavailableError
from orchestration.service.sweep import ReconcileSweep

log = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds


async def run(sweep: ReconcileSweep, every: float = EVERY) -> None:
    """Sweeps at once, then every so many seconds, until cancelled. No failure ends it."""
    while True:
        try:
            await sweep.sweep()
        except HubUnavailableError as error:
            log.warning("the sweep comes again in %d s: %s", every, error)
        except Exception:
            log.exception("the sweep failed and comes again in %d s", every)
        await asyncio.sleep(every)
