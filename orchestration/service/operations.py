"""An operator's operations from outside: list instances, read histories, raise events, stop, hold, rerun, purge.

Unlike the service's commands these take effect on the instance itself and run none of its code. Events, rewind and
restart are for other orchestrations only. The owner of an instance is known by its orchestration's name on the hub at
that moment, never by its ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import grpc
from durabletask.client import (
    AsyncTaskHubGrpcClient,
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    parse_orchestration_state,
)
from durabletask.history import ExecutionStartedEvent, HistoryEvent
from durabletask.history import SubOrchestrationInstanceCreatedEvent as ChildCreated
from durabletask.internal.client_helpers import build_query_instances_req
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import ValidationError

from orchestration.approval.state import ApprovalInput
from orchestration.approval.status import OVER, progress_of
from orchestration.domain.commands import Progress
from orchestration.domain.errors import (
    CountersignError,
    EndedInstanceError,
    InvalidRequestError,
    OwnInstanceError,
    ReservedEventError,
    UnknownRequestError,
    WrongStateError,
)
from orchestration.domain.names import (
    call_result_id,
    fulfilment_id,
    is_entity,
    is_own_event,
    is_own_orchestration,
)
from orchestration.domain.request import (
    APPROVAL,
    CALL_RESULT,
    FULFILMENT,
    GATHERING,
    RECONCILE,
    Outcome,
    Status,
)
from orchestration.gathering.state import GatheringInput
from orchestration.ports import Records
from orchestration.runtime.converter import PydanticConverter
from orchestration.service.calls import named, ours, translated, within_budget
from orchestration.service.fulfilment_starts import stopped_id
from orchestration.service.sweep import RECONCILERS, reconcile_id

PAGES_LOOKED_THROUGH: Final = 20
LARGEST_PAGE: Final = 200
NEVER_AGAIN: Final = "Those never run again: what was decided stands. Ask anew instead."


@dataclass(frozen=True)
class Wanted:
    """Which approvals to list; every part that is given must hold. Times are aware."""

    status: frozenset[Status] = frozenset()
    policy: str | None = None
    requester: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, progress: Progress) -> bool:
        """Whether this approval fits the filter; the hub has already filtered by time."""
        return (
            (not self.status or progress.status in self.status)
            and self.policy in {None, progress.policy}
            and self.requester in {None, progress.requester}
        )


class Operations:
    """An operator's operations on the hub. Each may raise `HubUnavailableError`."""

    def __init__(self, client: AsyncTaskHubGrpcClient, records: Records) -> None:
        """`records` are told of each approval before it is purged."""
        self._client = client
        self._records = records
        self._converter = PydanticConverter()

    # ---- looking -----------------------------------------------------------------------------------------

    async def page(
        self, wanted: Wanted, *, limit: int = 50, token: str | None = None
    ) -> tuple[list[Progress], str | None]:
        """Up to `limit` approvals, oldest first, and the token of the next page where there may be more.

        A page may be empty and still have a next one: the hub filters by ID and time only, and one call looks
        through a bounded number of instances. Raises `InvalidRequestError` for a token that is not the hub's.
        """
        query = OrchestrationQuery(
            created_time_from=wanted.since,
            created_time_to=wanted.until,
            instance_id_prefix=f"{wanted.policy}-" if wanted.policy else None,
            max_instance_count=min(limit, LARGEST_PAGE),
            fetch_inputs_and_outputs=True,
        )
        for _ in range(PAGES_LOOKED_THROUGH):
            states, token = await self._hub_page(query, token)
            found = [progress for progress in map(_readable, states) if progress and wanted.fits(progress)]
            if found or token is None:
                return found, token
        return [], token

    async def _hub_page(
        self, query: OrchestrationQuery, token: str | None
    ) -> tuple[list[OrchestrationState], str | None]:
        """One page as the hub gives it. The SDK's own method reads every page there is before it returns."""
        request = build_query_instances_req(query, StringValue(value=token) if token else None)
        try:
            response = await within_budget(self._client._get_stub().QueryInstances(request))  # noqa: SLF001 - see above; the SDK is pinned
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise InvalidRequestError("after: is not a token that a page gave.", field="after") from error
            raise ours(error) from error
        states = [parse_orchestration_state(state, self._converter) for state in response.orchestrationState]
        return states, response.continuationToken.value or None

    async def every(self, wanted: Wanted) -> AsyncIterator[Progress]:
        """Every approval that fits, oldest first."""
        token: str | None = None
        while True:
            found, token = await self.page(wanted, limit=LARGEST_PAGE, token=token)
            for progress in found:
                yield progress
            if token is None:
                return

    async def instance(self, instance_id: str) -> OrchestrationState:
        """Any instance, of whatever orchestration. Raises `UnknownRequestError`."""
        with translated(named):
            state = await within_budget(self._client.get_orchestration_state(instance_id))
        if state is None:
            raise UnknownRequestError
        return state

    async def history(self, instance_id: str) -> list[HistoryEvent]:
        """What happened to the instance's present generation, in order. Raises `UnknownRequestError`."""
        await self.instance(instance_id)
        with translated(named):
            return await within_budget(self._client.get_orchestration_history(instance_id))

    async def whole_history(self, progress: Progress) -> list[HistoryEvent]:
        """An approval's history, with those of its `reconcile` if it was stopped, and of its fulfilment.

        Raises `UnknownRequestError`.
        """
        events = await self.own_history(progress.request_id, APPROVAL)
        with suppress(UnknownRequestError):
            events += await self.own_history(reconcile_id(progress.request_id, progress.nonce), RECONCILE)
        if progress.fulfilment is not None:
            for instance_id in (progress.fulfilment, stopped_id(progress.fulfilment)):
                with suppress(UnknownRequestError):
                    events += await self.own_history(instance_id, FULFILMENT)
        return events

    async def own_history(self, instance_id: str, orchestration: str) -> list[HistoryEvent]:
        """The history, if it begins as one of that orchestration: any other may hold unsealed data."""
        events = await self.history(instance_id)
        started = next((event for event in events if isinstance(event, ExecutionStartedEvent)), None)
        return events if started is not None and started.name == orchestration else []

    async def reconciled_outcome(self, progress: Progress) -> Outcome | None:
        """The outcome that `reconcile` wrote for an approval that was stopped or failed; None before it has."""
        try:
            state = await self.instance(reconcile_id(progress.request_id, progress.nonce))
        except UnknownRequestError:
            return None
        # Anybody on the hub may start another orchestration under that ID.
        if state.name != RECONCILE or state.runtime_status is not OrchestrationStatus.COMPLETED:
            return None
        outcome = state.get_output(Outcome)
        return outcome if outcome is not None and outcome.nonce == progress.nonce else None

    async def with_reconciled(self, progress: Progress) -> Progress:
        """The progress. For a stopped approval it has the outcome that `reconcile` wrote, once there is one."""
        receipted = progress.outcome is not None and progress.outcome.receipt is not None
        if receipted or not progress.status.ended:
            return progress
        reconciled = await self.reconciled_outcome(progress)
        if reconciled is None:
            return progress
        return progress.model_copy(update={"outcome": reconciled, "receipt_pending": False})

    # ---- acting ------------------------------------------------------------------------------------------

    async def check_event(self, instance_id: str, name: str) -> OrchestrationState:
        """The instance that an event from outside may be raised on.

        Raises `ReservedEventError` for an event that our own orchestrations wait for, `UnknownRequestError`, and
        `OwnInstanceError` for one of our own instances, whatever the event.
        """
        if is_own_event(name):
            raise ReservedEventError
        return await self._foreign(
            instance_id,
            "Events from outside do not reach it. Decide, comment and withdraw through /api/approvals/{id}.",
        )

    async def raise_event(self, instance_id: str, name: str, payload: Any) -> None:
        """Raises an event on another orchestration's instance that runs.

        Raises what `check_event` raises, `EndedInstanceError` (the hub would take the event and do nothing), and
        `WrongStateError` where its history has no room for the event.
        """
        state = await self.check_event(instance_id, name)
        if state.runtime_status in OVER:
            raise EndedInstanceError
        with translated(_in_words):
            await within_budget(self._client.raise_orchestration_event(instance_id, name, data=payload))

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Reruns a failed instance of another orchestration from where it failed.

        Raises `UnknownRequestError`, `OwnInstanceError`, `EndedInstanceError` if it completed, and `WrongStateError` if
        it is under way.
        """
        state = await self._foreign(instance_id, NEVER_AGAIN)
        if state.runtime_status in OVER - {OrchestrationStatus.FAILED}:
            raise EndedInstanceError
        with translated(_in_words):
            await within_budget(self._client.rewind_orchestration(instance_id, reason=reason))

    async def restart(self, instance_id: str, *, new_id: bool) -> str:
        """Starts the work of another orchestration's instance that has ended again; returns its ID, perhaps a `new_id`.

        Raises `UnknownRequestError`, `OwnInstanceError`, and `WrongStateError` where it has not ended.
        """
        await self._foreign(instance_id, NEVER_AGAIN)
        with translated(_in_words):
            return await within_budget(
                self._client.restart_orchestration(instance_id, restart_with_new_instance_id=new_id)
            )

    async def _foreign(self, instance_id: str, advice: str) -> OrchestrationState:
        """An instance of another program. Raises `OwnInstanceError` with the advice if it is one of ours."""
        if is_entity(instance_id):
            raise UnknownRequestError("There is no instance with that ID.")
        state = await self.instance(instance_id)
        if is_own_orchestration(state.name):
            raise OwnInstanceError(
                f"{instance_id} is an instance of Countersign's own orchestration {state.name}. {advice}"
            )
        return state

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        """Holds the instance: events and timers wait until it is resumed."""
        with translated(named):
            await within_budget(self._client.suspend_orchestration(instance_id, reason=reason))

    async def resume(self, instance_id: str, reason: str | None) -> None:
        """Lets a held instance go on."""
        with translated(named):
            await within_budget(self._client.resume_orchestration(instance_id, reason=reason))

    async def terminate(self, instance_id: str, reason: str | None) -> None:
        """Stops the instance at once. Its reconciliation then updates its cards."""
        with translated(named):
            await within_budget(self._client.terminate_orchestration(instance_id, output=reason))
        state = await self.instance(instance_id)
        if state.name not in RECONCILERS:
            return
        # An instance that somebody started with no valid request has no card, so there is nothing to reconcile.
        with translated(), suppress(ValidationError, UnknownRequestError):
            await within_budget(RECONCILERS[state.name](self._client, state))

    async def purge(self, instance_id: str, by: str) -> int:
        """Purges an ended instance and what it had started; returns how many instances were purged.

        An approval's fulfilment is purged with it, unless that is under way, and so is the result of its call.

        Before that, each approval among them gets a tombstone in the records, which says `by` whom. Raises
        `RecordsUnavailableError` where that is not possible, and `UnknownRequestError`.
        """
        purged = await self._ended_approvals(instance_id)
        for request_id, nonce in purged:
            await asyncio.to_thread(self._records.purged, request_id, nonce, by)
        with translated(named):
            result = await within_budget(self._client.purge_orchestration(instance_id))
        deleted = int(result.deleted_instance_count)
        for request_id, nonce in purged:
            following = fulfilment_id(request_id, nonce)
            deleted += await self._purge_ended(FULFILMENT, following, stopped_id(following))
            deleted += await self._purge_ended(CALL_RESULT, call_result_id(request_id, nonce))
        return deleted

    async def _purge_ended(self, orchestration: str, *instance_ids: str) -> int:
        """Purges those that are instances of this orchestration and have ended; returns how many."""
        deleted = 0
        for one in instance_ids:
            with suppress(UnknownRequestError):
                state = await self.instance(one)
                if state.name == orchestration and state.runtime_status in OVER:
                    with translated(named):
                        result = await within_budget(self._client.purge_orchestration(one))
                    deleted += int(result.deleted_instance_count)
        return deleted

    async def _ended_approvals(self, instance_id: str) -> list[tuple[str, str]]:
        """Each approval, with its nonce, that is purged with the instance: itself, or those it asked."""
        found: dict[str, str] = {}
        looked_at: set[str] = set()
        left = [instance_id]
        while left:
            looked_at.add(one := left.pop())
            try:
                state = await self.instance(one)
            except UnknownRequestError:
                continue
            if state.runtime_status not in OVER:
                continue
            if state.name in {APPROVAL, GATHERING}:
                found[one] = _nonce_of(state)
            else:
                children = [event for event in await self.history(one) if isinstance(event, ChildCreated)]
                left += [child.instance_id for child in children if child.instance_id not in looked_at]
        return list(found.items())


def _nonce_of(state: OrchestrationState) -> str:
    """The request's nonce; empty if the input cannot be read: then there was never a request."""
    with suppress(ValidationError):
        given = state.get_input(GatheringInput if state.name == GATHERING else ApprovalInput)
        return given.nonce if given else ""
    return ""


def _readable(state: OrchestrationState) -> Progress | None:
    """The progress of an approval; None for another orchestration, and where its input cannot be read."""
    if state.name != APPROVAL:
        return None
    try:
        return progress_of(state)
    except UnknownRequestError:
        return None


def _in_words(error: grpc.RpcError) -> CountersignError:
    """As `named`, for operations that the instance's state may not allow: the hub's error says why."""
    if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
        return WrongStateError(error.details())
    return named(error)
