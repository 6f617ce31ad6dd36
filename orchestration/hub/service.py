# ruff: noqa: N802, D102 -- the names and the contracts of the calls are the protocol's
"""The protocol's remote calls.

Each is one line to the operation that answers it, and every error gets its status here.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.empty_pb2 import Empty

from orchestration.hub import (
    activities,
    batches,
    entities,
    errors,
    frames,
    instances,
    listing,
    mailbox,
    turns,
)
from orchestration.hub.dispatch import Dispatcher
from orchestration.hub.store import Kind, Store, Transaction
from orchestration.hub.waiters import Waiters

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

_STATUS: Final = {
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotReadyError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StaleError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.FullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DamagedError: grpc.StatusCode.DATA_LOSS,
    errors.HubError: grpc.StatusCode.UNAVAILABLE,
}

# How many instances one transaction of a purge by filter forgets: a few milliseconds, so that it delays
# nobody.
_PURGE_STEP: Final = 50


class Service:
    """The calls of TaskHubSidecarService that this hub serves; a method's name is that of its call."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, waiters: Waiters, reader: sqlite3.Connection
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._waiters = waiters
        self._reader = reader
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="hub-reader")

    def close(self) -> None:
        """Stop reading lists."""
        self._reading.shutdown()

    async def _read(self, listing_function: Callable[..., _T], *arguments: Any) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, listing_function, self._reader, *arguments)

    # Clients.

    async def Hello(self, _request: Empty) -> Empty:
        return Empty()

    async def StartInstance(self, request: pb.CreateInstanceRequest) -> pb.CreateInstanceResponse:
        return pb.CreateInstanceResponse(
            instanceId=await self._store.run(lambda tx: instances.start(tx, request))
        )

    async def GetInstance(self, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
        return _instance(self._store.read(lambda tx: instances.look(tx, request.instanceId)), request)

    async def WaitForInstanceStart(self, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
        return await self._wait(request, lambda row: row["status"] != mailbox.PENDING)

    async def WaitForInstanceCompletion(self, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
        return await self._wait(request, lambda row: row["status"] in mailbox.ENDED)

    async def _wait(
        self, request: pb.GetInstanceRequest, until: Callable[[Any], bool]
    ) -> pb.GetInstanceResponse:
        # Registered before the first look: a change between look and registration would wake nobody.
        with self._waiters.waiting(request.instanceId) as changed:
            while True:
                row = self._store.read(lambda tx: instances.look(tx, request.instanceId))
                if row is None or until(row):
                    return _instance(row, request)
                await changed.wait()
                changed.clear()

    async def RaiseEvent(self, request: pb.RaiseEventRequest) -> pb.RaiseEventResponse:
        await self._store.run(lambda tx: instances.raise_event(tx, request))
        return pb.RaiseEventResponse()

    async def TerminateInstance(self, request: pb.TerminateRequest) -> pb.TerminateResponse:
        await self._store.run(lambda tx: instances.terminate(tx, request))
        return pb.TerminateResponse()

    async def SuspendInstance(self, request: pb.SuspendRequest) -> pb.SuspendResponse:
        await self._store.run(lambda tx: instances.suspend(tx, request))
        return pb.SuspendResponse()

    async def ResumeInstance(self, request: pb.ResumeRequest) -> pb.ResumeResponse:
        await self._store.run(lambda tx: instances.resume(tx, request))
        return pb.ResumeResponse()

    async def QueryInstances(self, request: pb.QueryInstancesRequest) -> pb.QueryInstancesResponse:
        return await self._read(listing.query, request)

    async def ListInstanceIds(self, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
        return await self._read(listing.ended_ids, request)

    async def StreamInstanceHistory(
        self, request: pb.StreamInstanceHistoryRequest, line: frames.Line
    ) -> None:
        for chunk in await self._read(listing.history, request.instanceId):
            line.send(chunk.SerializeToString())
            await line.room()

    async def PurgeInstances(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        response = pb.PurgeInstancesResponse()
        response.isComplete.value = True
        if request.HasField("purgeInstanceFilter"):
            await self._purge_filtered(request, response)
            return response
        named = (
            list(request.instanceBatch.instanceIds)
            if request.HasField("instanceBatch")
            else [request.instanceId]
        )
        response.deletedInstanceCount = await self._purge(named, recursive=request.recursive)
        return response

    async def _purge_filtered(
        self, request: pb.PurgeInstancesRequest, response: pb.PurgeInstancesResponse
    ) -> None:
        asked = request.purgeInstanceFilter
        until = (
            time.monotonic() + asked.timeout.ToTimedelta().total_seconds()
            if asked.HasField("timeout")
            else None
        )
        after = 0
        while found := await self._read(listing.purgeable, asked, after, _PURGE_STEP):
            if until is not None and time.monotonic() > until:
                response.isComplete.value = False
                return
            after = found[-1][0]
            names = [instance_id for _, instance_id in found]
            response.deletedInstanceCount += await self._purge(names, recursive=request.recursive)

    async def _purge(self, named: list[str], *, recursive: bool) -> int:
        def purge(tx: Transaction) -> int:
            return sum(instances.purge(tx, one, recursive=recursive) for one in named)

        return await self._store.run(purge)

    # Entities.

    async def SignalEntity(self, request: pb.SignalEntityRequest) -> pb.SignalEntityResponse:
        await self._store.run(lambda tx: entities.signal(tx, request))
        return pb.SignalEntityResponse()

    async def GetEntity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        return self._store.read(lambda tx: entities.get(tx, request))

    async def QueryEntities(self, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
        return await self._read(listing.entities, request)

    # Workers.

    async def GetWorkItems(self, request: pb.GetWorkItemsRequest, line: frames.Line) -> None:
        worker = self._dispatcher.connect(request, line)
        self._store.poke()
        try:
            await worker.dismissed.wait()
        finally:
            # Reached however the stream ends: a worker that was killed looks like one that hung up.
            self._dispatcher.disconnect(worker)
            self._store.poke()

    async def CompleteOrchestratorTask(self, response: pb.OrchestratorResponse) -> pb.CompleteTaskResponse:
        if response.isPartial or response.requiresHistory:
            raise errors.UnsupportedError(
                "This hub takes an orchestrator's answer in one piece, and sends it whole histories."
            )
        dealt = self._dispatcher.held(response.completionToken, Kind.TURN)
        work = dealt.work
        if not isinstance(work, turns.Turn):
            raise TypeError(work)
        await self._complete(response.completionToken, lambda tx: turns.complete(tx, work, response))
        return pb.CompleteTaskResponse()

    async def CompleteActivityTask(self, response: pb.ActivityResponse) -> pb.CompleteTaskResponse:
        key = self._dispatcher.held(response.completionToken, Kind.ACTIVITY).ready.key
        if not await self._complete(
            response.completionToken, lambda tx: activities.complete(tx, key, response)
        ):
            raise errors.StaleError(
                "The orchestration has continued as new since it asked for this activity; it is ignored."
            )
        return pb.CompleteTaskResponse()

    async def CompleteEntityTask(self, result: pb.EntityBatchResult) -> pb.CompleteTaskResponse:
        if result.requiresState:
            raise errors.UnsupportedError("This hub always sends an entity's state with its operations.")
        work = self._dispatcher.held(result.completionToken, Kind.ENTITY).work
        if not isinstance(work, batches.Batch):
            raise TypeError(work)
        await self._complete(result.completionToken, lambda tx: batches.complete(tx, work, result))
        return pb.CompleteTaskResponse()

    async def _complete(self, token: str, operation: Callable[[Transaction], _T]) -> _T:
        def settle(tx: Transaction) -> _T:
            result = operation(tx)
            tx.effects.settled.append(token)
            return result

        try:
            return await self._store.run(settle)
        except errors.StaleError:
            self._dispatcher.drop(token)
            raise

    async def AbandonTaskOrchestratorWorkItem(
        self, request: pb.AbandonOrchestrationTaskRequest
    ) -> pb.AbandonOrchestrationTaskResponse:
        self._abandon(request.completionToken, Kind.TURN)
        return pb.AbandonOrchestrationTaskResponse()

    async def AbandonTaskActivityWorkItem(
        self, request: pb.AbandonActivityTaskRequest
    ) -> pb.AbandonActivityTaskResponse:
        self._abandon(request.completionToken, Kind.ACTIVITY)
        return pb.AbandonActivityTaskResponse()

    async def AbandonTaskEntityWorkItem(
        self, request: pb.AbandonEntityTaskRequest
    ) -> pb.AbandonEntityTaskResponse:
        self._abandon(request.completionToken, Kind.ENTITY)
        return pb.AbandonEntityTaskResponse()

    def _abandon(self, token: str, kind: Kind) -> None:
        ready = self._dispatcher.held(token, kind).ready
        pause = self._dispatcher.abandon(token, kind)

        def again() -> None:
            self._dispatcher.offer(ready)
            self._store.poke()

        asyncio.get_running_loop().call_later(pause, again)

    # The hub itself.

    async def CreateTaskHub(self, request: pb.CreateTaskHubRequest) -> pb.CreateTaskHubResponse:
        if request.recreateIfExists:
            raise errors.UnsupportedError(
                "The hub does not delete its file. Stop it, move the file away, and start it again."
            )
        return pb.CreateTaskHubResponse()


def _instance(row: Any, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    if row is None:
        return pb.GetInstanceResponse(exists=False)
    state = instances.state(row, payloads=request.getInputsAndOutputs)
    return pb.GetInstanceResponse(exists=True, orchestrationState=state)


def _explain(error: Exception, name: str) -> frames.RpcError:
    """The error as the status and the sentence that the caller gets."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return frames.RpcError(frames.status(_STATUS[kind]), str(error))
    _log.error("%s failed.", name, exc_info=error)
    return frames.RpcError(
        frames.status(grpc.StatusCode.INTERNAL), "The hub failed on this request; its log says why."
    )


def _unary(name: str, call: Callable[[Any], Awaitable[Any]], decode: Callable[[bytes], Any]) -> frames.Unary:
    async def handle(request: bytes) -> bytes:
        try:
            answer: bytes = (await call(decode(request))).SerializeToString()
        except Exception as error:  # the one place where errors become statuses
            raise _explain(error, name) from error
        return answer

    return frames.Unary(handle)


def _stream(
    name: str, call: Callable[[Any, frames.Line], Awaitable[None]], decode: Callable[[bytes], Any]
) -> frames.Stream:
    async def handle(request: bytes, line: frames.Line) -> None:
        try:
            await call(decode(request), line)
        except Exception as error:  # as above
            raise _explain(error, name) from error

    return frames.Stream(handle)


def _unserved(name: str) -> Callable[[Any], Awaitable[Any]]:
    async def refuse(_request: Any) -> Any:
        raise errors.UnsupportedError(f"This hub does not serve {name} yet; Durable Task Scheduler does.")

    return refuse


def routes(service: Service) -> frames.Routes:
    """All calls of the protocol; those that `Service` does not have are refused in a sentence."""
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
    out: frames.Routes = {}
    for method in described.methods:
        call: Any = getattr(service, method.name, None) or _unserved(method.name)
        decode = message_factory.GetMessageClass(method.input_type).FromString
        make = _stream if method.server_streaming else _unary
        out[f"/{described.full_name}/{method.name}".encode()] = make(method.name, call, decode)
    return out
