"""Long polls: however many wait for a request, one watcher looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from orchestration.commands import Progress
from orchestration.errors import HubUnavailableError
from orchestration.models import Status

QUICKEST: Final = 0.2  # seconds between two looks at a request
LOOKS_A_SECOND: Final = 200  # at most, over all requests that are watched

# These may have been cut short, and nobody signs before `settle` has run.
_CUT_SHORT: Final = {Status.FAILED, Status.TERMINATED}

Look = Callable[[str], Awaitable[Progress]]


def over(progress: Progress) -> bool:
    """Whether there is no more to wait for. Between the decision and its receipt, there is."""
    return (progress.outcome is not None and progress.sealed) or progress.status in _CUT_SHORT


class _Watcher:
    def __init__(self, first: Progress, task: asyncio.Task[Progress]) -> None:
        self.latest = first
        self.task = task
        self.waiting = 0


class Watch:
    """Watches requests for as long as somebody waits for them. Close it, and everybody gets the latest at once."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._watchers: dict[str, _Watcher] = {}
        self._closed = False

    @property
    def watched(self) -> int:
        """How many requests are watched."""
        return len(self._watchers)

    @property
    def waiting(self) -> int:
        """How many wait for them."""
        return sum(watcher.waiting for watcher in self._watchers.values())

    async def until_over(self, request_id: str, wait: float) -> Progress:
        """The request once it is over, or as it was last seen after `wait` seconds.

        Raises what the first look raises, and `UnknownRequestError` when it is purged meanwhile.
        """
        progress = await self._look(request_id)
        if over(progress) or wait <= 0 or self._closed:
            return progress
        watcher = self._watchers.get(request_id)
        if watcher is None:
            task = asyncio.create_task(self._watch(request_id), name=f"watch {request_id}")
            watcher = self._watchers[request_id] = _Watcher(progress, task)
        watcher.waiting += 1
        try:
            done, _ = await asyncio.wait([watcher.task], timeout=wait)
            return watcher.task.result() if done and not watcher.task.cancelled() else watcher.latest
        finally:
            watcher.waiting -= 1
            if not watcher.waiting:
                watcher.task.cancel()
                if self._watchers.get(request_id) is watcher:
                    del self._watchers[request_id]

    async def _watch(self, request_id: str) -> Progress:
        while True:
            await asyncio.sleep(max(QUICKEST, len(self._watchers) / LOOKS_A_SECOND))
            try:
                progress = await self._look(request_id)
            except HubUnavailableError:
                continue
            if over(progress):
                # Whoever comes from now on looks for themselves.
                self._watchers.pop(request_id, None)
                return progress
            if watcher := self._watchers.get(request_id):
                watcher.latest = progress

    def close(self) -> None:
        """Answers everybody with what was last seen, so that no long poll delays a shutdown."""
        self._closed = True
        for watcher in self._watchers.values():
            watcher.task.cancel()
