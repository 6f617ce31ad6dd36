"""Faults on demand, and a log of the calls that the app made."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bot.simulator.workspace.changes import Change, Changes

Json = dict[str, Any]

LOG_LENGTH = 2000


class SlackFault(BaseModel):
    """The next `count` calls of `method` fail; "*" is every method, "chat.*" a family, and a `count` of -1 is forever.

    With `seconds`, the fault ends after that much real time, however often it struck. With `channel`, only calls about
    that channel fail. `error` is one of Slack's error codes, or "ratelimited" (HTTP 429 with `retry_after` seconds), or
    "http_500". Raises pydantic's ValidationError for invalid values.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    method: str = "*"
    error: str
    count: int = Field(default=1, ge=-1)
    retry_after: int = Field(default=1, ge=0)
    channel: str | None = None
    seconds: float | None = Field(default=None, gt=0, le=3600)

    def hits(self, method: str, channel: str | None) -> bool:
        """Say whether the fault applies to this call."""
        return fnmatchcase(method, self.method) and self.channel in {None, channel}


class RepeatingFault(Protocol):
    """A fault that strikes `count` times more; -1 is forever. With `seconds`, it ends after that many seconds."""

    count: int
    seconds: float | None


F = TypeVar("F", bound=RepeatingFault)


@dataclass(slots=True)
class PlannedFault(Generic[F]):
    """An active fault. `until` is a reading of the monotonic clock; `struck` counts how often it struck."""

    id: int
    fault: F
    until: float | None
    struck: int = 0

    @property
    def left(self) -> float | None:
        """Seconds of real time until the fault ends; None when it does not end by itself."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether the fault cannot strike any more."""
        return self.fault.count == 0 or self.left == 0


class Faults(Generic[F]):
    """The planned faults of one kind. They strike in the order they were planned. Every change is published."""

    _ids = count(1)  # one sequence for all kinds, so that a number identifies a fault

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._planned: list[PlannedFault[F]] = []

    def plan(self, fault: F) -> int:
        """Plan a fault, and return its number."""
        until = None if fault.seconds is None else time.monotonic() + fault.seconds
        planned = PlannedFault(next(self._ids), fault, until)
        self._planned.append(planned)
        self._tell()
        return planned.id

    def on(self) -> list[PlannedFault[F]]:
        """Return the faults that may still strike."""
        self._planned = [planned for planned in self._planned if not planned.over]
        return list(self._planned)

    def clear(self, number: int | None = None) -> None:
        """End the fault with this number, if there is one; without a number, end all."""
        self._planned = [planned for planned in self._planned if number not in {None, planned.id}]
        self._tell()

    def strike(self, hits: Callable[[F], bool]) -> F | None:
        """Return the fault that strikes, and count the strike; None when the call may go on."""
        for planned in self.on():
            if hits(planned.fault):
                planned.fault.count -= planned.fault.count > 0
                planned.struck += 1
                self._tell()
                return planned.fault
        return None

    def _tell(self) -> None:
        self._changes.publish(Change("fault"))


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call of Slack's API or Twilio's: its arguments as parsed, when, and how it ended.

    `at` is in epoch seconds of the workspace's time.
    """

    method: str
    args: Json
    at: float
    ok: bool
    error: str | None


class CallLog:
    """The last 2,000 API calls."""

    def __init__(self) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=LOG_LENGTH)

    def add(self, call: LoggedCall) -> None:
        """Record a call."""
        self._calls.append(call)

    def of(self, method: str | None = None) -> list[Json]:
        """Return the calls of one method, or all calls; newest last."""
        return [asdict(call) for call in self._calls if method in {None, call.method}]
