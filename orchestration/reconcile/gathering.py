"""The `reconcile_gathering` orchestration: corrects the messages of a gathering that ended without running its code."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from durabletask.task import OrchestrationContext, when_any
from pydantic import Field

from orchestration.approval.run import CONTINUE_AS_NEW_BYTES
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

EDITION: Final = 2


class ReconcileGatheringInput(Recorded):
    """What is known of the ended instance: its input, its last published progress, and how it ended.

    A `reconcile_gathering` that an earlier version started has the first `edition`, and takes that version's steps.
    """

    given: GatheringInput
    progress: GatheringProgress
    status: GatheringStatus
    edition: int = 1
    own_end: bool = Field(
        default=False, description="Of a later generation: whether it had a result of its own"
    )
    state: GatheringState | None = Field(
        default=None, description="Where an earlier generation stopped; none at start"
    )


def reconcile_gathering(
    ctx: OrchestrationContext, ended: ReconcileGatheringInput
) -> Durable[Gathered | None]:
    """Edits every posted message, tells the requester, puts the result on record and sends it. Returns the result."""

    def now() -> datetime:
        return clock.now(ctx)

    record, bounded = _record(ended), ended.edition >= EDITION
    effects = GatheringEffects(ctx, record, now, maybe_done=_own_end(ended))
    if ended.state is None:
        if not record.ended:
            record.end(ended.status, now(), reason=STOPPED_BECAUSE[ended.status])
        effects.look_for_posts(looks=2 if bounded else 1)
        effects.tell_of_end()
        worklists = WorklistUpdates(ctx, record.request_id)
        worklists.ended(record.request.requester)
        if bounded:
            worklists.done(_listed(ended))
    outbox = effects.outbox
    while True:
        full = bounded and outbox.written >= CONTINUE_AS_NEW_BYTES
        outbox.step(start=not full, most=CONTINUE_AS_NEW_BYTES if bounded else None)
        if not outbox.busy():
            return projection.result(record)
        if bounded and outbox.written >= CONTINUE_AS_NEW_BYTES and not outbox.running:
            # With long answers, or while the chat system is away, one history would be too large for the hub.
            ctx.continue_as_new(_later(ended, record.state), save_events=True)
            return None
        yield when_any(outbox.waits())


def _later(ended: ReconcileGatheringInput, state: GatheringState) -> ReconcileGatheringInput:
    """The input of the next generation. It contains the answers only once."""
    seen = ended.progress.model_copy(update={"sources": [], "posts": [], "verdicts": [], "result": None})
    return ended.model_copy(update={"progress": seen, "own_end": _own_end(ended), "state": state})


def _listed(ended: ReconcileGatheringInput) -> list[str]:
    """The people whose worklist has the gathering: those whose answer is missing. Empty if it used no worklists."""
    if ended.given.people is None:
        return []
    missing = [source for source in ended.progress.sources if source.answer is None]
    people = [one for source in missing for one in (source.person, source.delegate)]
    return list(dict.fromkeys(one for one in people if one is not None))


def _own_end(ended: ReconcileGatheringInput) -> bool:
    """Whether the instance had ended with its own result: then it may have told everybody before it was stopped."""
    seen = ended.progress
    return ended.own_end or (seen.result is not None and seen.result.status is not ended.status)


def _record(ended: ReconcileGatheringInput) -> GatheringRecord:
    """The record, made from the published progress, or from the state of an earlier generation."""
    seen = ended.progress
    state = ended.state or GatheringState(
        asked_at=seen.asked_at,
        deadline=seen.deadline or seen.asked_at,
        delegates={one.person: one.delegate for one in seen.sources if one.person and one.delegate},
        answers={source.name: source.answer for source in seen.sources if source.answer},
        problems={source.name: source.problem for source in seen.sources if source.problem},
        posts=seen.posts,
        steps=seen.steps,
        reminded=seen.reminded,
        escalated_at=seen.escalated_at,
    )
    if ended.state is None and seen.result is not None and _own_end(ended):
        result = seen.result
        state.status, state.ended_at = result.status, result.collected_at
        state.ended_by, state.reason = result.ended_by, result.reason
        state.record, state.record_pending = result.record, result.record is None
    return GatheringRecord(seen.request_id, ended.given.model_copy(update={"state": state}), seen.asked_at)
