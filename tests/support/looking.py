"""Waits for something that happens elsewhere in this process, or in another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tests.support import PATIENCE_S

Found = TypeVar("Found")

# Seconds between two looks. The work that is waited for needs the same processor, so looking may take a quarter of the
# time at most, even where a look is slow: on a busy machine, or at a workspace that many tests have filled.
_SHORTEST: Final = 0.01
_LONGEST: Final = 0.5
_SHARE: Final = 3


def pause_after(took: float) -> float:
    """Seconds to wait before the next look, when the last one took `took` seconds."""
    return min(max(_SHORTEST, _SHARE * took), _LONGEST)


async def eventually(true: Callable[[], bool]) -> None:
    """Returns once `true()` holds. Raises `TimeoutError` after PATIENCE_S seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            began = time.perf_counter()
            if true():
                return
            await asyncio.sleep(pause_after(time.perf_counter() - began))


async def seen(look: Callable[[], Awaitable[Found]], true: Callable[[Found], bool]) -> Found:
    """The result of a look, once the condition holds for it. Raises `TimeoutError` after PATIENCE_S seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            began = time.perf_counter()
            found = await look()
            if true(found):
                return found
            await asyncio.sleep(pause_after(time.perf_counter() - began))
