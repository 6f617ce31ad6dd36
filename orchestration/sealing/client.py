"""Seals what our client sends to the hub, and shows our services only what is sealed rightly."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.sealing import envelope, scope
from orchestration.sealing.actions import Sealer
from orchestration.sealing.history import HistoryReader, StartRefusedError
from orchestration.sealing.keys import BrokenSealError, SealKeys, UnknownKeyError
from orchestration.sealing.scope import Scope

log = logging.getLogger(__name__)


class SealingInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """For calls with one answer. What has no seal of ours is left out of the answer, and logged."""

    def __init__(self, keys: SealKeys, ours: Scope) -> None:
        self._keys = keys
        self._scope = ours
        self._sealer = Sealer(keys, ours)

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Seals the request, awaits the answer, opens it."""
        self._seal(request)
        answer = await (await continuation(client_call_details, request))
        self._open(answer)
        return answer

    def _seal(self, request: Any) -> None:
        if isinstance(request, pb.CreateInstanceRequest):
            if request.name in self._scope.orchestrations:
                self._sealer.put(request, "input", scope.start(request.instanceId, request.name))
        elif isinstance(request, pb.RaiseEventRequest):
            if self._scope.has_event(request.name):
                self._sealer.put(request, "input", scope.event(request.instanceId, request.name))
        elif isinstance(request, pb.SignalEntityRequest) and self._scope.has_entity(request.instanceId):
            self._sealer.put(request, "input", scope.operation(request.instanceId, request.name))

    def _open(self, answer: Any) -> None:
        if isinstance(answer, pb.GetInstanceResponse):
            self._open_instance(answer.orchestrationState)
        elif isinstance(answer, pb.QueryInstancesResponse):
            for state in answer.orchestrationState:
                self._open_instance(state)
        elif isinstance(answer, pb.GetEntityResponse):
            self._open_entity(answer.entity)
        elif isinstance(answer, pb.QueryEntitiesResponse):
            for entity in answer.entities:
                self._open_entity(entity)

    def _open_instance(self, state: pb.OrchestrationState) -> None:
        name, instance_id = state.name, state.instanceId
        if name not in self._scope.orchestrations:
            return
        self._open_field(state, "input", scope.start(instance_id, name), self._scope.open_member(name))
        self._open_field(state, "customStatus", scope.status(instance_id, name))
        if state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
            self._open_field(state, "output", scope.output(instance_id, name))

    def _open_entity(self, entity: pb.EntityMetadata) -> None:
        if self._scope.has_entity(entity.instanceId):
            self._open_field(entity, "serializedState", scope.state(entity.instanceId))

    def _open_field(self, message: Any, field: str, place: scope.Place, unsealed: str | None = None) -> None:
        """`unsealed`: where there is no seal at all, the text stays, as the member of that name is all it may have."""
        carried = getattr(message, field)
        if not carried.value:
            return
        seal, text = envelope.take(carried.value)
        if not seal and unsealed is not None:
            return
        try:
            self._keys.check(place, text, seal)
        except (BrokenSealError, UnknownKeyError) as error:
            why = type(error).__name__
            log.error("%s: its %s has no seal of ours (%s)", message.instanceId, field, why)  # noqa: TRY400 - where is no news
            message.ClearField(field)
        else:
            if text == "null":
                message.ClearField(field)
            else:
                carried.value = text


class HistoryInterceptor(grpc.aio.UnaryStreamClientInterceptor):
    """For the history of an instance: what does not count is not shown as having happened."""

    def __init__(self, keys: SealKeys, ours: Scope) -> None:
        self._keys = keys
        self._scope = ours

    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        """The stream of events, unsealed."""
        chunks = await continuation(client_call_details, request)
        if not isinstance(request, pb.StreamInstanceHistoryRequest):
            return chunks
        return self._opened(chunks, HistoryReader(self._keys, self._scope, request.instanceId))

    async def _opened(
        self, chunks: AsyncIterator[pb.HistoryChunk], reader: HistoryReader
    ) -> AsyncIterator[pb.HistoryChunk]:
        async for chunk in chunks:
            kept = [event for event in chunk.events if _counts(reader, event)]
            yield pb.HistoryChunk(events=kept)


def _counts(reader: HistoryReader, event: pb.HistoryEvent) -> bool:
    try:
        return reader.read(event)
    except (StartRefusedError, UnknownKeyError) as error:
        log.warning("in a history: %s", error)
        return False
