"""Trouble on demand, and a record of what the app called."""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]

LOG_LENGTH = 2000


class Fault(BaseModel):
    """The next `count` calls of `method` fail; "*" is every method, and -1 for ever.

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

    def hits(self, method: str, channel: str | None) -> bool:
        """Say whether it strikes this call."""
        return self.method in {"*", method} and self.channel in {None, channel}


class Counted(Protocol):
    """A fault that strikes `count` times more; -1 is for ever."""

    count: int


F = TypeVar("F", bound=Counted)


class Faults(Generic[F]):
    """The faults of one kind that are planned, struck in the order they were planned."""

    def __init__(self) -> None:
        self._planned: list[F] = []

    def plan(self, fault: F) -> None:
        """Plan a fault."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Forget every planned fault."""
        self._planned.clear()

    def strike(self, hits: Callable[[F], bool]) -> F | None:
        """Give the fault that strikes, using it up by one; None when all may go on."""
        for fault in self._planned:
            if fault.count and hits(fault):
                fault.count -= fault.count > 0
                return fault
        return None


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
