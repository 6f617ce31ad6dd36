"""The `gathering` orchestration: asks several people and systems at once, and collects their answers.

Deterministic, no I/O. Read `gathering` first; it is the whole process. The waiting is durable.
"""

from __future__ import annotations

from durabletask.task import OrchestrationContext

from orchestration.approval.run import ContinueAsNew
from orchestration.domain.gathering import Gathered, GatheringStatus
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.gathering import projection
from orchestration.gathering.run import GatheringRun
from orchestration.gathering.state import GatheringInput, TakenGathering


def gathering(ctx: OrchestrationContext, given: GatheringInput) -> Durable[Gathered | None]:
    """Asks everybody, waits until all have answered or the deadline has passed, and returns the answers."""
    if given.policy is None or not given.nonce:
        return (yield from take_policy(ctx, given))
    run = GatheringRun(ctx, given)
    try:
        yield from run.begin()
        yield from run.collect()
        yield from run.finish()
    except ContinueAsNew:
        ctx.continue_as_new(run.carried(), save_events=True)
        return None
    return projection.result(run.record)


def take_policy(ctx: OrchestrationContext, given: GatheringInput) -> Durable[Gathered | None]:
    """Adds the policy and a nonce to a request of another orchestration, and continues as new."""
    taken: TakenGathering = yield ctx.call_activity(
        "take_gathering_policy", input=given.request, return_type=TakenGathering
    )
    if taken.given is not None:
        ctx.continue_as_new(taken.given, save_events=True)
        return None
    result = Gathered(
        request_id=ctx.instance_id,
        status=GatheringStatus.FAILED,
        collected_at=clock.now(ctx),
        is_complete=False,
        reason=taken.problem,
        digest=given.request.digest(),
    )
    ctx.set_custom_status(projection.refused(result, given))
    return result
