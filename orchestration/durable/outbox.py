"""The outbox of a running orchestration: runs its items in the background, durably retried, in order in each lane.

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
# The runner is told that an item is late once it has failed for this long.
LATE_AFTER: Final = timedelta(minutes=1)


class OutboxItem(Recorded):
    """One thing to do outside. It is retried for `give_up`, counted from its first try.

    Among items with an `urgency` the lowest number goes first: none starts while a more urgent one is under way. An
    item without an urgency waits for no other item, and none waits for it.
    """

    longest_backoff: ClassVar[timedelta] = LONGEST_BACKOFF
    urgency: ClassVar[int | None] = None

    give_up: timedelta
    maybe_done: bool = Field(
        default=False, description="Whether somebody else, whom this one follows, may have done it"
    )

    def covered_by(self, waiting: OutboxItem) -> bool:  # noqa: ARG002 - for those items that look
        """Whether `waiting`, an item of the same lane that has not started, does all that this one would do."""
        return False

    def joined(self, later: OutboxItem) -> Self | None:  # noqa: ARG002 - as above
        """One item that does the work of this one and then of `later`, where that saves work; else None."""
        return None


class Attempted(Protocol):
    """The result of an item's activity: done, unless `retry_after`, `failed` or `impossible` is set."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try. Set where this try did nothing."""
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
        """Whether another try may have done it: an earlier one, or this one where its success is not certain."""
        ...


Item = TypeVar("Item", bound=OutboxItem)
Result = TypeVar("Result", bound=Attempted)
Item_contra = TypeVar("Item_contra", bound=OutboxItem, contravariant=True)
Result_contra = TypeVar("Result_contra", bound=Attempted, contravariant=True)


class Lane(BaseModel, Generic[Item]):
    """Items that run in order, and the state of the first of them. Mutable: the outbox owns it.

    `maybe_done` says that a try of the first item may have succeeded. The next try then looks for the effect first.
    """

    model_config = ConfigDict(extra="ignore")

    queue: list[Item] = Field(default_factory=list)
    attempt: int = 0
    maybe_done: bool = False
    since: datetime | None = None
    not_before: datetime | None = None
    late: bool = False


class Runner(Protocol[Item_contra, Result_contra]):
    """Turns an item into a call of an activity, and is told the results."""

    def build(self, item: Item_contra, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity to call and its input, from what is true now."""
        ...

    def done(self, item: Item_contra, result: Result_contra) -> None:
        """Called when the item was done."""
        ...

    def put_off(self, item: Item_contra, attempt: int, problem: str, pause: timedelta) -> None:
        """Called when try number `attempt` failed and the next one follows after `pause`; for a line in the log."""
        ...

    def late(self, item: Item_contra, problem: str) -> None:
        """Called once, when the item has failed for a minute and is still tried."""
        ...

    def failed(self, item: Item_contra, problem: str) -> None:
        """Called when the item is impossible or was retried for as long as `give_up` allows."""
        ...


class Outbox(Generic[Item, Result]):
    """Runs items while the orchestration waits for other things.

    Wait on `waits()`, then call `step()`: it takes the results of what has finished and starts the next try of each
    lane. `lanes` belongs to the caller's state: while nothing is `running`, a later generation needs nothing else.
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
        self.written = 0  # bytes of the inputs and failures that its activities have added to this history

    def put(self, lane: str, item: Item, *, after: timedelta | None = None, hurry: bool = False) -> None:
        """Adds an item at the end of its lane, unless an item that waits there covers it or can be joined with it.

        The first item of a new lane starts after the time `after`. With `hurry`, a waiting item that covers this
        one starts without further delay.
        """
        if after is not None and lane not in self._lanes:
            self._lanes[lane] = Lane[Item](not_before=self._now() + after)
        known = self._lanes.setdefault(lane, Lane[Item]())
        queue, running = known.queue, lane in self._running
        if any(item.covered_by(other) for other in (queue[1:] if running else queue)):
            if hurry and not running:
                self._wake(lane)
            return
        # An item that was tried must not change: its effect could not be found again.
        tried = 1 if running or known.attempt or known.maybe_done else 0
        if len(queue) > tried and (both := queue[-1].joined(item)) is not None:
            queue[-1] = both
        else:
            queue.append(item)

    def withdraw(self, unwanted: Callable[[Item], bool]) -> None:
        """Removes the items for which `unwanted` is true, except those that are under way."""
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
        """Ends the pause of the lane where it is not known whether its first item was done."""
        found = self._lanes.get(lane)
        if found is not None and found.maybe_done and lane not in self._running:
            self._wake(lane)

    def _wake(self, lane: str) -> None:
        self._lanes[lane].not_before = None
        if (pause := self._pausing.pop(lane, None)) is not None:
            pause.cancel()

    def waits(self) -> list[Task[Any]]:
        """The tasks to wait on: running tries and pauses."""
        return [*self._running.values(), *self._pausing.values()]

    @property
    def running(self) -> bool:
        """Whether a try is under way. Only this generation can take its result."""
        return bool(self._running)

    def busy(self) -> bool:
        """Whether anything is under way or still to do."""
        return bool(self._lanes)

    def step(self, *, start: bool = True, most: int | None = None) -> None:
        """Takes the results of what has finished and, unless `start` is false, starts what can start.

        Starts nothing more once `written` has reached `most` bytes. Give `most` where a later generation starts the
        rest.
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
        """Handles the end of one try: the item is done or given up, or a pause follows before the next try."""
        lane = self._lanes[key]
        item, since = lane.queue[0], lane.since or self._now()
        result: Result | None = None
        try:
            result = task.get_result()
        except TaskFailedError as error:
            problem: str | None = (
                error.details.message
            )  # the error's own text is this message with the SDK's words around it
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
        """Plans the next try after a pause. The last try comes exactly when the time to give up has come."""
        item, attempt = lane.queue[0], lane.attempt
        if result is not None and result.retry_after is not None:
            lane.attempt -= 1
            pause = max(timedelta(seconds=result.retry_after), SHORTEST_PAUSE)
        else:
            pause = min(FIRST_BACKOFF * 2 ** min(attempt - 1, 12), item.longest_backoff, left)
        lane.not_before = self._now() + pause
        # The next try also does what was asked for during this one. It then says something new, so its place in the
        # order may differ.
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
    """The order in which lanes start. A lane without an urgency starts first, since nothing waits for it."""
    queue = entry[1].queue
    return queue[0].urgency or 0 if queue else 0
