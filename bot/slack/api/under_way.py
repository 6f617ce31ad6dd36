"""Tasks for what people did in Slack. A stop of the process waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class UnderWay:
    """Keeps tasks until they are done. The event loop alone has only weak references to them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, task: asyncio.Task[None]) -> None:
        """Keeps `task` until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` in a task, and returns once it is done."""
        task = asyncio.create_task(work)
        self.add(task)
        await task

    async def finished(self) -> None:
        """Returns once all tasks are done. Cancelling the wait does not cancel them."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
