"""Finds the sealing keys still in use on the hub: a key must stay while an open instance or an entity needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import grpc
from durabletask.client import (
    AsyncTaskHubGrpcClient,
    EntityQuery,
    OrchestrationQuery,
)
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.client_helpers import build_query_entities_req, build_query_instances_req
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.sealing import envelope
from orchestration.sealing.keys import SealKeys
from orchestration.sealing.scope import Scope
from orchestration.service.calls import ours, within_budget

PAGE: Final = 200
TOUCH: Final = "touch"  # the operation of an entity that changes nothing, so that its state is sealed anew
_SEAL: Final = re.compile(rf'"{re.escape(envelope.SEAL)}":"([0-9a-f]{{8}})\.'.encode())
_OVER: Final = frozenset(
    {
        pb.ORCHESTRATION_STATUS_COMPLETED,
        pb.ORCHESTRATION_STATUS_FAILED,
        pb.ORCHESTRATION_STATUS_TERMINATED,
    }
)


@dataclass
class KeyUse:
    """What one key has sealed on the hub: open instances, by ID; entities, by ID; and how many that have ended."""

    open: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    ended: int = 0


class SealInventory:
    """Looks through the hub with `as_stored`, a client that opens no seal.

    Each method may raise `HubUnavailableError`.
    """

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        as_stored: AsyncTaskHubGrpcClient,
        keys: SealKeys,
        scope: Scope,
    ) -> None:
        self._client = client
        self._as_stored = as_stored
        self.keys = keys
        self._scope = scope

    async def uses(self) -> dict[str, KeyUse]:
        """For each key ID that is held here or found on the hub. It reads every instance, so it may take a while."""
        found = {key: KeyUse() for key in self.keys.ids}
        try:
            await self._instances(found)
            await self._entities(found)
        except grpc.RpcError as error:
            raise ours(error) from error
        return found

    async def reseal_entities(self) -> int:
        """Reseals with the newest key every entity that an older one sealed; returns how many."""
        newest, *_ = self.keys.ids
        old = sorted(
            {entity for key, use in (await self.uses()).items() if key != newest for entity in use.entities}
        )
        try:
            for entity in old:
                await within_budget(self._client.signal_entity(EntityInstanceId.parse(entity), TOUCH))
        except grpc.RpcError as error:
            raise ours(error) from error
        return len(old)

    async def _instances(self, found: dict[str, KeyUse]) -> None:
        query = OrchestrationQuery(max_instance_count=PAGE, fetch_inputs_and_outputs=True)
        token: StringValue | None = None
        while True:
            request = build_query_instances_req(query, token)
            page = await within_budget(self._as_stored._get_stub().QueryInstances(request))  # noqa: SLF001 - the SDK's own method reads all pages first
            for state in page.orchestrationState:
                if state.name in self._scope.orchestrations:
                    await self._instance(state, found)
            if not page.continuationToken.value:
                return
            token = page.continuationToken

    async def _instance(self, state: pb.OrchestrationState, found: dict[str, KeyUse]) -> None:
        if state.orchestrationStatus in _OVER:
            for key in _keys_in(state.SerializeToString()):
                found.setdefault(key, KeyUse()).ended += 1
            return
        # What an open instance may still replay: all of its history, in addition to its input and status.
        keys = set(_keys_in(state.SerializeToString()))
        request = pb.StreamInstanceHistoryRequest(instanceId=state.instanceId)
        async for chunk in self._as_stored._get_stub().StreamInstanceHistory(request):  # noqa: SLF001 - as above
            keys |= set(_keys_in(chunk.SerializeToString()))
        for key in keys:
            found.setdefault(key, KeyUse()).open.append(state.instanceId)

    async def _entities(self, found: dict[str, KeyUse]) -> None:
        token: StringValue | None = None
        while True:
            request = build_query_entities_req(EntityQuery(include_state=True, page_size=PAGE), token)
            page = await within_budget(self._as_stored._get_stub().QueryEntities(request))  # noqa: SLF001 - as above
            for entity in page.entities:
                if self._scope.has_entity(entity.instanceId):
                    for key in _keys_in(entity.serializedState.value.encode()):
                        found.setdefault(key, KeyUse()).entities.append(entity.instanceId)
            if not page.continuationToken.value:
                return
            token = page.continuationToken


def _keys_in(raw: bytes) -> frozenset[str]:
    return frozenset(key.decode() for key in _SEAL.findall(raw))
