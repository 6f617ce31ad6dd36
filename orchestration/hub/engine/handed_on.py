"""Logs that work was handed on, as its worker has not registered it. Others choose how often that happens."""

import logging
import time
from typing import Final

from orchestration.hub.engine.workers import WorkName
from orchestration.hub.storage.transaction import WorkItemKind

_log: Final = logging.getLogger(__name__)

# A name is logged once in so many seconds, and so many names at most.
_AGAIN_S: Final = 600.0
_MOST: Final = 50

_REGISTERED_AS: Final = {
    WorkItemKind.TURN: "orchestration",
    WorkItemKind.ACTIVITY: "activity",
    WorkItemKind.ENTITY: "entity",
}


class HandedOnLog:
    """One line a name, now and then, however often a program comes back that announces nothing."""

    def __init__(self) -> None:
        self._since = 0.0
        self._logged: set[WorkName] = set()

    def note(self, work: WorkName) -> None:
        """Such work was handed on; logged unless it was lately."""
        now = time.monotonic()
        if now - self._since >= _AGAIN_S:
            self._since = now
            self._logged.clear()
        if work in self._logged or len(self._logged) >= _MOST:
            return
        self._logged.add(work)
        _log.warning(
            "A worker was given work of the %s %r, which it has not registered. The work waits for another worker that "
            "may know it. Have every program on this hub announce what it runs, with work item filters: see "
            "docs/guides/hub.md.",
            _REGISTERED_AS[work.kind],
            work.name[:120],
        )
