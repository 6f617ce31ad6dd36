"""Paces edits: Slack takes about fifty a minute in a workspace. The edits that people wait for go first.

No edit waits until Slack has refused one: its documented limit is "50+", and it accepts bursts. After a refusal, each
edit gets a turn that depends on the edits of the last minute, and a caller who comes too early is told when to come
back. Slack limits edits separately from all other calls, so they never wait for those.
"""

from __future__ import annotations

import threading
import time
from bisect import insort
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from orchestration.domain.errors import ThrottledError

LIMIT: Final = 50  # edits within the window
WINDOW: Final = 60.0  # seconds
KEPT_TO: Final = 5  # windows after a refusal during which the limit is obeyed
LATE: Final = 2.0  # seconds after which a turn that nobody has used goes to the next edit
FORGOTTEN: Final = 3600.0  # seconds after which an unused turn is dropped
SHORTEST: Final = 0.05  # seconds; the shortest wait, and a margin as Slack's clock differs from ours


class EditRank(IntEnum):
    """The order of edits: the lowest rank goes first."""

    ENDED_HERE = 0  # the last edit of the newest copy, which somebody has just pressed
    ENDED = 1  # the last edit of another copy
    UNDER_WAY = 2  # a card that changes again


@dataclass
class _Waiting:
    """An edit that was told to come back at the time `due`. Within a rank, the lowest `number` goes first."""

    rank: EditRank
    number: int
    due: float


class EditTurns:
    """The turns of one process. Safe to share between threads. Edits of other processes show only as a 429."""

    def __init__(
        self, limit: int = LIMIT, window: float = WINDOW, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`window` and the result of `clock` are in seconds."""
        self._limit = limit
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: list[float] = []
        self._under_way = 0
        self._waiting: dict[Hashable, _Waiting] = {}
        self._numbers = 0
        self._held_until = 0.0
        self._kept_to_until = 0.0
        self._next = 0.0
        self._gap = 0.0

    @contextmanager
    def turn(self, copy: Hashable, rank: EditRank) -> Iterator[None]:
        """Runs one edit of `copy` in its body, if it is its turn.

        Otherwise raises `ThrottledError` with the seconds until its turn, which is reserved. It does the same when the
        body raises `ThrottledError`, because Slack refused the edit.
        """
        with self._lock:
            number = self._go_or_wait(copy, rank)
        try:
            yield
        except ThrottledError as error:
            with self._lock:
                self._under_way -= 1
                raise ThrottledError(self._refused(copy, rank, number, error.retry_after)) from error
        except BaseException:
            self._ended()  # Slack may have counted it
            raise
        self._ended()

    def _ended(self) -> None:
        with self._lock:
            self._under_way -= 1
            insort(self._taken, self._clock())

    def _go_or_wait(self, copy: Hashable, rank: EditRank) -> int:
        """Returns the edit's number. Raises `ThrottledError` if it is not its turn."""
        now = self._clock()
        self._forget(now)
        mine = self._waiting.get(copy)
        if mine is None:
            self._numbers += 1
            mine = _Waiting(rank, self._numbers, now)
        mine.rank = rank
        at = self._turn_of(copy, mine, now) if now < self._kept_to_until else now
        if at > now:
            mine.due = at
            self._waiting[copy] = mine
            raise ThrottledError(max(at - now, SHORTEST))
        self._waiting.pop(copy, None)
        self._next = max(self._next, now) + self._gap
        self._under_way += 1
        return mine.number

    def _refused(self, copy: Hashable, rank: EditRank, number: int, seconds: float) -> float:
        """Notes that Slack takes no edit for `seconds`. Returns the seconds until the turn of this one."""
        now = self._clock()
        self._forget(now)
        self._held_until = max(self._held_until, now + seconds)
        self._kept_to_until = now + seconds + KEPT_TO * self._window
        if len(self._taken) + self._under_way < self._limit:
            # Other processes have used the rest of the limit, so it is not known when a turn becomes free.
            self._gap = self._window / self._limit
            self._next = max(self._next, self._held_until)
        mine = self._waiting.setdefault(copy, _Waiting(rank, number, now))
        mine.due = max(self._turn_of(copy, mine, now), now + seconds)
        return max(mine.due - now, SHORTEST)

    def _turn_of(self, copy: Hashable, mine: _Waiting, now: float) -> float:
        """The time of the edit's turn, if all edits before it come in time."""
        before = sum(
            (other.rank, other.number) < (mine.rank, mine.number) and other.due >= now - LATE
            for key, other in self._waiting.items()
            if key != copy
        )
        first = max(now, self._held_until)
        if self._gap:
            return max(first, self._next) + before * self._gap
        free = self._limit - self._under_way - len(self._taken)
        if before < free:
            return first
        free = max(free, 0)
        again = [
            *(at + self._window + SHORTEST for at in self._taken),
            *[now + self._window] * self._under_way,
            *[first + self._window] * free,
        ]
        rounds, place = divmod(before - free, len(again))
        return max(first, again[place] + rounds * self._window)

    def _forget(self, now: float) -> None:
        self._taken = [at for at in self._taken if at + self._window + SHORTEST > now]
        if now >= self._kept_to_until:
            self._gap = 0.0
        # An edit whose activity was stopped never comes back.
        self._waiting = {copy: one for copy, one in self._waiting.items() if one.due > now - FORGOTTEN}
