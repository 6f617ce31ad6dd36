"""The `call_list` orchestration: one card for the waiting calls of a run. Deterministic, no I/O.

It decides nothing and knows no votes: each call is its own request, and sends the list the content of its own card.
"""

from __future__ import annotations

from durabletask.task import OrchestrationContext

from orchestration.approval.run import ContinueAsNew
from orchestration.call_lists.models import CallListInput, CallListProgress
from orchestration.call_lists.run import CallListRun
from orchestration.durable.generator import Durable


def call_list(ctx: OrchestrationContext, given: CallListInput) -> Durable[CallListProgress | None]:
    """Runs from the first call until none waits any more. Returns its last progress."""
    run = CallListRun(ctx, given)
    run.begin()
    try:
        yield from run.keep()
    except ContinueAsNew:
        ctx.continue_as_new(run.carried(), save_events=True)
        return None
    return run.progress()
