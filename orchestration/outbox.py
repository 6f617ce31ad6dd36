"""Effects of a running orchestration: done in the background, retried durably, in order within their lane.

Activities run at least once and carry no attempt number, so the retry loop is ours: each try knows its number.
Nothing here blocks the orchestration: a chat system that is down for an hour delays no decision and no deadline.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import BaseModel

from orchestration.cards import Delivery

FIRST_BACKOFF: Final = timedelta(seconds=1)
LONGEST_BACKOFF: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Effect:
    """One thing to do outside.

    `build(attempt, now)` makes the activity's input when the try starts, so that an edit says what is true then.
    `done` gets the delivery; `failed` gets the reason when it is impossible or `give_up` has passed.
    """

    activity: str
    build: Callable[[int, datetime], BaseModel]
    give_up: timedelta
    done: Callable[[Delivery], None] = lambda _: None
    failed: Callable[[str], None] = lambda _: None
    replaceable: bool = False


class _Lane:
    """Effects that must keep their order; at most one is under way."""

    def __init__(self) -> None:
        self.queue: deque[Effect] = deque()
        self.attempt = 0
        self.since: datetime | None = None
        self.running: Task[Any] | None = None
        self.pausing: Task[Any] | None = None


class Outbox:
    """Runs effects while the orchestration waits for other things.

    Wait on `waits()`, then call `step()`; whatever has finished is settled and the next try of each lane starts.
    """

    def __init__(self, ctx: OrchestrationContext, now: Callable[[], datetime]) -> None:
        self._ctx = ctx
        self._now = now
        self._lanes: dict[str, _Lane] = {}

    def put(self, lane: str, effect: Effect) -> None:
        """Adds an effect behind those of its lane. A replaceable one is not queued while its like still waits there."""
        queue = self._lanes.setdefault(lane, _Lane()).queue
        waiting = list(queue)[1:] if self._lanes[lane].running else list(queue)
        if not (effect.replaceable and any(e.replaceable and e.activity == effect.activity for e in waiting)):
            queue.append(effect)

    def waits(self) -> list[Task[Any]]:
        """What is under way; empty when nothing is left to do."""
        return [task for lane in self._lanes.values() if (task := lane.running or lane.pausing)]

    def busy(self) -> bool:
        """Whether anything is under way or still to do."""
        return bool(self._lanes)

    def step(self) -> None:
        """Settles what finished and starts what can start."""
        for lane in list(self._lanes.values()):
            if lane.running and lane.running.is_complete:
                self._settle(lane)
            if lane.pausing and lane.pausing.is_complete:
                lane.pausing = None
        # Settling may have put more into any lane, so lanes start only after all have settled.
        for key, lane in list(self._lanes.items()):
            if not lane.queue:
                del self._lanes[key]
            elif not lane.running and not lane.pausing:
                self._start(lane)

    def _start(self, lane: _Lane) -> None:
        effect = lane.queue[0]
        lane.attempt += 1
        lane.since = lane.since or self._now()
        given = effect.build(lane.attempt, lane.since)
        lane.running = self._ctx.call_activity(effect.activity, input=given, return_type=Delivery)

    def _settle(self, lane: _Lane) -> None:
        """One try is over: done, given up, or a pause before the next."""
        task, effect, since = lane.running, lane.queue[0], lane.since
        if task is None or since is None:
            raise AssertionError("a lane settles only after it has started")
        lane.running = None
        pause = min(FIRST_BACKOFF * 2 ** min(lane.attempt - 1, 10), LONGEST_BACKOFF)
        problem: str | None
        try:
            delivery: Delivery | None = task.get_result()
        except TaskFailedError as error:
            delivery, problem = None, str(error)
        else:
            problem = delivery.impossible if delivery else None
            if delivery and delivery.retry_after is not None:
                lane.attempt -= 1  # nothing was done, so the next try need not look whether it was
                pause = max(timedelta(seconds=delivery.retry_after), timedelta(milliseconds=100))
                problem = "the chat system kept asking us to wait"
        if (
            problem is not None
            and not (delivery and delivery.impossible)
            and self._now() + pause - since <= effect.give_up
        ):
            lane.pausing = self._ctx.create_timer(pause)
            return
        lane.queue.popleft()
        lane.attempt, lane.since = 0, None
        if problem is None and delivery is not None:
            effect.done(delivery)
        else:
            effect.failed(problem or "it kept failing")
