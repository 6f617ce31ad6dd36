"""Starts standing grants, reads them and signals them, for activities, which run on worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState

from orchestration.approval.status import CUT_SHORT, OVER
from orchestration.domain.errors import DeliveryError, UnknownRequestError
from orchestration.domain.grant_effects import GrantCheckInput, StartGrantInput, TellUseInput
from orchestration.domain.names import EventName, IdPrefix
from orchestration.domain.request import STANDING_GRANT, VERSION
from orchestration.grants.models import (
    EVENT_DOUBTED,
    EVENT_USED,
    GrantDoubt,
    GrantInput,
    GrantProgress,
    GrantState,
)
from orchestration.grants.status import grant_progress_of
from orchestration.service.calls import begin, run_in, state_of, translated, within_budget

STARTED: Final = "started"
TOLD: Final = "told"
OVER_BY_NOW: Final = "it is over"


class HubGrants:
    """Implements `StandingGrants`. Works in the event loop that it was made in. `now` is the hub's time."""

    def __init__(self, client: AsyncTaskHubGrpcClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._loop = asyncio.get_running_loop()

    def start(self, given: StartGrantInput) -> str:
        """Raises `DeliveryError` if another program's instance has the ID, and `HubUnavailableError`."""
        return run_in(self._loop, self._start(given))

    def tell_use(self, given: TellUseInput) -> str:
        """Raises `HubUnavailableError`."""
        return run_in(self._loop, self._raise(given.grant, EVENT_USED, given.use))

    def stands(self, given: GrantCheckInput) -> bool:
        """Raises `HubUnavailableError`."""
        found = run_in(self._loop, read_grant(self._client, given.grant))
        if found is None or not found.stands(self._now()):
            return False
        facts = found.facts
        said = (facts.id, facts.granted_by, facts.policy, facts.policy_digest)
        return said == (given.grant, given.granted_by, given.policy, given.policy_digest)

    def doubt(self, grant: str) -> None:
        """Raises `HubUnavailableError`."""
        run_in(self._loop, self._raise(grant, EVENT_DOUBTED, GrantDoubt()))

    async def _start(self, given: StartGrantInput) -> str:
        instance_id = given.facts.id
        # A repeat is equal except for the number of the try.
        begun = GrantInput(given=given.model_copy(update={"attempt": 1}))
        if await begin(self._client, STANDING_GRANT, begun, instance_id):
            return STARTED
        found = await read_grant(self._client, instance_id)
        if found is None or found.facts != given.facts:
            raise DeliveryError(f"{instance_id} is an instance of another program on the task hub.")
        return STARTED

    async def _raise(self, instance_id: str, event: EventName, data: object) -> str:
        state = await state_of(self._client, instance_id, payloads=False)
        if state is None or state.name != STANDING_GRANT or state.runtime_status in OVER:
            return OVER_BY_NOW
        with translated():
            await within_budget(self._client.raise_orchestration_event(instance_id, event, data=data))
        return TOLD


async def start_saying_grant_stopped(client: AsyncTaskHubGrpcClient, state: OrchestrationState) -> bool:
    """Starts the update of a stopped grant's card; False if that was started before or is not needed.

    Raises `grpc.RpcError`.
    """
    given = state.get_input(GrantInput)
    if given is None or given.stopped or state.runtime_status not in CUT_SHORT:
        return False
    published = state.get_custom_status(GrantProgress)
    known = published if published is not None and published.facts == given.given.facts else None
    if known is None or known.ended is not None or known.card is None:
        return False
    kept = GrantState(opened=known.opened, card=known.card)
    stopped = GrantInput(given=given.given, stopped=True, state=kept)
    try:
        await client.schedule_new_orchestration(
            STANDING_GRANT,
            input=stopped,
            instance_id=f"{IdPrefix.RECONCILE}-{state.instance_id}",
            version=VERSION,
        )
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.ALREADY_EXISTS:
            return False
        raise
    return True


async def read_grant(client: AsyncTaskHubGrpcClient, grant: str) -> GrantProgress | None:
    """The state of the grant; None if there is none with that ID. Raises `HubUnavailableError`."""
    state = await state_of(client, grant)
    if state is None:
        return None
    try:
        return grant_progress_of(state)
    except UnknownRequestError:
        return None


async def grant_stands(client: AsyncTaskHubGrpcClient, grant: str, now: datetime) -> bool:
    """Whether what the grant approved may be used now. Raises `HubUnavailableError`."""
    found = await read_grant(client, grant)
    return found is not None and found.facts.id == grant and found.stands(now)
