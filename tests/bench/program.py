"""The program that the bench runs: start, activity, an event against a two-day timer, activity, done."""

from datetime import timedelta
from typing import Any

from durabletask import task

WAITING = '"waiting"'
EVENT = "decision"


def step(_ctx: task.ActivityContext, number: int) -> int:
    """An activity that does nothing."""
    return number + 1


def flow(ctx: task.OrchestrationContext, number: int) -> Any:
    """An orchestration with the steps of an approval."""
    number = yield ctx.call_activity(step, input=number)
    decision = ctx.wait_for_external_event(EVENT)
    deadline = ctx.create_timer(timedelta(days=2))
    ctx.set_custom_status("waiting")
    winner = yield task.when_any([decision, deadline])
    if winner is decision:
        deadline.cancel()
    return (yield ctx.call_activity(step, input=number))
