"""The current time and timers of an orchestration. The SDK's times are naive UTC; ours are aware."""

from __future__ import annotations

from datetime import UTC, datetime

from durabletask.task import CancellableTask, OrchestrationContext


def now(ctx: OrchestrationContext) -> datetime:
    """The time of the present turn, aware UTC. It is the same in each replay."""
    return ctx.current_utc_datetime.replace(tzinfo=UTC)


def timer(ctx: OrchestrationContext, moment: datetime) -> CancellableTask[None]:
    """A task that completes at the given time, which is aware."""
    return ctx.create_timer(moment.astimezone(UTC).replace(tzinfo=None))
