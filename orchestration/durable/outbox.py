"""The outbox of a running orchestration: its items are done in the background, retried durably, in order in each lane.

Activities run at least once and carry no attempt number, so the retry loop is ours: each try knows its number.
Nothing here blocks the orchestration: a chat system that is down for an hour delays no decision and no deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.request import Recorded
from orchestration.durable import clock

FIRST_BACKOFF: Final = timedelta(seconds=1)
LONGEST_BACKOFF: Final = timedelta(minutes=5)
SHORTEST_PAUSE: Final = timedelta(seconds=1)


class OutboxItem(Recorded):
    """One thing to do outside. `give_up` is how long it is retried, counted from its first try."""

    longest_backoff: ClassVar[timedelta] = LONGEST_BACKOFF

    give_up: timedelta

    def covered_by(self, waiting: OutboxItem) -> bool:  # noqa: ARG002 - for those items that look
        """Whether `waiting`, still to be started in the same lane, does all that this one would do."""
        return False


class Attempted(Protocol):
    """What an item's activity returns: done, unless one of these is set."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try; this one did nothing."""
        ...

    @property
    def unsure(self) -> bool:
        """Whether an earlier try may have done it, also where this is the first that is counted."""
        ...

    @property
    def impossible(self) -> str | None:
        """Why no try will ever succeed."""
        ...


Item = TypeVar("Item", bound=OutboxItem)
Result = TypeVar("Result", bound=Attempted)
Item_contra = TypeVar("Item_contra", bound=OutboxItem, contravariant=True)
Result_contra = TypeVar("Result_contra", bound=Attempted, contravariant=True)


class Lane(BaseModel, Generic[Item]):
    """Items that keep their order, and how far the first of them has come. Mutable: the outbox owns it."""

    model_config = ConfigDict(extra="ignore")

    queue: list[Item] = Field(default_factory=list)
    attempt: int = 0
    since: datetime | None = None
    not_before: datetime | None = None


class Runner(Protocol[Item_contra, Result_contra]):
    """Knows what an item means."""

    def build(self, item: Item_contra, attempt: int) -> tuple[str, BaseModel]:
        """The activity to call and its input, from what is true now."""
        ...

    def done(self, item: Item_contra, attempt: int, result: Result_contra) -> None:
        """It was done, at that attempt."""
        ...

    def failed(self, item: Item_contra, problem: str) -> None:
        """It is impossible, or its time is over."""
        ...


class Outbox(Generic[Item, Result]):
    """Runs items while the orchestration waits for other things.

    Wait on `waits()`, then call `step()`: it takes the results of what has finished and starts the next try of each
    lane. `lanes` belongs to the caller's state: with nothing `running` it is all that a later generation needs.
    `result_type` is what the activities return.
    """

    def __init__(
        self,
        ctx: OrchestrationContext,
        now: Callable[[], datetime],
        lanes: dict[str, Lane[Item]],
        runner: Runner[Item, Result],
        result_type: type[Result],
    ) -> None:
        self._ctx = ctx
        self._now = now
        self._lanes = lanes
        self._runner = runner
        self._result_type = result_type
        self._running: dict[str, Task[Any]] = {}
        self._pausing: dict[str, Task[Any]] = {}
        self.written = 0  # bytes of inputs and failures that its activities have put into this history

    def put(self, lane: str, item: Item) -> None:
        """Adds an item behind those of its lane, unless one that waits there covers it."""
        queue = self._lanes.setdefault(lane, Lane[Item]()).queue
        waiting = queue[1:] if lane in self._running else queue
        if not any(item.covered_by(other) for other in waiting):
            queue.append(item)

    def waits(self) -> list[Task[Any]]:
        """What is under way."""
        return [*self._running.values(), *self._pausing.values()]

    @property
    def running(self) -> bool:
        """Whether a try is under way, whose result only this generation can take."""
        return bool(self._running)

    def busy(self) -> bool:
        """Whether anything is under way or still to do."""
        return bool(self._lanes)

    def step(self, *, start: bool = True) -> None:
        """Takes the results of what has finished and, unless told not to, starts what can start."""
        for key in [key for key, task in self._running.items() if task.is_complete]:
            self._take_result(key, self._running.pop(key))
        for key in [key for key, task in self._pausing.items() if task.is_complete]:
            del self._pausing[key]
            self._lanes[key].not_before = None
        # A result may have put more into any lane, so lanes start only after all results are taken.
        for key, lane in list(self._lanes.items()):
            if not lane.queue:
                del self._lanes[key]
            elif start and key not in self._running and key not in self._pausing:
                self._start(key, lane)

    def _start(self, key: str, lane: Lane[Item]) -> None:
        if lane.not_before is not None and lane.not_before > self._now():
            self._pausing[key] = clock.timer(self._ctx, lane.not_before)
            return
        lane.attempt += 1
        lane.since, lane.not_before = lane.since or self._now(), None
        activity, given = self._runner.build(lane.queue[0], lane.attempt)
        self.written += len(given.model_dump_json())
        self._running[key] = self._ctx.call_activity(activity, input=given, return_type=self._result_type)

    def _take_result(self, key: str, task: Task[Any]) -> None:
        """One try is over: done, given up, or a pause before the next."""
        lane = self._lanes[key]
        item, attempt, since = lane.queue[0], lane.attempt, lane.since or self._now()
        pause = min(FIRST_BACKOFF * 2 ** min(attempt - 1, 12), item.longest_backoff)
        result: Result | None = None
        problem: str | None = None
        try:
            result = task.get_result()
        except TaskFailedError as error:
            problem = error.details.message  # the error's own text is this one, wrapped by the SDK
            self.written += len(problem) + len(error.details.stack_trace or "")
        if result is not None and result.retry_after is not None:
            if not result.unsure:
                lane.attempt -= 1  # nothing was done, so the next try need not look whether it was
            pause = max(timedelta(seconds=result.retry_after), SHORTEST_PAUSE)
            problem = "it kept asking us to wait"
        impossible = result.impossible if result is not None else None
        if problem is not None and impossible is None and self._now() + pause - since <= item.give_up:
            lane.not_before = self._now() + pause
            return
        lane.queue.pop(0)
        lane.attempt, lane.since = 0, None
        if result is not None and problem is None and impossible is None:
            self._runner.done(item, attempt, result)
        else:
            self._runner.failed(item, impossible or problem or "it kept failing")
