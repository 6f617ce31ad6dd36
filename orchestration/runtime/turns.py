"""Tells waiters in this process that its worker has taken a turn, so that they need not poll."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

FIRST_LOOK: Final = 0.05  # seconds; by then this process's worker has usually taken the turn
SLOWEST_LOOK: Final = 0.5
# Where this process takes every turn, each is reported, so waiters look less often. With a thousand waiters, each
# look would slow down the answers.
FIRST_LOOK_ALONE: Final = 0.25
SLOWEST_LOOK_ALONE: Final = 2.0


class TurnWatch:
    """One instance, watched by one task. Made by `Turns.watch`."""

    def __init__(self, first_look: float, slowest_look: float) -> None:
        self._slowest_look = slowest_look
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Event()
        self._status: str | None = None
        self._pause = first_look

    def wake(self, status: str | None) -> None:
        """Reports that a turn was taken. May be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._woken, status)

    def _woken(self, status: str | None) -> None:
        self._status = status
        self._turn.set()

    async def next(self, limit: float) -> str | None:
        """Waits for the next turn, or for a time after which another process may have taken one.

        That time grows with each call, up to `limit` seconds. Returns the custom status that the last turn
        published, as JSON; None where it is not known.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._pause, limit)):
                await self._turn.wait()
        self._turn.clear()
        self._pause = min(self._pause * 2, self._slowest_look)
        status, self._status = self._status, None
        return status


class Turns:
    """The turns of this process's worker. Safe to share between threads. Turns of other workers are not reported."""

    def __init__(self, first_look: float = FIRST_LOOK, slowest_look: float = SLOWEST_LOOK) -> None:
        self.first_look = first_look
        self.slowest_look = slowest_look
        self._lock = threading.Lock()
        self._watches: defaultdict[str, list[TurnWatch]] = defaultdict(list)

    def taken(self, instance_id: str, status: str | None = None) -> None:
        """Reports that a turn of this instance is on disk, with its custom status as JSON where that is known."""
        with self._lock:
            watches = list(self._watches.get(instance_id, ()))
        for watch in watches:
            watch.wake(status)

    @property
    def watched(self) -> int:
        """How many instances are watched."""
        with self._lock:
            return len(self._watches)

    @contextmanager
    def watch(self, instance_id: str) -> Iterator[TurnWatch]:
        """Watches the instance until the context is left. Needs a running event loop."""
        watch = TurnWatch(self.first_look, self.slowest_look)
        with self._lock:
            self._watches[instance_id].append(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches[instance_id].remove(watch)
                if not self._watches[instance_id]:
                    del self._watches[instance_id]
