"""Lets commands go first: while one is being recorded, this process's worker begins nothing new.

Somebody waits for a command to be recorded, and their chat system waits for three seconds. What a worker does goes on
for days, and shares the interpreter with whatever records the commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from durabletask.worker import TaskHubGrpcWorker

# Seconds for which a piece of work is put off at most: however many commands come, what is under way goes on.
LONGEST: Final = 1.0
# With so many being recorded at once, whoever sent one need not wait for what comes of it: that is put off too.
CROWD: Final = 8


class Precedence:
    """Counts what is being recorded. Safe to share between threads. `longest` is in seconds."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        self._recording = 0
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """For as long as something is being recorded that somebody waits for."""
        with self._lock:
            self._recording += 1
            self._free.clear()
        try:
            yield
        finally:
            with self._lock:
                self._recording -= 1
                if not self._recording:
                    self._free.set()

    @property
    def crowded(self) -> bool:
        """Whether much is being recorded at once."""
        return self._recording >= CROWD

    def give_way(self) -> None:
        """Returns once nothing is being recorded, or after `longest`. It blocks the thread."""
        self._free.wait(self._longest)


def give_way(worker: TaskHubGrpcWorker, precedence: Precedence) -> None:
    """Has the worker, which was not started yet, begin its turns, activities and operations behind commands.

    What is wrapped here is private to the SDK; its version is pinned.
    """

    def behind(execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            precedence.give_way()
            return execute(*given)

        return run

    for name in ("_execute_orchestrator", "_execute_activity", "_execute_entity_batch"):
        setattr(worker, name, behind(getattr(worker, name)))
