"""The `standing_grant` orchestration: opens a grant, shows its uses, ends it. Deterministic, no I/O.

Only this orchestration says whether the grant stands; only the entity `grant_uses` counts its uses.
"""

from __future__ import annotations

from durabletask.task import OrchestrationContext

from orchestration.approval.run import ContinueAsNew
from orchestration.durable.generator import Durable
from orchestration.grants.models import GrantInput, GrantProgress
from orchestration.grants.run import GrantRun


def standing_grant(ctx: OrchestrationContext, given: GrantInput) -> Durable[GrantProgress | None]:
    """Runs from when the grant begins to count until it has ended. Returns its last progress."""
    run = GrantRun(ctx, given)
    try:
        yield from run.open()
        yield from run.stand()
        yield from run.finish()
    except ContinueAsNew:
        ctx.continue_as_new(run.carried(), save_events=True)
        return None
    return run.progress()
