"""Keeps what the hub says about this worker's activities: whether each was given to a worker before."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from orchestration.hub import AGAIN, DISPATCH_TAG, FIRST


class Dispatches:
    """Knows the activity of each thread. Safe to share between threads: ask in the thread that runs the activity."""

    def __init__(self) -> None:
        self._here = threading.local()

    def given(self, tags: Mapping[str, str]) -> None:
        """An activity with these tags begins in this thread."""
        self._here.tag = tags.get(DISPATCH_TAG)

    def again(self) -> bool | None:
        """Whether the activity of this thread was given to a worker before. None where the hub does not say."""
        tag = getattr(self._here, "tag", None)
        return tag == AGAIN if tag in {FIRST, AGAIN} else None
