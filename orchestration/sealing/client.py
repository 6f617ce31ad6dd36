"""Seals what our client sends to the hub, and shows our services only data with a valid seal."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.domain.errors import HubUnavailableError
from orchestration.sealing import envelope, scope
from orchestration.sealing.actions import Sealer
from orchestration.sealing.history import HistoryReader, StartRefusedError, has_only, started_as
from orchestration.sealing.keys import BrokenSealError, SealKeys, UnknownKeyError
from orchestration.sealing.scope import Scope

log = logging.getLogger(__name__)

UNREADABLE: Final = (
    "Nothing was recorded. This was sealed with the key {key}, which this process does not hold. "
    "Please tell its operator."
)


class SealingInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Handles calls with one answer. Data without our seal is removed from the answer, and logged.

    While `held` gives a reason, nothing of ours is sent: other processes could not check its seal.
    """

    def __init__(self, keys: SealKeys, ours: Scope, held: Callable[[], str | None] = lambda: None) -> None:
        self._keys = keys
        self._scope = ours
        self._held = held
        self._sealer = Sealer(keys, ours)

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Seals the request, awaits the answer, opens it. Raises `HubUnavailableError` while requests are held."""
        self._seal(request)
        answer = await (await continuation(client_call_details, request))
        self._open(answer, request)
        return answer

    def _seal(self, request: Any) -> None:
        if isinstance(request, pb.CreateInstanceRequest):
            if request.name in self._scope.orchestrations:
                self._put(request, scope.start(request.instanceId, request.name))
        elif isinstance(request, pb.RaiseEventRequest):
            if self._scope.has_event(request.name):
                self._hold()
                self._sealer.event(request, "input", request.instanceId, request.name)
        elif isinstance(request, pb.SignalEntityRequest) and self._scope.has_entity(request.instanceId):
            self._put(request, scope.operation(request.instanceId, request.name))

    def _put(self, request: Any, place: scope.Place) -> None:
        self._hold()
        self._sealer.put(request, "input", place)

    def _hold(self) -> None:
        if held := self._held():
            raise HubUnavailableError(f"Nothing was recorded. {held}")

    def _open(self, answer: Any, request: Any) -> None:
        """Opens the answer.

        If one instance or entity was asked for, its ID is taken from the request, not from the hub's answer.
        """
        if isinstance(answer, pb.GetInstanceResponse):
            try:
                self._open_instance(answer.orchestrationState, request.instanceId)
            except UnknownKeyError as error:
                raise HubUnavailableError(UNREADABLE.format(key=error.key_id)) from error
        elif isinstance(answer, pb.QueryInstancesResponse):
            for state in answer.orchestrationState:
                self._open_one_of_many(state)
        elif isinstance(answer, pb.GetEntityResponse):
            self._open_entity(answer.entity, request.instanceId)
        elif isinstance(answer, pb.QueryEntitiesResponse):
            for entity in answer.entities:
                self._open_entity(entity, entity.instanceId)

    def _open_one_of_many(self, state: pb.OrchestrationState) -> None:
        """Opens one instance of a query. If it cannot be read, it shows nothing; the others are still shown."""
        try:
            self._open_instance(state, state.instanceId)
        except UnknownKeyError as error:
            log.warning("%s cannot be read: %s", state.instanceId, error)
            for field in ("input", "output", "customStatus"):
                state.ClearField(field)

    def _open_instance(self, state: pb.OrchestrationState, instance_id: str) -> None:
        name = state.name
        if name not in self._scope.orchestrations:
            return
        self._open_field(state, "input", scope.start(instance_id, name), self._scope.open_member(name))
        self._open_field(state, "customStatus", scope.status(instance_id, name))
        if state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
            self._open_field(state, "output", scope.output(instance_id, name))
        elif not state.output.value.startswith('"'):
            state.ClearField("output")  # whoever stops an instance may give a reason as text, but no outcome

    def _open_entity(self, entity: pb.EntityMetadata, entity_id: str) -> None:
        if self._scope.has_entity(entity_id):
            try:
                self._open_field(entity, "serializedState", scope.state(entity_id))
            except UnknownKeyError as error:
                log.warning("%s cannot be read: %s", entity_id, error)
                entity.ClearField("serializedState")

    def _open_field(
        self, message: Any, field: str, place: scope.Place, open_member: str | None = None
    ) -> None:
        """Opens one field.

        A text without any seal stays if it has only the `open_member`, as a start may have that much.
        """
        carried = getattr(message, field)
        if not carried.value:
            return
        seal, text = envelope.take(carried.value)
        if not seal and open_member is not None and has_only(open_member, text):
            return
        try:
            self._keys.check(place, text, seal)
        except BrokenSealError:
            log.error("%s has no seal of ours", " ".join(place))  # noqa: TRY400 - where is no news
            message.ClearField(field)
        else:
            if text == "null":
                message.ClearField(field)
            else:
                carried.value = text


class HistoryInterceptor(grpc.aio.UnaryStreamClientInterceptor):
    """Handles the history of an instance: events without a valid seal are not shown."""

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
        return self._opened(chunks, request.instanceId)

    async def _opened(
        self, chunks: AsyncIterator[pb.HistoryChunk], instance_id: str
    ) -> AsyncIterator[pb.HistoryChunk]:
        events = [event async for chunk in chunks for event in chunk.events]
        reader = HistoryReader(self._keys, self._scope, instance_id, started_as(events))
        yield pb.HistoryChunk(events=[event for event in events if _counts(reader, event)])


def _counts(reader: HistoryReader, event: pb.HistoryEvent) -> bool:
    try:
        return reader.read(event)
    except (StartRefusedError, UnknownKeyError) as error:
        log.warning("in a history: %s", error)
        return False
