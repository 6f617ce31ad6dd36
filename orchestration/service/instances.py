"""Lists and purges instances of any orchestration by a filter, and starts those of other programs by name."""

from __future__ import annotations

from collections.abc import Callable
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
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.client_helpers import build_query_instances_req
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.approval.status import OVER
from orchestration.domain.errors import (
    CountersignError,
    HubUnavailableError,
    InvalidRequestError,
    OwnInstanceError,
    UnknownRequestError,
    WrongStateError,
)
from orchestration.domain.names import is_entity, is_own_id, is_own_orchestration
from orchestration.runtime.converter import PydanticConverter
from orchestration.service.calls import ours, translated, within_budget
from orchestration.service.operations import Operations

PURGE_PAGE: Final = 200


@dataclass(frozen=True)
class InstanceFilter:
    """Which instances; every part that is given must hold. Times are aware; no status means any."""

    statuses: frozenset[OrchestrationStatus] = frozenset()
    created_from: datetime | None = None
    created_to: datetime | None = None
    prefix: str | None = None


class Instances:
    """An operator's view of every orchestration on the hub. Each method may raise `HubUnavailableError`."""

    def __init__(self, client: AsyncTaskHubGrpcClient, operations: Operations) -> None:
        self._client = client
        self._operations = operations
        self._converter = PydanticConverter()

    async def page(
        self, wanted: InstanceFilter, *, limit: int, token: str | None = None, payloads: bool = True
    ) -> tuple[list[OrchestrationState], str | None]:
        """Up to `limit` instances, oldest first, and the token of the next page if there is one.

        Raises `InvalidRequestError` for a token that is not the hub's.
        """
        query = OrchestrationQuery(
            created_time_from=wanted.created_from,
            created_time_to=wanted.created_to,
            runtime_status=sorted(wanted.statuses, key=lambda status: status.value) or None,
            instance_id_prefix=wanted.prefix,
            max_instance_count=limit,
            fetch_inputs_and_outputs=payloads,
        )
        request = build_query_instances_req(query, StringValue(value=token) if token else None)
        try:
            # The SDK's own method reads every page there is before it returns; the SDK is pinned.
            response = await within_budget(self._client._get_stub().QueryInstances(request))  # noqa: SLF001
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise InvalidRequestError("is not a token that a page gave", field="token") from error
            raise ours(error) from error
        states = [parse_orchestration_state(state, self._converter) for state in response.orchestrationState]
        return states, response.continuationToken.value or None

    async def purge(self, wanted: InstanceFilter, by: str, go_on: Callable[[], bool]) -> int:
        """Purges every ended instance that fits the filter, one after the other; returns how many were purged.

        Each is purged as by `Operations.purge`, with the tombstones of its approvals. Stops early if `go_on` returns
        false. Raises what `Operations.purge` raises; instances purged before that stay purged.
        """
        ended = wanted.statuses & OVER if wanted.statuses else OVER
        if not ended:
            return 0
        wanted = InstanceFilter(ended, wanted.created_from, wanted.created_to, wanted.prefix)
        purged, token = 0, None
        while go_on():
            states, token = await self.page(wanted, limit=PURGE_PAGE, token=token, payloads=False)
            for state in states:
                if not go_on():
                    return purged
                try:
                    purged += await self._operations.purge(state.instance_id, by)
                except UnknownRequestError:
                    continue  # it was purged with its parent
            if token is None:
                break
        return purged

    async def start(self, name: str, instance_id: str | None, given: Any, version: str | None) -> str:
        """Starts an orchestration of another program; returns the instance's ID. One that has ended is replaced.

        Raises `OwnInstanceError` for a name or an ID of Countersign's own, `WrongStateError` where an instance of that
        ID is under way, and `InvalidRequestError` for what no hub takes.
        """
        if is_own_orchestration(name):
            raise OwnInstanceError(
                f"{name} is Countersign's own orchestration. Ask with POST /api/approvals instead."
            )
        if instance_id is not None and (is_entity(instance_id) or is_own_id(instance_id)):
            raise OwnInstanceError(f"{instance_id} is an ID of Countersign's own instances. Choose another.")
        try:
            return await self._start(name, instance_id, given, version, replaceable=frozenset())
        except _TakenError as error:
            if instance_id is None:
                raise HubUnavailableError from error
        state = await self._operations.instance(instance_id)
        if is_own_orchestration(state.name):
            raise OwnInstanceError(
                f"{instance_id} is an instance of Countersign's own orchestration {state.name}. Choose another ID."
            )
        try:
            # The hub checks the status again, and replaces none of ours, whatever its status.
            return await self._start(name, instance_id, given, version, replaceable=OVER)
        except _TakenError as error:
            raise WrongStateError(f"An instance {instance_id} is under way.") from error

    async def _start(
        self,
        name: str,
        instance_id: str | None,
        given: Any,
        version: str | None,
        *,
        replaceable: frozenset[OrchestrationStatus],
    ) -> str:
        policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[status.value for status in replaceable])
        with translated(_not_started):
            return await within_budget(
                self._client.schedule_new_orchestration(
                    name,
                    input=given,
                    instance_id=instance_id,
                    version=version,
                    reuse_id_policy=policy if replaceable else None,
                )
            )


class _TakenError(CountersignError):
    """There is an instance of that ID."""


def _not_started(error: grpc.RpcError) -> CountersignError:
    if error.code() is grpc.StatusCode.ALREADY_EXISTS:
        return _TakenError()
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidRequestError(error.details() or "the hub takes no such orchestration")
    return ours(error)
