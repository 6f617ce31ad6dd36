"""Wakes calls that wait for an instance to start or end, when a commit changed it."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Waiters:
    """The calls that wait, by instance ID: each has an event of its own."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def waiting(self, instance_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change of the instance's status while the context is open."""
        event = asyncio.Event()
        self._events.setdefault(instance_id, set()).add(event)
        try:
            yield event
        finally:
            events = self._events[instance_id]
            events.discard(event)
            if not events:
                del self._events[instance_id]

    def wake(self, instance_ids: Iterable[str]) -> None:
        """Wake the calls that wait for any of these instances."""
        for instance_id in instance_ids:
            for event in self._events.get(instance_id, ()):
                event.set()
