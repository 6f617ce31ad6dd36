"""The outbox of a running orchestration: its items are done in the background, retried durably, in order in each lane.

Activities run at least once and carry no attempt number, so the retry loop is ours: each try knows its number.
Nothing here blocks the orchestration: a chat system that is down for an hour delays no decision and no deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

from durabletask.task import CancellableTask, OrchestrationContext, Task, TaskFailedError
from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.request import Recorded
from orchestration.durable import clock

FIRST_BACKOFF: Final = timedelta(seconds=1)
LONGEST_BACKOFF: Final = timedelta(minutes=5)
SHORTEST_PAUSE: Final = timedelta(milliseconds=100)
# Whoever waits for an item hears that it fails, once it has failed for so long.
LATE_AFTER: Final = timedelta(minutes=1)


class OutboxItem(Recorded):
    """One thing to do outside. `give_up` is how long it is retried, counted from its first try.

    Of the items with an `urgency` the lowest goes first: none starts while a more urgent one is under way. An item
    without one neither waits nor is waited for.
    """

    longest_backoff: ClassVar[timedelta] = LONGEST_BACKOFF
    urgency: ClassVar[int | None] = None

    give_up: timedelta
    maybe_done: bool = Field(
        default=False, description="Whether somebody else, whom this one follows, may have done it"
    )

    def covered_by(self, waiting: OutboxItem) -> bool:  # noqa: ARG002 - for those items that look
        """Whether `waiting`, still to be started in the same lane, does all that this one would do."""
        return False

    def joined(self, later: OutboxItem) -> Self | None:  # noqa: ARG002 - as above
        """One item that does this and then `later`, where that is less to do; None where each stays its own."""
        return None


class Attempted(Protocol):
    """What an item's activity returns: done, unless `retry_after`, `failed` or `impossible` is set."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try; this one did nothing."""
        ...

    @property
    def failed(self) -> str | None:
        """Why this try failed; the next may succeed."""
        ...

    @property
    def impossible(self) -> str | None:
        """Why no try will ever succeed."""
        ...

    @property
    def unsure(self) -> bool:
        """Whether another try may have done it: an earlier one, or this one where it was not done for certain."""
        ...


Item = TypeVar("Item", bound=OutboxItem)
Result = TypeVar("Result", bound=Attempted)
Item_contra = TypeVar("Item_contra", bound=OutboxItem, contravariant=True)
Result_contra = TypeVar("Result_contra", bound=Attempted, contravariant=True)


class Lane(BaseModel, Generic[Item]):
    """Items that keep their order, and how far the first of them has come. Mutable: the outbox owns it.

    `maybe_done` says that a try of the first item may have done it. It is looked for then, before it is done again.
    """

    model_config = ConfigDict(extra="ignore")

    queue: list[Item] = Field(default_factory=list)
    attempt: int = 0
    maybe_done: bool = False
    since: datetime | None = None
    not_before: datetime | None = None
    late: bool = False


class Runner(Protocol[Item_contra, Result_contra]):
    """Knows what an item means."""

    def build(self, item: Item_contra, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity to call and its input, from what is true now."""
        ...

    def done(self, item: Item_contra, result: Result_contra) -> None:
        """It was done."""
        ...

    def put_off(self, item: Item_contra, attempt: int, problem: str, pause: timedelta) -> None:
        """That try failed, and the next one is after the pause. For a line in the log."""
        ...

    def late(self, item: Item_contra, problem: str) -> None:
        """It has failed for a minute, and is still tried. Told once."""
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
        self._pausing: dict[str, CancellableTask[None]] = {}
        self.written = 0  # bytes of inputs and failures that its activities have put into this history

    def put(self, lane: str, item: Item, *, after: timedelta | None = None, hurry: bool = False) -> None:
        """Adds an item behind those of its lane, unless one that waits there covers it, or takes it in.

        The first item of a new lane starts `after` so long. With `hurry`, the one that covers it waits no longer.
        """
        if after is not None and lane not in self._lanes:
            self._lanes[lane] = Lane[Item](not_before=self._now() + after)
        known = self._lanes.setdefault(lane, Lane[Item]())
        queue, running = known.queue, lane in self._running
        if any(item.covered_by(other) for other in (queue[1:] if running else queue)):
            if hurry and not running:
                self._wake(lane)
            return
        # What was tried stays what it was, or it would not be known again.
        tried = 1 if running or known.attempt or known.maybe_done else 0
        if len(queue) > tried and (both := queue[-1].joined(item)) is not None:
            queue[-1] = both
        else:
            queue.append(item)

    def withdraw(self, unwanted: Callable[[Item], bool]) -> None:
        """Takes out the items that nobody wants any more, but for those that are under way."""
        for key, lane in self._lanes.items():
            if not lane.queue:
                continue
            first, *others = lane.queue
            kept = [item for item in others if not unwanted(item)]
            if key in self._running or not unwanted(first):
                lane.queue = [first, *kept]
                continue
            lane.queue = kept
            lane.attempt, lane.maybe_done, lane.since, lane.late = 0, False, None, False
            lane.not_before = None
            if (pause := self._pausing.pop(key, None)) is not None:
                pause.cancel()

    def look_now(self, lane: str) -> None:
        """Has the lane not wait any longer, where it is not known whether its first item was done."""
        found = self._lanes.get(lane)
        if found is not None and found.maybe_done and lane not in self._running:
            self._wake(lane)

    def _wake(self, lane: str) -> None:
        self._lanes[lane].not_before = None
        if (pause := self._pausing.pop(lane, None)) is not None:
            pause.cancel()

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

    def step(self, *, start: bool = True, most: int | None = None) -> None:
        """Takes the results of what has finished and, unless told not to, starts what can start.

        Nothing more starts once `most` bytes are `written`. Give it where a later generation starts the rest.
        """
        for key in [key for key, task in self._running.items() if task.is_complete]:
            self._take_result(key, self._running.pop(key))
        for key in [key for key, task in self._pausing.items() if task.is_complete]:
            del self._pausing[key]
            self._lanes[key].not_before = None
        # A result may have put more into any lane, so lanes start only after all results are taken.
        for key, lane in sorted(self._lanes.items(), key=_urgency):
            if not lane.queue:
                del self._lanes[key]
            elif start and (most is None or self.written < most) and self._waits_to_start(key):
                self._start(key, lane)

    def _waits_to_start(self, key: str) -> bool:
        return key not in self._running and key not in self._pausing

    def _start(self, key: str, lane: Lane[Item]) -> None:
        if lane.not_before is not None and lane.not_before > self._now():
            self._pausing[key] = clock.timer(self._ctx, lane.not_before)
            return
        item = lane.queue[0]
        if item.urgency is not None and any(map(partial(self._is_before, item.urgency), self._running)):
            return
        lane.attempt += 1
        lane.since, lane.not_before = lane.since or self._now(), None
        lane.maybe_done = lane.maybe_done or item.maybe_done
        activity, given = self._runner.build(item, lane.attempt, maybe_done=lane.maybe_done)
        self.written += len(given.model_dump_json().encode())
        self._running[key] = self._ctx.call_activity(activity, input=given, return_type=self._result_type)

    def _is_before(self, urgency: int, running: str) -> bool:
        other = self._lanes[running].queue[0].urgency
        return other is not None and other < urgency

    def _take_result(self, key: str, task: Task[Any]) -> None:
        """One try is over: done, given up, or a pause before the next."""
        lane = self._lanes[key]
        item, since = lane.queue[0], lane.since or self._now()
        result: Result | None = None
        try:
            result = task.get_result()
        except TaskFailedError as error:
            problem: str | None = (
                error.details.message
            )  # the error's own text is this one, wrapped by the SDK
            lane.maybe_done = True
            self.written += len(
                (error.details.message + (error.details.stack_trace or "")).encode(errors="replace")
            )
        else:
            lane.maybe_done = lane.maybe_done or result.unsure
            problem = result.failed if result.retry_after is None else "it kept asking us to wait"
        impossible = result.impossible if result is not None else None
        left = since + item.give_up - self._now()
        if problem is not None and impossible is None and left > timedelta(0):
            self._put_off(lane, result, problem, left)
            return
        lane.queue.pop(0)
        lane.attempt, lane.maybe_done, lane.since, lane.late = 0, False, None, False
        if result is not None and problem is None and impossible is None:
            self._runner.done(item, result)
        else:
            self._runner.failed(item, impossible or problem or "it kept failing")

    def _put_off(self, lane: Lane[Item], result: Result | None, problem: str, left: timedelta) -> None:
        """Until the next try. The last one is when the time to give up has come, and no earlier."""
        item, attempt = lane.queue[0], lane.attempt
        if result is not None and result.retry_after is not None:
            lane.attempt -= 1
            pause = max(timedelta(seconds=result.retry_after), SHORTEST_PAUSE)
        else:
            pause = min(FIRST_BACKOFF * 2 ** min(attempt - 1, 12), item.longest_backoff, left)
        lane.not_before = self._now() + pause
        # The next try does what was asked for during this one. It says something else, so its turn may be another.
        left_over = [later for later in lane.queue[1:] if not later.covered_by(item)]
        if len(left_over) < len(lane.queue) - 1 and result is not None and result.retry_after is not None:
            lane.not_before = None
        lane.queue[1:] = left_over
        self._runner.put_off(item, attempt, problem, pause)
        if result is not None and result.retry_after is not None:
            return
        if not lane.late and lane.since is not None and self._now() - lane.since >= LATE_AFTER:
            lane.late = True
            self._runner.late(item, problem)


def _urgency(entry: tuple[str, Lane[Any]]) -> int:
    """By which the lanes start; what has none starts first, since nothing waits for it."""
    queue = entry[1].queue
    return queue[0].urgency or 0 if queue else 0
