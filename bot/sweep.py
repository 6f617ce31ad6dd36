"""Runs the reconciler's sweep at intervals, so that cards of requests that were stopped or crashed say so."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from orchestration.domain.errors import HubUnavailableError
from orchestration.service.sweep import ReconcileSweep

log = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds


async def run(sweep: ReconcileSweep, every: float = EVERY) -> None:
    """Sweeps at once, then every `every` seconds, until cancelled. A failure is logged and does not end it."""
    while True:
        try:
            await sweep.sweep()
        except HubUnavailableError as error:
            log.warning("the sweep failed and runs again in %d s: %s", every, error)
        except Exception:
            log.exception("the sweep failed and runs again in %d s", every)
        await asyncio.sleep(every)
