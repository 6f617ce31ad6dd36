"""Notices that this process was suspended: what it reads next may have waited for all that time."""

from __future__ import annotations

import asyncio
from typing import Final

from orchestration.hub import MachineTime, TimeSource

BEAT: Final = 0.5  # seconds
# Seconds after a suspension in which everything that is read is taken for something that waited.
CATCHING_UP: Final = 2.0
SECOND: Final = 1_000_000  # microseconds, the unit of `TimeSource`


class Pulse:
    """Beats while the process runs. A gap between beats shows a suspension: the time since boot goes on meanwhile."""

    def __init__(self, machine: TimeSource | None = None) -> None:
        self._machine = machine or MachineTime()
        self._last = self._now()
        self._still = (self._last, self._last)

    async def keep(self) -> None:
        """Beats until cancelled."""
        while True:
            await asyncio.sleep(BEAT)
            self.beat()

    def beat(self) -> None:
        """Notes that the process runs now."""
        now = self._now()
        if now - self._last > 2 * BEAT:
            self._still = (self._last, now)
        self._last = now

    def unread_for(self) -> float:
        """The most seconds that something which is read now may have waited."""
        now, (began, ended) = self._now(), self._still
        return now - (began if now - ended < CATCHING_UP else self._last)

    def _now(self) -> float:
        return self._machine.boot() / SECOND
