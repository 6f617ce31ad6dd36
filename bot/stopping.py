"""Ends this process: it reports the stop, finishes what it has begun, and exits within `WITHIN` seconds.

What cannot be finished in time is abandoned, and the log names it. Nothing is lost by that: what was acknowledged
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
    20.0  # seconds from the signal to the end of the process, on top of the delay that a setting asks for
)
CLOSING: Final = 18.0  # seconds of these for closing what was opened
SHORTEST: Final = 0.2  # the fewest seconds for a step, even after the deadline
PROBLEM: Final = "This process is stopping. Send nothing more to it."


class Stopping:
    """Closes what was opened, step by step. Once `begun` is true, `/readyz` reports the stop.

    `left_behind` names the steps that took too long.
    """

    def __init__(self, delay: float = 0.0, within: float = CLOSING) -> None:
        """`delay`: seconds for which the process goes on serving after the stop begins, so that a balancer sees it."""
        self._delay = delay
        self._within = within
        self._deadline = float("inf")
        self._began = 0.0
        self.begun = False
        self.left_behind: list[str] = []

    @property
    def problem(self) -> str | None:
        """Why this process must get no more requests, as a sentence; None until it was told to stop."""
        return PROBLEM if self.begun else None

    async def begin(self) -> None:
        """Begins the stop and returns after the delay, when the steps are to follow. Refuses no requests yet."""
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
        """Runs `close` for at most `within` seconds, and leaves later steps their `reserve` before the deadline."""
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
        """Logs the end of the stop, after the last step."""
        if self.begun:
            log.info("stopped after %.1f s", time.monotonic() - self._began)


def end_by_itself(delay: float, within: float = WITHIN) -> None:
    """Ends this process after `delay` and `within` seconds, whatever still runs. Call it at the stop signal."""
    watch = threading.Timer(delay + within, _give_up, [within])
    watch.daemon = True
    watch.start()


def _give_up(within: float) -> None:
    log.warning(
        "stopping took longer than %g s: the process ends now, and what it had begun is done again", within
    )
    end_now()


def end_now() -> None:
    """Ends this process at once, even if threads still run. The status is 0, as it was told to stop."""
    logging.shutdown()
    os._exit(0)
