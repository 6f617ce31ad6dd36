"""Long polling. One watcher reads a request, however many callers wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from orchestration.approval.status import CUT_SHORT_REASONS
from orchestration.domain.commands import Progress
from orchestration.domain.errors import HubUnavailableError

QUICKEST: Final = 0.2  # seconds between two reads of a request
LOOKS_A_SECOND: Final = 200  # at most, over all requests that are watched
HURRIED: Final = 0.05  # seconds between two reads after a wake
HURRIED_LOOKS: Final = 20

P = TypeVar("P")


def is_final(progress: Progress) -> bool:
    """Whether a long poll may end: the request has an outcome and its receipt.

    A request that was cut short gets its receipt only when `reconcile` runs, so nobody waits for that here.
    """
    return (
        progress.outcome is not None and not progress.receipt_pending
    ) or progress.status in CUT_SHORT_REASONS


class _Watcher(Generic[P]):
    def __init__(self, first: P) -> None:
        self.latest = first
        self.waiting = 0
        self.woken = asyncio.Event()
        self.task: asyncio.Task[P]


class LongPolling(Generic[P]):
    """Reads requests while somebody waits for them. `close` answers every waiting caller at once."""

    def __init__(self, read: Callable[[str], Awaitable[P]], is_final: Callable[[P], bool]) -> None:
        """`is_final`: whether a long poll may end with what was read."""
        self._read = read
        self._is_final = is_final
        self._watchers: dict[str, _Watcher[P]] = {}
        self._closed = False

    @property
    def watched(self) -> int:
        """The number of requests that are watched."""
        return len(self._watchers)

    @property
    def waiting(self) -> int:
        """The number of callers that wait."""
        return sum(watcher.waiting for watcher in self._watchers.values())

    @property
    def closed(self) -> bool:
        """Whether no long poll waits any more, because the process is about to end."""
        return self._closed

    async def wait_until_final(self, request_id: str, wait: float) -> P:
        """Returns the request once it is final, or after `wait` seconds as it was last read.

        Raises what the first read raises, and `UnknownRequestError` if the request is purged meanwhile.
        """
        progress = await self._read(request_id)
        if self._is_final(progress) or wait <= 0 or self._closed:
            return progress
        watcher = self._watchers.get(request_id)
        if watcher is None:
            watcher = self._watchers[request_id] = _Watcher(progress)
            watcher.task = asyncio.create_task(self._watch(request_id, watcher), name=f"watch {request_id}")
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

    async def _watch(self, request_id: str, watcher: _Watcher[P]) -> P:
        hurried = 0
        while True:
            pause = HURRIED if hurried else max(QUICKEST, len(self._watchers) / LOOKS_A_SECOND)
            with suppress(TimeoutError):
                # Not `wait_for`: before Python 3.12 it may ignore a cancellation.
                async with asyncio.timeout(pause):
                    await watcher.woken.wait()
            hurried = HURRIED_LOOKS if watcher.woken.is_set() else max(hurried - 1, 0)
            watcher.woken.clear()
            try:
                progress = await self._read(request_id)
            except HubUnavailableError:
                continue
            if self._is_final(progress):
                # Later callers read the request themselves.
                self._watchers.pop(request_id, None)
                return progress
            watcher.latest = progress

    def wake(self, request_id: str) -> None:
        """Reads the request more often for a moment. Called when its outcome was just signed in this process.

        So thousands of requests can be read seldom and are still answered at once.
        """
        if watcher := self._watchers.get(request_id):
            watcher.woken.set()

    def close(self) -> None:
        """Answers everybody with what was last read, so that no long poll delays a shutdown."""
        self._closed = True
        for watcher in self._watchers.values():
            watcher.task.cancel()
