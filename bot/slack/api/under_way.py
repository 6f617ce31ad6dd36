"""What people did in Slack and this process is still about: a stop waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class UnderWay:
    """Keeps the tasks until they are done. The event loop alone would let go of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, task: asyncio.Task[None]) -> None:
        """One more."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Returns once the work is done."""
        task = asyncio.create_task(work)
        self.add(task)
        await task

    async def finished(self) -> None:
        """Returns once none is left. None of them is ended by that, nor where it is cancelled."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
