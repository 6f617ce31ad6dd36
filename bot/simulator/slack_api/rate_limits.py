"""Slack's rate limits: how many calls of a method are allowed within a minute, for the workspace or for each channel.

The tiers are those of Slack's documentation. It says "50+ per minute", and Slack tolerates bursts. Here the
limit is exact, over the last minute, so an app that stays within the limits here also does so at Slack.
"""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60.0  # seconds
LONGEST_PAGE: Final = 15  # messages, for an app that is distributed outside the Marketplace


class RateLimits(StrEnum):
    """Which rate limits apply.

    `internal` is for an app that a company has made for itself, or that is in the Marketplace. `distributed` is for an
    app that is sold outside the Marketplace: since 2025 it may read channels once a minute, 15 messages at most.
    """

    NONE = "none"
    INTERNAL = "internal"
    DISTRIBUTED = "distributed"


@dataclass(frozen=True, slots=True)
class Tier:
    """At most `calls` calls of a method within `minutes`; with `by_channel`, each channel is counted separately."""

    calls: int
    minutes: float = 1.0
    by_channel: bool = False


TIER_1: Final = Tier(1)
TIER_2: Final = Tier(20)
TIER_3: Final = Tier(50)
TIER_4: Final = Tier(100)
# "Hundreds of calls a minute" and "several hundred messages a minute" is all that Slack documents.
HUNDREDS: Final = Tier(300)
ONE_A_SECOND: Final = Tier(1, 1 / 60, by_channel=True)

TIERS: Final[dict[str, tuple[Tier, ...]]] = {
    "api.test": (TIER_4,),
    "apps.connections.open": (TIER_1,),
    "auth.test": (HUNDREDS,),
    "chat.delete": (TIER_3,),
    "chat.getPermalink": (HUNDREDS,),
    "chat.postEphemeral": (TIER_4,),
    "chat.postMessage": (ONE_A_SECOND, HUNDREDS),
    "chat.update": (TIER_3,),
    "conversations.history": (TIER_3,),
    "conversations.info": (TIER_3,),
    "conversations.join": (TIER_3,),
    "conversations.list": (TIER_2,),
    "conversations.members": (TIER_4,),
    "conversations.open": (TIER_3,),
    "conversations.replies": (TIER_3,),
    "files.completeUploadExternal": (TIER_4,),
    "files.getUploadURLExternal": (TIER_4,),
    "reactions.add": (TIER_3,),
    "team.info": (TIER_3,),
    "usergroups.list": (TIER_2,),
    "usergroups.users.list": (TIER_2,),
    "users.info": (TIER_4,),
    "users.list": (TIER_2,),
    "users.lookupByEmail": (TIER_3,),
    "views.open": (TIER_4,),
    "views.publish": (TIER_4,),
    "views.push": (TIER_4,),
    "views.update": (TIER_4,),
}
READING: Final = frozenset({"conversations.history", "conversations.replies"})


class MethodLimiter:
    """Counts the calls that were allowed. `minute` is how long a minute lasts, in seconds of real time."""

    def __init__(
        self,
        limits: RateLimits = RateLimits.NONE,
        minute: float = MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._minute = minute
        self._clock = clock
        self._let_through: defaultdict[tuple[str, Tier, str], deque[float]] = defaultdict(deque)

    def refuse(self, method: str, channel: str) -> str | None:
        """Return the value for `Retry-After`, in seconds; None where the call is allowed, and counted.

        The seconds are whole, unless `minute` was shortened.
        """
        now = self._clock()
        counted = [(tier, self._calls(method, tier, channel, now)) for tier in self._tiers(method)]
        waits = [
            calls[0] + tier.minutes * self._minute - now
            for tier, calls in counted
            if len(calls) >= tier.calls
        ]
        if waits:
            wait = max(waits)
            return str(max(math.ceil(wait), 1)) if self._minute == MINUTE else f"{max(wait, 0.001):.3f}"
        for _, calls in counted:
            calls.append(now)
        return None

    def longest_page(self, method: str) -> int | None:
        """Return how many messages a call of this method may return; None without a limit."""
        return LONGEST_PAGE if self._limits is RateLimits.DISTRIBUTED and method in READING else None

    def _tiers(self, method: str) -> tuple[Tier, ...]:
        if self._limits is RateLimits.NONE:
            return ()
        if self._limits is RateLimits.DISTRIBUTED and method in READING:
            return (TIER_1,)
        return TIERS.get(method, (TIER_3,))

    def _calls(self, method: str, tier: Tier, channel: str, now: float) -> deque[float]:
        """Return the times of the calls that still count."""
        calls = self._let_through[method, tier, channel if tier.by_channel else ""]
        while calls and calls[0] <= now - tier.minutes * self._minute:
            calls.popleft()
        return calls
