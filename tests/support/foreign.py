"""Orchestrations of another program, which run in the same worker and on the same hub as ours."""

from __future__ import annotations

from typing import Any

from durabletask.task import OrchestrationContext


def listener(ctx: OrchestrationContext, event: str) -> Any:
    """Waits for one event of that name, and ends with what it was told."""
    return (yield ctx.wait_for_external_event(event))


def stumbles(ctx: OrchestrationContext, _: None) -> Any:
    """Fails."""
    yield ctx.create_timer(ctx.current_utc_datetime)
    raise ValueError("stumbled")


def asks(ctx: OrchestrationContext, request: Any) -> Any:
    """Asks for the given request by the name of our workflow and JSON alone."""
    return (yield ctx.call_sub_orchestrator("approval", input={"request": request}))


FOREIGN = (listener, stumbles, asks)
