"""Finds what each timer in an approval's history is for, and whether anything waits for it when it fires."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from durabletask import history as past
from pydantic import ValidationError

from orchestration.approval.state import ApprovalInput
from orchestration.domain.request import APPROVAL

Purpose = Literal["deadline", "reminder"]

# The longest time between computing a timer's end and setting the timer: people are looked up in between.
BETWEEN: Final = timedelta(minutes=1)


class Timers:
    """Follows a history, event by event, and infers a timer's purpose from its length: the history does not name it.

    The purpose of an ambiguous timer is None. A deadline and the reminder beside it are over once the next level, or
    the escalation, has its own, and once the request has ended.
    """

    def __init__(self) -> None:
        self._timeouts: set[timedelta] = set()
        self._pauses: set[timedelta] = set()
        self._carried: dict[datetime | None, Purpose] = {}
        self._set: dict[tuple[int, datetime], Purpose | None] = {}
        self._awaited: dict[Purpose, tuple[int, datetime]] = {}

    def follow(self, event: past.HistoryEvent) -> None:
        """Updates the timers from this event."""
        if isinstance(event, past.ExecutionStartedEvent) and event.name == APPROVAL:
            self._start(event.input)
        elif isinstance(event, past.TimerCreatedEvent):
            self._note(event)
        elif isinstance(event, past.TaskScheduledEvent) and event.name == "sign_receipt":
            self._awaited.clear()

    def purpose(self, timer_id: int, fire_at: datetime) -> Purpose | None:
        """Returns what the timer is for; None if that is not known."""
        return self._set.get((timer_id, fire_at))

    def is_over(self, timer_id: int, fire_at: datetime) -> bool:
        """Whether nothing waits for the timer any more, at this point of the history."""
        key = (timer_id, fire_at)
        if key not in self._set:
            return True  # an earlier generation set it
        purpose = self._set[key]
        return purpose is not None and self._awaited.get(purpose) != key

    def _start(self, given: str | None) -> None:
        try:
            started = ApprovalInput.model_validate(json.loads(given or "null"))
        except (ValueError, ValidationError, RecursionError):
            return
        if started.policy is not None:
            levels, limit = started.policy.levels, started.request.timeout
            timeouts = [level.timeout for level in levels]
            if started.policy.escalation is not None:
                timeouts.append(started.policy.escalation.timeout)
            self._timeouts = {min(one, limit or one) for one in timeouts}
            self._pauses = {level.remind_every for level in levels if level.remind_every}
        if started.state is not None:
            self._carried = {started.state.remind_at: "reminder", started.state.deadline: "deadline"}

    def _note(self, event: past.TimerCreatedEvent) -> None:
        key = (event.event_id, event.fire_at)
        until, at = _utc(event.fire_at), _utc(event.timestamp)
        purpose = self._carried.get(until) or self._by_length(until - at)
        self._set[key] = purpose
        if purpose == "deadline":
            self._awaited = {purpose: key}
        elif purpose is not None:
            self._awaited[purpose] = key

    def _by_length(self, length: timedelta) -> Purpose | None:
        is_deadline, reminds = _fits(length, self._timeouts), _fits(length, self._pauses)
        if is_deadline == reminds:
            return None
        return "deadline" if is_deadline else "reminder"


def _fits(length: timedelta, wanted: Collection[timedelta]) -> bool:
    return any(timedelta(0) <= one - length < min(BETWEEN, one / 2) for one in wanted)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
