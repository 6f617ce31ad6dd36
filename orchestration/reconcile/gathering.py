"""The `reconcile_gathering` orchestration: corrects the messages of a gathering that ended without running its code."""

from __future__ import annotations

from datetime import datetime

from durabletask.task import OrchestrationContext, when_any

from orchestration.domain.gathering import Gathered, GatheringProgress, GatheringStatus
from orchestration.domain.request import Recorded
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.gathering import projection
from orchestration.gathering.effects import GatheringEffects
from orchestration.gathering.record import GatheringRecord
from orchestration.gathering.state import GatheringInput, GatheringState
from orchestration.gathering.status import STOPPED_BECAUSE
from orchestration.people.worklist import WorklistUpdates


class ReconcileGatheringInput(Recorded):
    """What is known of the ended instance: its input, its last published progress, and how it ended."""

    given: GatheringInput
    progress: GatheringProgress
    status: GatheringStatus


def reconcile_gathering(ctx: OrchestrationContext, ended: ReconcileGatheringInput) -> Durable[Gathered]:
    """Edits every posted message, tells the requester, puts the result on record and sends it. Returns it."""

    def now() -> datetime:
        return clock.now(ctx)

    record = _record(ended)
    # With a result of its own, it may have told everybody before it was stopped.
    own = record.ended
    effects = GatheringEffects(ctx, record, now, maybe_done=own)
    if not own:
        record.end(ended.status, now(), reason=STOPPED_BECAUSE[ended.status])
    effects.look_for_posts()
    effects.tell_of_end()
    WorklistUpdates(ctx, record.request_id).ended(record.request.requester)
    while True:
        effects.outbox.step()
        waits = effects.outbox.waits()
        if not waits:
            return projection.result(record)
        yield when_any(waits)


def _record(ended: ReconcileGatheringInput) -> GatheringRecord:
    """The record as far as the outside saw it."""
    seen = ended.progress
    state = GatheringState(
        asked_at=seen.asked_at,
        deadline=seen.deadline or seen.asked_at,
        answers={source.name: source.answer for source in seen.sources if source.answer},
        problems={source.name: source.problem for source in seen.sources if source.problem},
        posts=seen.posts,
        steps=seen.steps,
    )
    if seen.result is not None and seen.result.status is not ended.status:
        result = seen.result
        state.status, state.ended_at = result.status, result.collected_at
        state.ended_by, state.reason = result.ended_by, result.reason
        state.record, state.record_pending = result.record, result.record is None
    return GatheringRecord(seen.request_id, ended.given.model_copy(update={"state": state}), seen.asked_at)
