"""Reads and signals other programs' entities. Countersign's own are neither shown nor signalled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient, EntityQuery
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.client_helpers import build_query_entities_req
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.domain.errors import InvalidRequestError, OwnInstanceError, UnknownRequestError
from orchestration.domain.names import is_own_entity
from orchestration.service.calls import named, ours, translated, within_budget

LONGEST_ID: Final = 1000  # bytes; the hub takes no more
PAGES_LOOKED_THROUGH: Final = 20


@dataclass(frozen=True)
class EntityFilter:
    """Which entities; every part that is given must hold. Times are aware."""

    name: str | None = None
    changed_from: datetime | None = None
    changed_to: datetime | None = None
    with_state: bool = False


@dataclass(frozen=True)
class Entity:
    """An entity. `state` is the text that its program keeps; it is there only if the caller asked for it."""

    name: str
    key: str
    changed_at: datetime
    state: str | None


class Entities:
    """The entities of other programs. Each method may raise `HubUnavailableError`."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client

    async def state(self, name: str, key: str) -> str:
        """The text of the entity's state. Raises `UnknownRequestError` if there is none, and `OwnInstanceError`."""
        entity = _entity_id(name, key)
        request = pb.GetEntityRequest(instanceId=str(entity), includeState=True)
        with translated(named):
            # The SDK's own method reads the state as JSON, which it need not be; the SDK is pinned.
            found = await within_budget(self._client._get_stub().GetEntity(request))  # noqa: SLF001
        if not found.exists or not found.entity.HasField("serializedState"):
            raise UnknownRequestError("There is no entity of that name and key.")
        return str(found.entity.serializedState.value)

    async def page(
        self, wanted: EntityFilter, *, limit: int, token: str | None = None
    ) -> tuple[list[Entity], str | None]:
        """Up to `limit` entities by ID, and the token of the next page if there is one. Ours are left out.

        A page may be empty and still have a next one, as one call looks through a bounded number of entities.
        Raises `InvalidRequestError` for a token that is not the hub's, and `OwnInstanceError` for a name of ours.
        """
        if wanted.name is not None and is_own_entity(wanted.name):
            raise _own(wanted.name)
        query = EntityQuery(
            instance_id_starts_with=f"@{wanted.name.lower()}@" if wanted.name is not None else None,
            last_modified_from=wanted.changed_from,
            last_modified_to=wanted.changed_to,
            include_state=wanted.with_state,
            page_size=limit,
        )
        for _ in range(PAGES_LOOKED_THROUGH):
            found, token = await self._hub_page(query, token)
            others = [entity for entity in found if not is_own_entity(entity.name)]
            if others or token is None:
                return others, token
        return [], token

    async def _hub_page(self, query: EntityQuery, token: str | None) -> tuple[list[Entity], str | None]:
        request = build_query_entities_req(query, StringValue(value=token) if token else None)
        try:
            response = await within_budget(self._client._get_stub().QueryEntities(request))  # noqa: SLF001 - as above
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise InvalidRequestError("is not a token that a page gave", field="token") from error
            raise ours(error) from error
        return [_entity(entity) for entity in response.entities], response.continuationToken.value or None

    async def signal(self, name: str, key: str, operation: str, given: Any) -> None:
        """Has the entity run an operation. It may run after this has returned. Raises `OwnInstanceError`."""
        entity = _entity_id(name, key)
        with translated(named):
            await within_budget(self._client.signal_entity(entity, operation, input=given))


def _entity_id(name: str, key: str) -> EntityInstanceId:
    if is_own_entity(name):
        raise _own(name)
    try:
        entity = EntityInstanceId(name, key)
    except ValueError as error:
        raise UnknownRequestError("There is no entity of that name and key.") from error
    if len(str(entity).encode()) > LONGEST_ID:
        raise UnknownRequestError("There is no entity of that name and key.")
    return entity


def _own(name: str) -> OwnInstanceError:
    return OwnInstanceError(f"{name} is an entity of Countersign's own, which no address shows or signals.")


def _entity(entity: pb.EntityMetadata) -> Entity:
    _, name, key = entity.instanceId.split("@", 2)
    return Entity(
        name,
        key,
        entity.lastModifiedTime.ToDatetime(UTC),
        entity.serializedState.value if entity.HasField("serializedState") else None,
    )
