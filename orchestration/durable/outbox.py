"""Errands of a running orchestration: done in the background, retried durably, in order within their lane.

Activities run at least once and carry no attempt number, so the retry loop is ours: each try knows its number.
Nothing here blocks the orchestration: a chat system that is down for an hour delays no decision and no deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import BaseModel

from orchestration.approval.outbox_items import AnyOutboxItem, EditCard, Lane, SendCallback
from orchestration.domain.cards import Delivery

FIRST_BACKOFF: Final = timedelta(seconds=1)
LONGEST_BACKOFF: Final = timedelta(minutes=5)
# Somebody else's server may be away for days: asking it every five minutes would help nobody.
LONGEST_BACKOFF_OF_CALLS: Final = timedelta(hours=1)
SHORTEST_PAUSE: Final = timedelta(seconds=1)


class Runner(Protocol):
    """Knows what an item means."""

    def build(self, item: AnyOutboxItem, attempt: int, since: datetime) -> tuple[str, BaseModel]:
        """The activity to call and its input, from what is true now."""
        ...

    def done(self, item: AnyOutboxItem, attempt: int, delivery: Delivery) -> None:
        """It was done, at that attempt."""
        ...

    def failed(self, item: AnyOutboxItem, problem: str) -> None:
        """It is impossible, or its time is over."""
        ...


class Outbox:
    """Runs items while the orchestration waits for other things.

    Wait on `waits()`, then call `step()`; whatever has finished is settled and the next try of each lane starts.
    `lanes` belongs to the caller's state: with nothing `running` it is all that a later generation needs.
    """

    def __init__(
        self,
        ctx: OrchestrationContext,
        now: Callable[[], datetime],
        lanes: dict[str, Lane],
        runner: Runner,
    ) -> None:
        self._ctx = ctx
        self._now = now
        self._lanes = lanes
        self._runner = runner
        self._running: dict[str, Task[Any]] = {}
        self._pausing: dict[str, Task[Any]] = {}
        self.written = 0  # bytes of inputs and failures that its activities have put into this history

    def put(self, lane: str, item: AnyOutboxItem) -> None:
        """Adds an item behind those of its lane. An edit is not queued while one of that copy still waits there."""
        queue = self._lanes.setdefault(lane, Lane()).queue
        waiting = queue[1:] if lane in self._running else queue
        if not (isinstance(item, EditCard) and any(isinstance(other, EditCard) for other in waiting)):
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
        """Settles what finished and, unless told not to, starts what can start."""
        for key in [key for key, task in self._running.items() if task.is_complete]:
            self._settle(key, self._running.pop(key))
        for key in [key for key, task in self._pausing.items() if task.is_complete]:
            del self._pausing[key]
            self._lanes[key].not_before = None
        # Settling may have put more into any lane, so lanes start only after all have settled.
        for key, lane in list(self._lanes.items()):
            if not lane.queue:
                del self._lanes[key]
            elif start and key not in self._running and key not in self._pausing:
                self._start(key, lane)

    def _start(self, key: str, lane: Lane) -> None:
        if lane.not_before is not None and lane.not_before > self._now():
            self._pausing[key] = self._ctx.create_timer(lane.not_before.astimezone(UTC).replace(tzinfo=None))
            return
        lane.attempt += 1
        lane.since, lane.not_before = lane.since or self._now(), None
        activity, given = self._runner.build(lane.queue[0], lane.attempt, lane.since)
        self.written += len(given.model_dump_json())
        self._running[key] = self._ctx.call_activity(activity, input=given, return_type=Delivery)

    def _settle(self, key: str, task: Task[Any]) -> None:
        """One try is over: done, given up, or a pause before the next."""
        lane = self._lanes[key]
        item, attempt, since = lane.queue[0], lane.attempt, lane.since or self._now()
        longest = LONGEST_BACKOFF_OF_CALLS if isinstance(item, SendCallback) else LONGEST_BACKOFF
        pause = min(FIRST_BACKOFF * 2 ** min(attempt - 1, 12), longest)
        delivery: Delivery | None = None
        problem: str | None = None
        try:
            delivery = task.get_result()
        except TaskFailedError as error:
            problem = error.details.message  # of which the SDK's own words are the wrapping
            self.written += len(problem) + len(error.details.stack_trace or "")
        if delivery and delivery.retry_after is not None:
            lane.attempt -= 1  # nothing was done, so the next try need not look whether it was
            pause = max(timedelta(seconds=delivery.retry_after), SHORTEST_PAUSE)
            problem = "it kept asking us to wait"
        impossible = delivery.impossible if delivery else None
        if problem is not None and impossible is None and self._now() + pause - since <= item.give_up:
            lane.not_before = self._now() + pause
            return
        lane.queue.pop(0)
        lane.attempt, lane.since = 0, None
        if delivery is not None and problem is None and impossible is None:
            self._runner.done(item, attempt, delivery)
        else:
            self._runner.failed(item, impossible or problem or "it kept failing")
