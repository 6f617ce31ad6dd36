"""The events that a running orchestration has received, in the order of their arrival. None is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, TypeVar

from durabletask.task import CancellableTask, OrchestrationContext, Task, when_any

from orchestration.domain.names import EventName

T = TypeVar("T")


class Inbox:
    """Queues what arrives: events, and timers under a name. Keeps exactly one waiter alive per event name.

    The SDK hands events to the waiters of a name in turn, so a waiter that is abandoned swallows the next event.
    The SDK keeps no order between names. So an orchestration waits for any other task through `meanwhile`, which
    queues each arrival at once. A vote sent before the deadline then counts, and one sent after it does not, even
    when both arrive during a look-up.
    The inbox waits only for names of `EventName`, and nothing from outside may raise these names.
    Payloads are taken raw: anyone may raise an event, and one that does not fit must not fail the instance.
    """

    def __init__(self, ctx: OrchestrationContext, *names: EventName) -> None:
        self._ctx = ctx
        self._waiters: dict[EventName, CancellableTask[Any]] = {
            name: ctx.wait_for_external_event(name) for name in names
        }
        self._timers: dict[str, CancellableTask[Any]] = {}
        self._arrived: deque[tuple[str, Any]] = deque()

    def watch(self, name: str, timer: CancellableTask[Any]) -> None:
        """Queues the timer under that name when it fires. It replaces an earlier timer of the name."""
        self.drop(name)
        self._timers[name] = timer

    def watches(self, name: str) -> bool:
        """Whether there is a timer under that name that has not fired."""
        return name in self._timers

    def drop(self, name: str) -> None:
        """Forgets the timer of that name, fired or not."""
        if timer := self._timers.pop(name, None):
            timer.cancel()
        self._arrived = deque(one for one in self._arrived if one[0] != name)

    def waits(self) -> list[Task[Any]]:
        """The tasks to wait on."""
        return [*self._waiters.values(), *self._timers.values()]

    def take(self) -> tuple[str, Any] | None:
        """Takes the first arrival, as (name, raw payload); None when nothing has arrived."""
        self._line_up()
        return self._arrived.popleft() if self._arrived else None

    def has_arrived(self) -> bool:
        """Whether something has arrived that was not taken yet."""
        self._line_up()
        return bool(self._arrived)

    def meanwhile(self, task: Task[T]) -> Generator[Task[Any], Any, T]:
        """Waits for the task and returns its result. Queues what arrives meanwhile. Raises what the task raises."""
        while not task.is_complete:
            yield when_any([task, *self.waits()])
            self._line_up()
        return task.get_result()

    def _line_up(self) -> None:
        for name, timer in list(self._timers.items()):
            if timer.is_complete:
                del self._timers[name]
                self._arrived.append((name, None))
        for name in self._waiters:
            while self._waiters[name].is_complete:
                self._arrived.append((name, self._waiters[name].get_result()))
                self._waiters[name] = self._ctx.wait_for_external_event(name)
