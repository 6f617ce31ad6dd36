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
    """Allows a minute's worth of requests at once, and after that the token's rate."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: seconds, never going back."""
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def admit(self, token: Token) -> None:
        """Counts one request. Raises `Problem` where the token has none left for now."""
        if seconds := self.take(token):
            raise Problem("too-many", headers={"Retry-After": str(seconds)})

    def take(self, token: Token) -> int:
        """0 when the request may go on, else the whole seconds after which one may."""
        now = self._now()
        # One bucket for each token there is: the file bounds their number, not the callers.
        bucket = self._buckets.setdefault(token.name, _Bucket(float(token.rate), now))
        bucket.left = min(token.rate, bucket.left + (now - bucket.at) * token.rate / 60)
        bucket.at = now
        if bucket.left >= 1:
            bucket.left -= 1
            return 0
        return max(1, math.ceil((1 - bucket.left) * 60 / token.rate))
