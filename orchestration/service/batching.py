"""Batches writes: the first goes at once, and those that come meanwhile go as one when it is done."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# The most that one write may hold. A hub takes 1 MB, and a person waits for the write.
MOST: Final = 200
MOST_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class _Unwritten(Generic[Item, Result]):
    item: Item
    size: int
    written: asyncio.Future[Result]


class Batches(Generic[Item, Result]):
    """Writes items by `write`, which is given some of them in the order in which they came and returns what each gets.

    One write is under way at a time. If a write raises, each of its items gets the error; those that wait are still
    written. `size` returns an item's bytes, and raises if the item cannot be written: then only that item's `put`
    raises. An item that is over the limit alone is written alone.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        size: Callable[[Item], int] = lambda _: 0,
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._write = write
        self._size = size
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[_Unwritten[Item, Result]] = deque()
        self._writing: asyncio.Task[None] | None = None

    def put(self, item: Item) -> asyncio.Future[Result]:
        """Returns the write's result for the item. The item is written even if the caller stops waiting."""
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Unwritten(item, self._size(item), written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return written

    async def _write_all(self) -> None:
        while batch := self._next():
            try:
                results = await self._write([one.item for one in batch])
            except Exception as error:  # noqa: BLE001 - each of them is told
                for one in batch:
                    if not one.written.done():
                        one.written.set_exception(error)
                continue
            for one, result in zip(batch, results, strict=True):
                if not one.written.done():
                    one.written.set_result(result)

    def _next(self) -> list[_Unwritten[Item, Result]]:
        batch: list[_Unwritten[Item, Result]] = []
        left = self._most_bytes
        while self._waiting and len(batch) < self._most:
            left -= self._waiting[0].size
            if batch and left < 0:
                break
            batch.append(self._waiting.popleft())
        return batch
