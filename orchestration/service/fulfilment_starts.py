"""Starts fulfilments and sends them updates, for activities, which run on worker threads."""

from __future__ import annotations

import asyncio
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState

from orchestration.approval.status import CUT_SHORT, OVER
from orchestration.domain.effects import HandOverInput
from orchestration.domain.errors import DeliveryError
from orchestration.domain.names import IdPrefix, fulfilment_id
from orchestration.domain.request import FULFILMENT
from orchestration.fulfilment.models import (
    EVENT_HANDED_OVER,
    FulfilmentInput,
    FulfilmentRecord,
)
from orchestration.fulfilment.progress import fulfilment_progress
from orchestration.service.calls import begin, run_in, state_of, translated, within_budget

STARTED: Final = "started"
TOLD: Final = "told"
OVER_BY_NOW: Final = "it is over"


class HubFulfilments:
    """Implements `Fulfilments`. Works in the event loop that it was made in."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def hand_over(self, given: HandOverInput) -> str:
        """Raises `DeliveryError` if another program's instance has the ID, and `HubUnavailableError`."""
        work = self._hand_over(given)
        return run_in(self._loop, work)

    async def _hand_over(self, given: HandOverInput) -> str:
        instance_id = fulfilment_id(given.request_id, given.card.nonce)
        state = await state_of(self._client, instance_id, payloads=False)
        if state is None and given.begun:
            return OVER_BY_NOW
        if state is None:
            if await begin(self._client, FULFILMENT, FulfilmentInput(given=given), instance_id):
                return STARTED
            state = await state_of(self._client, instance_id, payloads=False)
        if state is None or state.name != FULFILMENT:
            raise DeliveryError(f"{instance_id} is an instance of another program on the task hub.")
        if state.runtime_status in OVER:
            return OVER_BY_NOW
        with translated():
            raising = self._client.raise_orchestration_event(instance_id, EVENT_HANDED_OVER, data=given)
            await within_budget(raising)
        return TOLD


async def start_saying_stopped(client: AsyncTaskHubGrpcClient, state: OrchestrationState) -> bool:
    """Starts the instance that reports a fulfilment as stopped; False if it was started before or is not needed.

    Raises `grpc.RpcError` or `HubUnavailableError`.
    """
    how = CUT_SHORT.get(state.runtime_status)
    given = state.get_input(FulfilmentInput)
    progress = fulfilment_progress(state)
    if how is None or given is None or given.stopped is not None:
        return False
    record = FulfilmentRecord(
        state=progress.state,
        entered_at=progress.entered_at,
        end=progress.end,
        step_number=max([step.number for step in progress.steps], default=0),
        steps=progress.steps,
        actions=progress.actions,
        numbers=progress.numbers,
    )
    known = given.given.model_copy(update={"cards": progress.cards or given.given.cards})
    stopped = FulfilmentInput(given=known, record=record, stopped=how)
    return await begin(client, FULFILMENT, stopped, stopped_id(state.instance_id))


def stopped_id(instance_id: str) -> str:
    """The ID of the instance that reports this fulfilment as stopped. The fixed ID ensures that there is only one."""
    return f"{IdPrefix.RECONCILE}-{instance_id}"
