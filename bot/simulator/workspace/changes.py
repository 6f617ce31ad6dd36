"""Publishes workspace changes to subscribers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal[
    "message", "ephemeral", "view", "home", "read", "clock", "app", "phone", "fault", "guide"
]
# These set or clear unread marks.
_MARKING = frozenset({"message", "ephemeral", "read", "phone"})


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed. Only the people in `audience` see a difference; None means everyone does."""

    kind: ChangeKind
    channel: str | None = None
    ts: str | None = None
    audience: frozenset[str] | None = None

    def concerns(self, person: str) -> bool:
        """Say whether this person sees anything new."""
        return self.audience is None or person in self.audience

    def data_for(self, person: str) -> dict[str, str] | None:
        """Return the change as this person's page receives it; None when nothing changes there.

        Of a change that only others see, the page learns no more than that unread marks may have changed.
        """
        if not self.concerns(person):
            return {"kind": "people"} if self.kind in _MARKING else None
        said = {"kind": self.kind, "channel": self.channel, "ts": self.ts}
        return {name: value for name, value in said.items() if value is not None}


class Changes:
    """Sends each change to every watcher. A watcher that falls behind receives None, and must read everything again."""

    BACKLOG = 256

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[Change | None]] = set()

    def publish(self, change: Change) -> None:
        """Tell every watcher. Does not wait."""
        for queue in self._watchers:
            if queue.qsize() >= self.BACKLOG:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[Change | None]]:
        """Return a queue that receives every change from now on."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)
