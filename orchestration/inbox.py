"""Events of a running orchestration, one at a time, none lost."""

from __future__ import annotations

from typing import Any

from durabletask.task import CancellableTask, OrchestrationContext, Task


class Inbox:
    """Keeps exactly one waiter alive per event name.

    The SDK hands events to the waiters of a name in turn, so a waiter that is abandoned swallows the next event.
    Payloads are taken raw: anyone may raise an event, and one that does not fit must not fail the instance.
    """

    def __init__(self, ctx: OrchestrationContext, *names: str) -> None:
        self._ctx = ctx
        self._waiters: dict[str, CancellableTask[Any]] = {
            name: ctx.wait_for_external_event(name) for name in names
        }

    def waits(self) -> list[Task[Any]]:
        """What to wait on."""
        return list(self._waiters.values())

    def take(self) -> tuple[str, Any] | None:
        """The next event that has arrived, as (name, raw payload); None when none has."""
        for name, waiter in self._waiters.items():
            if waiter.is_complete:
                payload = waiter.get_result()
                self._waiters[name] = self._ctx.wait_for_external_event(name)
                return name, payload
        return None
