"""Tells whoever waits in this process that its worker has taken a turn, so that nobody has to poll for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

FIRST_LOOK: Final = 0.05  # seconds; this process's own worker has mostly taken the turn by then, and said so
SLOWEST_LOOK: Final = 0.5
# Where every turn is taken here, and so told of: each look of a thousand that wait costs those that are to be answered.
FIRST_LOOK_ALONE: Final = 0.25
SLOWEST_LOOK_ALONE: Final = 2.0


class TurnWatch:
    """One instance, watched by one task. Made by `Turns.watch`."""

    def __init__(self, first_look: float, slowest_look: float) -> None:
        self._slowest_look = slowest_look
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Event()
        self._pause = first_look

    def wake(self) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._turn.set)

    async def next(self, limit: float) -> None:
        """Returns after the next turn, or after a while in which another process may have taken one.

        That while grows with each call, and is at most `limit` seconds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._pause, limit)):
                await self._turn.wait()
        self._turn.clear()
        self._pause = min(self._pause * 2, self._slowest_look)


class Turns:
    """The turns of this process's worker. Safe to share between threads. A turn of another worker is not told."""

    def __init__(self, first_look: float = FIRST_LOOK, slowest_look: float = SLOWEST_LOOK) -> None:
        self.first_look = first_look
        self.slowest_look = slowest_look
        self._lock = threading.Lock()
        self._watches: defaultdict[str, list[TurnWatch]] = defaultdict(list)

    def taken(self, instance_id: str) -> None:
        """A turn of this instance is on disk."""
        with self._lock:
            watches = list(self._watches.get(instance_id, ()))
        for watch in watches:
            watch.wake()

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
