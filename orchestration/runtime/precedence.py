"""Gives commands priority: while one is being recorded, this process's worker begins nothing new.

Somebody waits for a command to be recorded, and their chat system waits for only three seconds. The worker's work
goes on for days, and it shares the interpreter with the code that records commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from durabletask.worker import TaskHubGrpcWorker

# The most seconds for which a piece of work is put off. Work goes on however many commands come.
LONGEST: Final = 1.0
# When so many commands are being recorded at once, their senders do not wait for the result: it is put off too.
CROWD: Final = 8


class Precedence:
    """Counts the commands being recorded. Safe to share between threads. `longest` is in seconds."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        self._recording = 0
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """A context in which a command is being recorded that somebody waits for."""
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
        """Whether many commands are being recorded at once."""
        return self._recording >= CROWD

    def give_way(self) -> None:
        """Blocks the thread until no command is being recorded, but at most for `longest`."""
        self._free.wait(self._longest)


def give_way(worker: TaskHubGrpcWorker, precedence: Precedence) -> None:
    """Has the worker begin turns, activities and operations only after commands. The worker must not be started yet.

    The methods wrapped here are private to the SDK; its version is pinned.
    """

    def behind(execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            precedence.give_way()
            return execute(*given)

        return run

    for name in ("_execute_orchestrator", "_execute_activity", "_execute_entity_batch"):
        setattr(worker, name, behind(getattr(worker, name)))
