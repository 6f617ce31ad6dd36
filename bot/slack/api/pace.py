"""Paces messages: Slack takes about one a second in a channel.

A caller who comes too early is told when to come back, and the turn is reserved. So a burst into one channel becomes
durable timers, in which no thread sleeps. Messages to other channels, and edits of cards, do not wait for it.
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
NEAR: Final = 0.05  # seconds; for a shorter wait the thread sleeps, which costs less than to come back
FORGOTTEN: Final = 3600.0  # seconds after which an unused turn is dropped


@dataclass
class _Channel:
    """The turns of one channel.

    `free` is the time of the first turn that is not reserved, and `went` the time of the last message. `kept` are the
    reserved turns by message. Those of `urgent` messages are never given to another message.
    """

    free: float = 0.0
    went: float = -math.inf
    kept: dict[Hashable, float] = field(default_factory=dict)
    urgent: set[Hashable] = field(default_factory=set)


class Pace:
    """The turns of one process, by channel. Safe to share between threads. Other processes show only as a 429."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._channels: dict[str, _Channel] = {}

    def wait(self, channel: str, message: Hashable, *, urgent: bool = False) -> None:
        """Returns when it is the turn of `message`, a name by which a caller who comes back is recognized.

        Raises `ThrottledError` with the seconds until the turn if it is not now. The turn is then reserved.

        An `urgent` message swaps turns with the first reserved message that is not urgent.
        """
        with self._lock:
            pause = self._turn(self._channels.setdefault(channel, _Channel()), message, urgent=urgent)
        if pause > 0:
            time.sleep(pause)

    def hold(self, channel: str, seconds: float) -> None:
        """Moves every turn in `channel` by `seconds`, for which Slack takes no message there."""
        with self._lock:
            turns = self._channels.setdefault(channel, _Channel())
            now = time.monotonic()
            turns.free = max(turns.free, now) + seconds
            turns.kept = {message: at + seconds for message, at in turns.kept.items()}

    def _turn(self, turns: _Channel, message: Hashable, *, urgent: bool) -> float:
        now = time.monotonic()
        at = turns.kept.pop(message, None)
        late = at is not None and at < now - self._interval
        # A message that comes long after its turn goes at once if the channel is idle: at the end of the queue it might
        # be late again. If the channel is busy, it goes to the end, or all late messages would go at the same time.
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
        """Takes the first turn that is reserved for a message that is not urgent. That message gets the turn `at`."""
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
        """Drops old turns: a message whose activity was stopped never comes back."""
        if min(turns.kept.values()) < now - FORGOTTEN:
            turns.kept = {message: at for message, at in turns.kept.items() if at >= now - FORGOTTEN}
            turns.urgent &= turns.kept.keys()
