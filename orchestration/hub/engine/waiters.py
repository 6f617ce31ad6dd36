"""Those who wait for an instance to start or end.

Woken by the commit that changed it, never by looking again and again.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Waiters:
    """Events by instance ID, for as long as somebody waits."""

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

    def changed(self, instance_ids: Iterable[str]) -> None:
        """Wake those who wait for any of these."""
        for instance_id in instance_ids:
            for event in self._events.get(instance_id, ()):
                event.set()
