"""Hands calls from other threads to an event loop, which is woken once for all that come together."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

Call = Callable[[], object]

_FAILED: Final = "A call from another thread failed."


class Crossing:
    """The way into one event loop. Safe to use from any thread.

    To wake a loop is a write to a socket, and a read there: more than what most calls cost. A hub that commits for a
    hundred callers answers all of them at one moment.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Call] = deque()
        self._woken = False

    def put(self, call: Call) -> None:
        """Has the loop make the call soon, in the order in which they come. Raises RuntimeError where it is closed."""
        self._calls.append(call)
        if self._woken:  # the loop has not begun to look yet, and will find this call
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._run)
        except RuntimeError:
            self._woken = False
            raise

    def _run(self) -> None:
        # Set before the first look: a call that comes from now on wakes the loop again.
        self._woken = False
        for _ in range(len(self._calls)):  # later calls wait: the loop must serve its sockets too
            call = self._calls.popleft()
            try:
                call()
            except Exception as error:  # noqa: BLE001 - those behind it must be made
                self._loop.call_exception_handler({"message": _FAILED, "exception": error})
