"""The `fulfilment` orchestration: moves an approved request on to a final state. Deterministic, no I/O.

Read `fulfilment` first. The waiting is durable: each `yield` may last weeks.
"""

from __future__ import annotations

from durabletask.task import OrchestrationContext

from orchestration.durable.generator import Durable
from orchestration.fulfilment.models import FulfilmentInput, FulfilmentProgress
from orchestration.fulfilment.run import FulfilmentRun


def fulfilment(ctx: OrchestrationContext, given: FulfilmentInput) -> Durable[FulfilmentProgress | None]:
    """Handles one arrival after the other, until a final state is reached and all its effects are done."""
    run = FulfilmentRun(ctx, given)
    run.begin()
    while run.goes_on():
        if run.should_continue_as_new():
            ctx.continue_as_new(run.carried(), save_events=True)
            return None
        yield run.whatever_comes()
        run.handle()
    return run.progress()
