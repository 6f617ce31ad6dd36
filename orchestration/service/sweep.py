"""Finds requests that ended without running our code, and starts the reconciliation of each, once.

A request that an operator terminates through our own route is reconciled at once; the sweep is for all others.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState

from orchestration.approval.state import ApprovalInput
from orchestration.approval.status import CUT_SHORT, progress_of
from orchestration.challenge.models import EVENT_CANCELLED, Cancelled
from orchestration.domain.commands import Progress
from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.names import IdPrefix
from orchestration.domain.request import (
    APPROVAL,
    FULFILMENT,
    GATHERING,
    RECONCILE,
    RECONCILE_GATHERING,
    STANDING_GRANT,
    VERSION,
    Recorded,
)
from orchestration.gathering.state import GatheringInput
from orchestration.gathering.status import STOPPED, gathering_progress_of
from orchestration.reconcile.gathering import EDITION, ReconcileGatheringInput
from orchestration.reconcile.workflow import ReconcileInput
from orchestration.service.fulfilment_starts import start_saying_stopped
from orchestration.service.grant_starts import start_saying_grant_stopped

log = logging.getLogger(__name__)

PAGE: Final = 100  # ended instances looked at in one pass
# A hub for many machines may list an end a little after it happened.
OVERLAP: Final = timedelta(minutes=10)


def reconcile_id(request_id: str, nonce: str) -> str:
    """The ID of the instance that reconciles this start of a request. The fixed ID ensures that there is only one."""
    return f"{IdPrefix.RECONCILE}-{request_id}-{nonce[:8]}"


async def start_reconciling(client: AsyncTaskHubGrpcClient, state: OrchestrationState) -> bool:
    """Starts `reconcile` for a stopped request; False if it was started before, or there is no card.

    Raises `grpc.RpcError`.
    """
    given = state.get_input(ApprovalInput)
    if given is None or given.policy is None or state.runtime_status not in CUT_SHORT:
        return False
    progress = progress_of(state)
    ended = ReconcileInput(given=given, progress=progress, status=CUT_SHORT[state.runtime_status])
    if not await _start(client, RECONCILE, ended, reconcile_id(state.instance_id, given.nonce)):
        return False
    await _withdraw_codes(client, progress)
    return True


async def _start_reconciling_gathering(client: AsyncTaskHubGrpcClient, state: OrchestrationState) -> bool:
    given = state.get_input(GatheringInput)
    if given is None or given.policy is None or state.runtime_status not in STOPPED:
        return False
    ended = ReconcileGatheringInput(
        given=given.model_copy(update={"state": None}),  # the progress has all that is needed
        progress=gathering_progress_of(state),
        status=STOPPED[state.runtime_status],
        edition=EDITION,
    )
    return await _start(client, RECONCILE_GATHERING, ended, reconcile_id(state.instance_id, given.nonce))


# Starts the reconciliation, for each of our workflows that posts cards.
RECONCILERS: Final[Mapping[str, Callable[[AsyncTaskHubGrpcClient, OrchestrationState], Awaitable[bool]]]] = {
    APPROVAL: start_reconciling,
    GATHERING: _start_reconciling_gathering,
    FULFILMENT: start_saying_stopped,
    STANDING_GRANT: start_saying_grant_stopped,
}


async def _start(
    client: AsyncTaskHubGrpcClient, orchestration: str, ended: Recorded, instance_id: str
) -> bool:
    try:
        await client.schedule_new_orchestration(
            orchestration, input=ended, instance_id=instance_id, version=VERSION
        )
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.ALREADY_EXISTS:
            return False
        raise
    return True


async def _withdraw_codes(client: AsyncTaskHubGrpcClient, progress: Progress) -> None:
    """Ends the challenges that wait for a code: else a code would be confirmed although nothing counts any more."""
    for challenge_id in progress.confirming.values():
        try:
            await client.raise_orchestration_event(challenge_id, EVENT_CANCELLED, data=Cancelled())
        except grpc.RpcError as error:
            if (
                error.code() is not grpc.StatusCode.NOT_FOUND
            ):  # it was stopped with its request, and is purged
                raise


class ReconcileSweep:
    """Checks what has ended since its last pass; after a start it checks everything, one page per pass.

    It uses the hub's times only: this machine's clock may differ. Not to be shared between tasks.
    """

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client
        # The latest end among the instances read: up to the last complete pass, and including the present one.
        self._newest: datetime | None = None
        self._read: datetime | None = None
        self._token: str | None = None
        self._seen: set[str] = set()
        self._before: set[str] = set()

    async def sweep(self) -> int:
        """One pass; returns how many it reconciles. After a `HubUnavailableError` the next one goes on from there."""
        try:
            return await self._pass()
        except grpc.RpcError as error:
            raise HubUnavailableError from error

    async def _pass(self) -> int:
        page = await self._client.list_instance_ids(
            runtime_status=list(CUT_SHORT),
            completed_time_from=self._newest - OVERLAP if self._newest else None,
            page_size=PAGE,
            continuation_token=self._token,
        )
        started = 0
        for instance_id in page.items:
            if instance_id not in self._before and instance_id not in self._seen:
                started += await self._reconcile(instance_id)
            self._seen.add(instance_id)
        self._token = page.continuation_token
        if self._token is None:
            self._newest = self._read
            self._before, self._seen = self._seen, set()
        return started

    async def _reconcile(self, instance_id: str) -> bool:
        """Whether this call started the reconciliation. A failure is reported and does not stop the others."""
        state = await self._client.get_orchestration_state(instance_id)
        if state is not None:
            ended = state.last_updated_at.replace(tzinfo=state.last_updated_at.tzinfo or UTC)
            self._read = max(ended, self._read or ended)
        if state is None or state.name not in RECONCILERS or state.runtime_status not in CUT_SHORT:
            return False
        try:
            started = await RECONCILERS[state.name](self._client, state)
        except (grpc.RpcError, HubUnavailableError):
            raise
        except Exception:
            log.exception("%s ended as %s and cannot be reconciled", instance_id, state.runtime_status.name)
            return False
        if started:
            log.info("%s ended as %s and is being reconciled", instance_id, state.runtime_status.name)
        return started
