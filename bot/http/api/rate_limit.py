"""Limits how often each API token may call, by a token bucket that is refilled evenly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot.http.api.problems import Problem
from bot.security.tokens import Token


@dataclass
class _Bucket:
    left: float
    at: float


class RateLimiter:
    """Allows a burst of one minute's requests, and after that the token's rate."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: a monotonic clock, in seconds."""
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def admit(self, token: Token) -> None:
        """Counts one request. Raises `Problem` if the token is over its rate."""
        if seconds := self.take(token):
            raise Problem("too-many", headers={"Retry-After": str(seconds)})

    def take(self, token: Token) -> int:
        """Counts one request if the rate allows it. Returns 0 then, else the whole seconds to wait."""
        now = self._now()
        # One bucket for each token of the file, so callers cannot raise their number.
        bucket = self._buckets.setdefault(token.name, _Bucket(float(token.rate), now))
        bucket.left = min(token.rate, bucket.left + (now - bucket.at) * token.rate / 60)
        bucket.at = now
        if bucket.left >= 1:
            bucket.left -= 1
            return 0
        return max(1, math.ceil((1 - bucket.left) * 60 / token.rate))
