"""Logs that work was handed on because its worker has not registered it, at a limited rate."""

import logging
import time
from typing import Final

from orchestration.hub.engine.workers import WorkName
from orchestration.hub.storage.transaction import WorkItemKind

_log: Final = logging.getLogger(__name__)

# In each period of this many seconds a name is logged once, and at most this many names.
_AGAIN_S: Final = 600.0
_MOST: Final = 50

_REGISTERED_AS: Final = {
    WorkItemKind.TURN: "orchestration",
    WorkItemKind.ACTIVITY: "activity",
    WorkItemKind.ENTITY: "entity",
}


class HandedOnLog:
    """Logs one line for each name and period, however often its work is handed on."""

    def __init__(self) -> None:
        self._since = 0.0
        self._logged: set[WorkName] = set()

    def note(self, work: WorkName) -> None:
        """Log that such work was handed on, unless the log said so lately."""
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
