"""Whether this process stood still: then what it reads has waited for it, and nothing says for how long."""

from __future__ import annotations

import asyncio
from typing import Final

from orchestration.hub import MachineTime, TimeSource

BEAT: Final = 0.5  # seconds
# Seconds after it goes on within which it reads what came in before. What comes in just then is taken for that.
CATCHING_UP: Final = 2.0
SECOND: Final = 1_000_000  # in microseconds, which a machine's clocks count


class Pulse:
    """Beats while the process runs. The time since boot goes on while it does not."""

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
        """The process runs."""
        now = self._now()
        if now - self._last > 2 * BEAT:
            self._still = (self._last, now)
        self._last = now

    def unread_for(self) -> float:
        """Seconds that something which is read now may have waited, at most."""
        now, (began, ended) = self._now(), self._still
        return now - (began if now - ended < CATCHING_UP else self._last)

    def _now(self) -> float:
        return self._machine.boot() / SECOND
