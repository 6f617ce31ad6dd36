"""Waiting for what goes on elsewhere in this process, or in another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tests.support import PATIENCE_S

Found = TypeVar("Found")

# Seconds between two looks. What is waited for needs the same processor, so that looking takes a quarter of it at
# most, however slow a look is: on a busy machine, or at a workspace that many tests have filled.
_SHORTEST: Final = 0.01
_LONGEST: Final = 0.5
_SHARE: Final = 3


def pause_after(took: float) -> float:
    """How long to wait before the next look, when the last one took so long. Both in seconds."""
    return min(max(_SHORTEST, _SHARE * took), _LONGEST)


async def eventually(true: Callable[[], bool]) -> None:
    """Returns once it is true. Raises `TimeoutError` where that takes longer than PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            began = time.perf_counter()
            if true():
                return
            await asyncio.sleep(pause_after(time.perf_counter() - began))


async def seen(look: Callable[[], Awaitable[Found]], true: Callable[[Found], bool]) -> Found:
    """What a look gives, once that is true of it. Raises `TimeoutError` where that takes longer than PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            began = time.perf_counter()
            found = await look()
            if true(found):
                return found
            await asyncio.sleep(pause_after(time.perf_counter() - began))
