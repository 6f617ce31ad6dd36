"""Starts the orchestrations of requests, each once under its own ID, within the asker's limit of open ones."""

from __future__ import annotations

from durabletask.client import AsyncTaskHubGrpcClient

from orchestration import telemetry
from orchestration.approval.state import ApprovalInput
from orchestration.domain.errors import IdempotencyConflictError, TooManyOpenError
from orchestration.domain.gathering import GatheringRequest
from orchestration.domain.request import APPROVAL, GATHERING, ApprovalRequest
from orchestration.gathering.state import GatheringInput
from orchestration.service.calls import begin, state_of, within_budget
from orchestration.service.open_requests import OpenRequests
from orchestration.service.request_ids import RequestIds

AnyInput = ApprovalInput | GatheringInput


class RequestStarter:
    """Starts requests. May raise `HubUnavailableError`: nothing was recorded, or a repeat with the key finds it."""

    def __init__(
        self, client: AsyncTaskHubGrpcClient, request_ids: RequestIds, open_requests: OpenRequests
    ) -> None:
        self._client = client
        self._request_ids = request_ids
        self._open_requests = open_requests

    async def start(self, given: AnyInput) -> str:
        """Starts the request on disk; returns its ID. The same request with the same idempotency key starts once.

        Raises `IdempotencyConflictError` or `TooManyOpenError`.
        """
        attributes = {telemetry.ACTION: "ask", telemetry.POLICY: given.request.policy}
        with telemetry.span(f"ask {_orchestration(given)}", attributes=attributes):
            if given.request.idempotency_key is not None:
                return await within_budget(self._start_once(given, given.request.idempotency_key))
            # A random ID may be taken, which is rare among 2^40: draw again.
            while not await self._begin(request_id := self._request_ids.fresh(given.request), given):
                pass
            return request_id

    async def started(self, given: AnyInput) -> str | None:
        """The ID under which this same request was started with its idempotency key; None if it was not.

        Raises `IdempotencyConflictError`.
        """
        if given.request.idempotency_key is None:
            return None
        for request_id in self._request_ids.of_key(given.request, given.request.idempotency_key):
            if await self._is_started(request_id, given):
                return request_id
        return None

    async def _start_once(self, given: AnyInput, key: str) -> str:
        newest, *older = self._request_ids.of_key(given.request, key)
        for request_id in older:
            if await self._is_started(request_id, given):
                return request_id
        try:
            begun = await self._begin(newest, given)
        except TooManyOpenError:
            if await self._is_started(newest, given):
                return newest
            raise
        if not begun and not await self._is_started(newest, given):
            raise IdempotencyConflictError
        return newest

    async def _begin(self, request_id: str, given: AnyInput) -> bool:
        """Starts the orchestration; False if the ID is taken. Raises `TooManyOpenError`."""
        asker = (given.request.requester, given.request.asked_with)
        telemetry.concerns(request_id)
        await self._open_requests.admit(request_id, *asker)
        if not await begin(self._client, _orchestration(given), given, request_id):
            self._open_requests.started_before(request_id, *asker)
            return False
        return True

    async def _is_started(self, request_id: str, given: AnyInput) -> bool:
        """Whether this same request was started under the ID. Raises `IdempotencyConflictError` if another was."""
        state = await state_of(self._client, request_id)
        if state is None:
            return False
        started = state.get_input(type(given)) if state.name == _orchestration(given) else None
        if started is None or _asked(started) != _asked(given):
            raise IdempotencyConflictError
        return True


def _asked(given: AnyInput) -> ApprovalRequest | GatheringRequest:
    """The facts compared for equality, without the schema of a call's arguments: it only limits approvers' edits."""
    request = given.request
    if not isinstance(request, ApprovalRequest) or request.call is None:
        return request
    return request.model_copy(update={"call": request.call.model_copy(update={"input_schema": None})})


def _orchestration(given: AnyInput) -> str:
    return APPROVAL if isinstance(given, ApprovalInput) else GATHERING
