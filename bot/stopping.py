"""How this process ends: it says so first, finishes what it has begun, and has gone within `WITHIN` seconds.

Whatever cannot be finished in time is left behind, and the log names it. Nothing is lost by that: what was acknowledged
is on the hub, and what a worker had taken is done again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

log = logging.getLogger(__name__)

WITHIN: Final = (
    20.0  # seconds from the signal to the end of the process, besides the delay that a setting asks for
)
CLOSING: Final = 18.0  # seconds of them in which what was opened is closed
SHORTEST: Final = 0.2  # seconds that a step has, however late it is
PROBLEM: Final = "This process is stopping. Send nothing more to it."


class Stopping:
    """Closes what was opened, step by step. `begun`: whether it has begun; then `/readyz` says so.

    `left_behind` names the steps that took too long.
    """

    def __init__(self, delay: float = 0.0, within: float = CLOSING) -> None:
        """`delay`: seconds for which everything goes on after the stop has begun, so that a balancer can see it."""
        self._delay = delay
        self._within = within
        self._deadline = float("inf")
        self._began = 0.0
        self.begun = False
        self.left_behind: list[str] = []

    @property
    def problem(self) -> str | None:
        """Why this process is to get nothing more, as a sentence; None until it was told to stop."""
        return PROBLEM if self.begun else None

    async def begin(self) -> None:
        """Nothing is refused yet. Returns when the steps are to follow."""
        self.begun = True
        if self._delay:
            log.info("stopping in %g s; /readyz says so from now on", self._delay)
            await asyncio.sleep(self._delay)
        self._began = time.monotonic()
        self._deadline = self._began + self._within
        log.info("stopping")

    async def step(
        self, name: str, within: float, close: Callable[[], Awaitable[object]], *, reserve: float = 0.0
    ) -> None:
        """Runs `close` for as many seconds at most, and as the deadline leaves, less the `reserve` of later steps."""
        left = max(min(within, self._deadline - time.monotonic() - reserve), SHORTEST)
        closing = asyncio.ensure_future(close())
        done, _ = await asyncio.wait({closing}, timeout=left)
        if done:
            closing.result()
            return
        closing.cancel()
        self.left_behind.append(name)
        log.warning("stopping: %s did not end within %.1f s and is left behind", name, left)

    def end(self) -> None:
        """Every step has been taken."""
        if self.begun:
            log.info("stopped after %.1f s", time.monotonic() - self._began)


def end_by_itself(delay: float, within: float = WITHIN) -> None:
    """Ends this process after so many seconds, whatever still holds it. Call it when it was told to stop."""
    watch = threading.Timer(delay + within, _give_up, [within])
    watch.daemon = True
    watch.start()


def _give_up(within: float) -> None:
    log.warning(
        "stopping took longer than %g s: the process ends now, and what it had begun is done again", within
    )
    end_now()


def end_now() -> None:
    """Ends this process, whatever its threads are about. It was told to stop, so this is no failure."""
    logging.shutdown()
    os._exit(0)
