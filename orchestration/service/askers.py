"""Reaches the orchestrations that ask, over the hub: tells them of an outcome, and lets them read it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState

from orchestration.approval.state import ApprovalInput
from orchestration.approval.status import OVER, made_at, progress_of
from orchestration.domain.effects import AskedOutcome, NotifyInstanceInput, ReadOutcomeInput
from orchestration.domain.errors import (
    DeliveryError,
    RevokedTokenError,
    UnknownRequestError,
)
from orchestration.domain.gathering import AskedGathering, ReadGatheringInput
from orchestration.domain.names import folded, is_entity, is_own_event, is_own_orchestration, nudge_of
from orchestration.domain.request import APPROVAL, GATHERING
from orchestration.gathering.state import GatheringInput
from orchestration.gathering.status import gathering_progress_of
from orchestration.service.calls import named, run_in, translated, within_budget

Input = TypeVar("Input", ApprovalInput, GatheringInput)

NOBODY_WAITS: Final = "nobody waits for it any more"


class HubAskers:
    """Implements `Askers` and `GatheringAskers`, for activities, which run on worker threads.

    Works in the event loop that it was made in.
    """

    def __init__(self, client: AsyncTaskHubGrpcClient, revoked: Callable[[str | None], bool]) -> None:
        """`revoked`: whether an API token of that name is no longer in force. Called from worker threads."""
        self._client = client
        self._revoked = revoked
        self._loop = asyncio.get_running_loop()

    def notify_instance(self, given: NotifyInstanceInput) -> str:
        """Raises `DeliveryError` if it must not be sent or the receiver is gone, and `HubUnavailableError`."""
        if given.orchestration is not None and self._revoked(given.asked_with):
            raise RevokedTokenError
        return run_in(self._loop, self._notify(given))

    def read_outcome(self, given: ReadOutcomeInput) -> AskedOutcome | None:
        """Raises `HubUnavailableError`."""
        return run_in(self._loop, self._read(given))

    def read_gathering(self, given: ReadGatheringInput) -> AskedGathering | None:
        """Raises `HubUnavailableError`."""
        return run_in(self._loop, self._gathering(given))

    async def _notify(self, given: NotifyInstanceInput) -> str:
        target = given.target
        if is_entity(target.id):
            raise DeliveryError(f"{target.id} is an entity, which no event reaches.")
        if is_own_event(target.event) and folded(target.event) != folded(nudge_of(given.request_id)):
            raise DeliveryError(f"{target.event} is one of Countersign's own events.")
        # The instance's orchestration is checked now: the instance was named when the request was asked, perhaps weeks
        # ago.
        state = await self._state(target.id)
        if state is not None and is_own_orchestration(state.name):
            raise DeliveryError(f"{target.id} is an instance of Countersign's own.")
        if state is None or state.runtime_status in OVER:
            if given.orchestration is not None:
                what = "does not exist any more" if state is None else "has ended"
                raise DeliveryError(f"The instance {target.id} {what}, so nobody waits for the answer.")
            return NOBODY_WAITS
        if given.orchestration is not None and state.name != given.orchestration:
            raise DeliveryError(
                f"{target.id} is an instance of {state.name} now, and {given.orchestration} was to get the answer."
            )
        if given.orchestration is not None and made_at(state) != given.since:
            raise DeliveryError(
                f"{target.id} was started again since, and asks something else: it gets no answer to this."
            )
        with translated(named):
            raising = self._client.raise_orchestration_event(target.id, target.event, data=given.data)
            await within_budget(raising)
        return "told"

    async def _read(self, given: ReadOutcomeInput) -> AskedOutcome | None:
        found = await self._asked(given, APPROVAL, ApprovalInput)
        if found is None:
            return None
        state, asked = found
        progress = progress_of(state)
        if progress.outcome is None or progress.receipt_pending:
            return None
        if progress.status.is_yes and progress.outcome.receipt is None:
            return None
        return AskedOutcome(request=asked.request, outcome=progress.outcome)

    async def _gathering(self, given: ReadGatheringInput) -> AskedGathering | None:
        found = await self._asked(given, GATHERING, GatheringInput)
        if found is None:
            return None
        state, asked = found
        progress = gathering_progress_of(state)
        if progress.result is None or progress.record_pending:
            return None
        return AskedGathering(request=asked.request, result=progress.result)

    async def _asked(
        self, given: ReadOutcomeInput | ReadGatheringInput, orchestration: str, kind: type[Input]
    ) -> tuple[OrchestrationState, Input] | None:
        """The instance and its input; None if there is none of that kind, or another orchestration asked."""
        state = await self._state(given.request_id)
        if state is None or state.name != orchestration:
            return None
        asked = state.get_input(kind)
        if asked is None or asked.request.notify_instance != given.asker:
            return None
        return state, asked

    async def _state(self, instance_id: str) -> OrchestrationState | None:
        try:
            with translated(named):
                return await within_budget(self._client.get_orchestration_state(instance_id))
        except UnknownRequestError:
            return None
