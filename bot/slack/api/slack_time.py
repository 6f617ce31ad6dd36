"""Estimates the time of Slack's clock from the `Date` header of Slack's answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from orchestration.hub import MachineTime, TimeSource

FRESH: Final = 600.0  # seconds; an older estimate is replaced by a newer one, even if that is less exact
SECOND: Final = 1_000_000  # microseconds, the unit of `TimeSource`


@dataclass(frozen=True)
class _Look:
    """How many seconds Slack's time is ahead of the time since boot: the `least` and the `most`, measured at `at`."""

    at: float
    least: float
    most: float


class SlackTime:
    """This machine's wall clock, corrected by Slack's answers. Safe to share between threads.

    An answer has Slack's time in whole seconds, and takes some time to arrive, so it only gives a range for Slack's
    clock. Between answers the range moves on with the time since boot, which nobody can set.
    """

    def __init__(self, machine: TimeSource | None = None) -> None:
        self._machine = machine or MachineTime()
        self._lock = threading.Lock()
        self._look: _Look | None = None

    def since_boot(self) -> float:
        """The seconds since the machine booted, for `heard`."""
        return self._machine.boot() / SECOND

    def heard(self, headers: Mapping[str, str], called_at: float) -> None:
        """Takes Slack's time from the headers of an answer. `called_at` is `since_boot()` before the call."""
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
        """The seconds since the answer that is used; None before the first answer."""
        with self._lock:
            return None if self._look is None else self.since_boot() - self._look.at

    def now(self) -> float:
        """The time in seconds since the epoch: the wall clock, moved into the range that Slack's answers allow."""
        wall, boot = self._machine.wall() / SECOND, self.since_boot()
        with self._lock:
            look = self._look
        return wall if look is None else min(max(wall, boot + look.least), boot + look.most)
