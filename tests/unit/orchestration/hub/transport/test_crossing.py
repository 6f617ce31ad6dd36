"""Calls into an event loop from other threads: none is lost or overtakes another, and a failure stops no other."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

from orchestration.hub.transport.crossing import Crossing
from tests.support import PATIENCE_S

THREADS, EACH = 4, 2_000


async def test_each_call_of_each_thread_is_made_in_order() -> None:
    crossing, done = Crossing(asyncio.get_running_loop()), asyncio.Event()
    came: list[tuple[int, int]] = []

    def note(thread: int, number: int) -> None:
        came.append((thread, number))
        if len(came) == THREADS * EACH:
            done.set()

    def put_each(thread: int) -> None:
        for number in range(EACH):
            crossing.put(partial(note, thread, number))

    threads = [threading.Thread(target=put_each, args=(one,)) for one in range(THREADS)]
    for one in threads:
        one.start()
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    for thread in range(THREADS):
        assert [number for which, number in came if which == thread] == list(range(EACH))


async def test_a_call_that_fails_is_reported_and_stops_no_other() -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    crossing, made = Crossing(loop), asyncio.Event()
    crossing.put(lambda: 1 / 0)
    crossing.put(made.set)
    await asyncio.wait_for(made.wait(), PATIENCE_S)
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


def test_a_loop_that_is_closed_says_so_each_time() -> None:
    loop = asyncio.new_event_loop()
    crossing = Crossing(loop)
    loop.close()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            crossing.put(lambda: None)
