"""Reads a hub's state of a `gathering` instance into our models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from durabletask.client import OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from orchestration.approval.status import CUT_SHORT_REASONS, NOT_OUR_END, made_at, published_of
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.gathering import (
    Gathered,
    GatheringProgress,
    GatheringRequest,
    GatheringStatus,
)
from orchestration.domain.gathering_policy import GatheringPolicy
from orchestration.domain.request import Status
from orchestration.gathering import projection
from orchestration.gathering.record import GatheringRecord
from orchestration.gathering.state import GatheringInput

# The ends of an orchestration without any of its own code running.
STOPPED: Final = {
    OrchestrationStatus.FAILED: GatheringStatus.FAILED,
    OrchestrationStatus.TERMINATED: GatheringStatus.TERMINATED,
}
STOPPED_BECAUSE: Final = {
    GatheringStatus.FAILED: CUT_SHORT_REASONS[Status.FAILED],
    GatheringStatus.TERMINATED: CUT_SHORT_REASONS[Status.TERMINATED],
}


@dataclass(frozen=True)
class GatheringRead:
    """One gathering, read from its instance once. `policy` is as it was when it was asked."""

    progress: GatheringProgress
    request: GatheringRequest
    policy: GatheringPolicy

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None while it runs."""
        return self.progress.result.collected_at if self.progress.result else None

    def involved(self) -> set[str]:
        """The people of a gathering: the requester, everybody who is asked or has answered, and the policy's owner."""
        found = {self.request.requester, self.policy.owner, *self.policy.people()}
        for source in self.progress.sources:
            found |= {source.delegate, source.answer.actor if source.answer else None}
        return {one for one in found if one is not None}


def gathering_read(state: OrchestrationState) -> GatheringRead:
    """The gathering of an instance. Raises `UnknownRequestError`, also if no policy was taken for it."""
    given = input_of(state)
    if given.policy is None or not given.nonce:
        raise UnknownRequestError
    return GatheringRead(gathering_progress_of(state), given.request, given.policy)


def gathering_progress_of(state: OrchestrationState) -> GatheringProgress:
    """The published progress. Before the first turn, or if none could run, it is made from the input.

    A gathering whose orchestration was stopped from outside has a result too, so that nobody waits for one in vain.
    Raises `UnknownRequestError`.
    """
    published = published_of(state, GatheringProgress)
    stopped, why = STOPPED.get(state.runtime_status), ""
    if state.runtime_status is OrchestrationStatus.COMPLETED and not (published and published.result):
        stopped, why = (
            GatheringStatus.FAILED,
            NOT_OUR_END,
        )  # a turn of ours publishes the result, under its seal
    if published is not None and (stopped is None or published.status.ended):
        return published
    progress = published or _first(state)
    if stopped is None:
        return progress
    return progress.model_copy(
        update={
            "status": stopped,
            "result": _cut_short(state, progress, stopped, why),
            "record_pending": False,
        }
    )


def _cut_short(
    state: OrchestrationState, progress: GatheringProgress, status: GatheringStatus, why: str
) -> Gathered:
    answers = {source.name: source.answer for source in progress.sources if source.answer}
    return Gathered(
        request_id=progress.request_id,
        status=status,
        sources=answers,
        missing=[source.name for source in progress.sources if source.answer is None],
        collected_at=state.last_updated_at.replace(tzinfo=state.last_updated_at.tzinfo or UTC),
        is_complete=False,
        reason=why or STOPPED_BECAUSE[status],
        digest=progress.digest,
        nonce=progress.nonce,
        asked_without_seal=progress.asked_without_seal,
    )


def _first(state: OrchestrationState) -> GatheringProgress:
    given = input_of(state)
    if given.policy is None:
        return GatheringProgress(
            request_id=state.instance_id,
            status=GatheringStatus.COLLECTING,
            policy=given.request.policy,
            title=given.request.title,
            requester=given.request.requester,
            asked_at=made_at(state),
        )
    return projection.progress(GatheringRecord(state.instance_id, given, made_at(state)))


def input_of(state: OrchestrationState) -> GatheringInput:
    """The input that started the instance. Raises `UnknownRequestError` if it is no gathering."""
    try:
        given = state.get_input(GatheringInput)
    except ValidationError as error:
        raise UnknownRequestError from error
    if given is None:
        raise UnknownRequestError
    return given
