"""The wrong answers that this process has seen.

The hub counts them too, but whoever controls the hub can set its count back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from orchestration.challenge.models import ATTEMPTS

# Challenges remembered. To have one forgotten, its person would have to get that many codes.
REMEMBERED: Final = 10_000


class WrongAnswers:
    """Keeps the first few wrong answers to each challenge. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, set[str]] = OrderedDict()

    def add(self, challenge_id: str, answer: str) -> None:
        """Stores a wrong answer. The same answer counts once, because an activity may run twice."""
        with self._lock:
            self._wrong.setdefault(challenge_id, set()).add(answer)
            self._wrong.move_to_end(challenge_id)
            while len(self._wrong) > REMEMBERED:
                self._wrong.popitem(last=False)

    def used_up(self, challenge_id: str) -> bool:
        """Whether all tries of the challenge are used: no further answer is accepted."""
        with self._lock:
            return len(self._wrong.get(challenge_id, ())) >= ATTEMPTS
