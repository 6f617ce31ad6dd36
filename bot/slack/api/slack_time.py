"""What time it is at Slack, whatever this machine's clock says: each of Slack's answers carries Slack's own time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from orchestration.hub import MachineTime, TimeSource

FRESH: Final = 600.0  # seconds; a newer look takes the place of an older one, however exact that was
SECOND: Final = 1_000_000  # in microseconds, which a machine's clocks count


@dataclass(frozen=True)
class _Look:
    """Slack's time is by so much ahead of the time since boot: at least, and at most. `at` is since boot, too."""

    at: float
    least: float
    most: float


class SlackTime:
    """This machine's wall clock, as far as Slack's answers allow it. Fed by every call; safe to share between threads.

    An answer carries whole seconds, and came some time after they were written. So it says between which two moments
    Slack's clock is, and no more. What it says is carried on by the time since boot, which nobody can set.
    """

    def __init__(self, machine: TimeSource | None = None) -> None:
        self._machine = machine or MachineTime()
        self._lock = threading.Lock()
        self._look: _Look | None = None

    def since_boot(self) -> float:
        """Seconds; for `heard`."""
        return self._machine.boot() / SECOND

    def heard(self, headers: Mapping[str, str], called_at: float) -> None:
        """Slack has answered with these headers. `called_at` is when it was called, by `since_boot`."""
        said = next((value for name, value in headers.items() if name.lower() == "date"), None)
        try:
            date = parsedate_to_datetime(str(said)).timestamp()
        except ValueError:
            return
        at = self.since_boot()
        look = _Look(at, least=date - at, most=date + 1 - called_at)
        with self._lock:
            known = self._look
            if known is None or at - known.at > FRESH or look.most - look.least <= known.most - known.least:
                self._look = look

    def age(self) -> float | None:
        """Seconds since the look at Slack's time that counts; None before the first."""
        with self._lock:
            return None if self._look is None else self.since_boot() - self._look.at

    def now(self) -> float:
        """Seconds since the epoch."""
        wall, boot = self._machine.wall() / SECOND, self.since_boot()
        with self._lock:
            look = self._look
        return wall if look is None else min(max(wall, boot + look.least), boot + look.most)
