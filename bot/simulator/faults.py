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
    """The next `count` calls of `method` fail; "*" is every method, "chat.*" a family, and -1 for ever.

    With `seconds`, it ends after so much real time, however often it struck.
    With `channel`, only calls about that channel are struck. `error` is an error code of Slack's, or
    "ratelimited" (HTTP 429 with `retry_after` seconds), or "http_500". Raises pydantic's ValidationError when
    it makes no sense.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    method: str = "*"
    error: str
    count: int = Field(default=1, ge=-1)
    retry_after: int = Field(default=1, ge=0)
    channel: str | None = None
    seconds: float | None = Field(default=None, gt=0, le=3600)

    def hits(self, method: str, channel: str | None) -> bool:
        """Say whether it strikes this call."""
        return fnmatchcase(method, self.method) and self.channel in {None, channel}


class RepeatingFault(Protocol):
    """A fault that strikes `count` times more; -1 is for ever. With `seconds`, it is over after so long."""

    count: int
    seconds: float | None


F = TypeVar("F", bound=RepeatingFault)


@dataclass(slots=True)
class PlannedFault(Generic[F]):
    """A fault that is on. `until` is a reading of the monotonic clock; `struck` counts how often it struck."""

    id: int
    fault: F
    until: float | None
    struck: int = 0

    @property
    def left(self) -> float | None:
        """Seconds of real time until it ends; None when it does not end by itself."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it cannot strike any more."""
        return self.fault.count == 0 or self.left == 0


class Faults(Generic[F]):
    """The planned faults of one kind. They strike in the order they were planned. Every change is published."""

    _ids = count(1)  # one sequence for all kinds, so that a number alone names a fault

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._planned: list[PlannedFault[F]] = []

    def plan(self, fault: F) -> int:
        """Plan a fault, and give its number."""
        until = None if fault.seconds is None else time.monotonic() + fault.seconds
        planned = PlannedFault(next(self._ids), fault, until)
        self._planned.append(planned)
        self._tell()
        return planned.id

    def on(self) -> list[PlannedFault[F]]:
        """Give the faults that may still strike."""
        self._planned = [planned for planned in self._planned if not planned.over]
        return list(self._planned)

    def clear(self, number: int | None = None) -> None:
        """Forget the planned fault of this number, if there is one; without a number, every one."""
        self._planned = [planned for planned in self._planned if number not in {None, planned.id}]
        self._tell()

    def strike(self, hits: Callable[[F], bool]) -> F | None:
        """Give the fault that strikes, and count it; None when the call may go on."""
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
        """Note a call."""
        self._calls.append(call)

    def of(self, method: str | None = None) -> list[Json]:
        """Give the calls of one method, or all; newest last."""
        return [asdict(call) for call in self._calls if method in {None, call.method}]
