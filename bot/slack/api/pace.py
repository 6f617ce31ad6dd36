"""Slack takes about one message a second in a channel. Here each message gets its turn, without holding up others.

Whoever comes before their turn is told when it is, and it is kept for them. So a burst into one channel becomes durable
timers. No thread sleeps, and what goes to other channels, or edits a card, waits behind nothing.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from orchestration.domain.errors import ThrottledError

INTERVAL: Final = 1.0  # seconds between two messages in a channel
NEAR: Final = 0.05  # seconds; to wait for so long costs less than to come back
FORGOTTEN: Final = 3600.0  # seconds after which nobody will come back for a turn


@dataclass
class _Channel:
    """`free` is when the first turn begins that nobody has, and `went` when the last message did.

    Nothing takes the turn of an `urgent` one of `kept`.
    """

    free: float = 0.0
    went: float = -math.inf
    kept: dict[Hashable, float] = field(default_factory=dict)
    urgent: set[Hashable] = field(default_factory=set)


class Pace:
    """Turns by channel. Safe to share between threads; knows nothing of other processes, which a 429 speaks for."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._channels: dict[str, _Channel] = {}

    def wait(self, channel: str, message: Hashable, *, urgent: bool = False) -> None:
        """Returns when it is the turn of `message`, by whose name a caller who was sent away is known again.

        One that is `urgent` takes the first turn of those that are kept for others, who get its turn instead.

        Raises `ThrottledError` with the seconds until its turn where that is not now; the turn is kept.
        """
        with self._lock:
            pause = self._turn(self._channels.setdefault(channel, _Channel()), message, urgent=urgent)
        if pause > 0:
            time.sleep(pause)

    def hold(self, channel: str, seconds: float) -> None:
        """Slack wants nothing more in `channel` for so long: every turn there moves."""
        with self._lock:
            turns = self._channels.setdefault(channel, _Channel())
            now = time.monotonic()
            turns.free = max(turns.free, now) + seconds
            turns.kept = {message: at + seconds for message, at in turns.kept.items()}

    def _turn(self, turns: _Channel, message: Hashable, *, urgent: bool) -> float:
        now = time.monotonic()
        at = turns.kept.pop(message, None)
        late = at is not None and at < now - self._interval
        # Whoever comes for a turn that has long passed goes at once where nothing goes: at the end they would come late
        # again. Else they go to the end, or all who are late would come back at once.
        if late and turns.went + self._interval - NEAR <= now:
            at = now
            turns.free = max(turns.free, now + self._interval)
        elif at is None or late:
            at = self._take(turns, now)
            if urgent:
                at = self._swap(turns, at, now)
        turns.urgent.discard(message)
        if at - now > NEAR:
            turns.kept[message] = at
            if urgent:
                turns.urgent.add(message)
            self._forget(turns, now)
            raise ThrottledError(at - now)
        turns.went = max(at, now)
        return turns.went - now

    def _swap(self, turns: _Channel, at: float, now: float) -> float:
        """The first turn that is kept for something less urgent, which gets the turn `at` instead."""
        others = {
            one: when for one, when in turns.kept.items() if one not in turns.urgent and now < when < at
        }
        if not others:
            return at
        first = min(others, key=others.__getitem__)
        turns.kept[first] = at
        return others[first]

    def _take(self, turns: _Channel, now: float) -> float:
        at = max(now, turns.free)
        turns.free = at + self._interval
        return at

    def _forget(self, turns: _Channel, now: float) -> None:
        """What was stopped in the meantime never comes for its turn."""
        if min(turns.kept.values()) < now - FORGOTTEN:
            turns.kept = {message: at for message, at in turns.kept.items() if at >= now - FORGOTTEN}
            turns.urgent &= turns.kept.keys()
