# ruff: noqa: N802, D102 -- the names and the contracts of the calls are the protocol's
"""The protocol's remote calls: each is one line to the operation that answers it."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from orchestration.hub import (
    activities,
    batches,
    cleaning,
    entities,
    errors,
    frames,
    instances,
    listing,
    mailbox,
    purging,
    restart,
    rewind,
    turns,
)
from orchestration.hub.dispatch import Dispatcher
from orchestration.hub.store import Kind, Store, Transaction
from orchestration.hub.waiters import Waiters

_T = TypeVar("_T")


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
        for chunk in await self._read(listing.history, request):
            line.send(chunk.SerializeToString())
            await line.room()

    async def PurgeInstances(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        return await purging.Purge(self._store, self._read).run(request)

    async def RestartInstance(self, request: pb.RestartInstanceRequest) -> pb.RestartInstanceResponse:
        return pb.RestartInstanceResponse(
            instanceId=await self._store.run(lambda tx: restart.restart(tx, request))
        )

    async def RewindInstance(self, request: pb.RewindInstanceRequest) -> pb.RewindInstanceResponse:
        await self._store.run(lambda tx: rewind.rewind(tx, request))
        return pb.RewindInstanceResponse()

    async def SkipGracefulOrchestrationTerminations(
        self, request: pb.SkipGracefulOrchestrationTerminationsRequest
    ) -> pb.SkipGracefulOrchestrationTerminationsResponse:
        left = await self._store.run(lambda tx: instances.terminate_at_once(tx, request))
        return pb.SkipGracefulOrchestrationTerminationsResponse(unterminatedInstanceIds=left)

    # Entities.

    async def SignalEntity(self, request: pb.SignalEntityRequest) -> pb.SignalEntityResponse:
        await self._store.run(lambda tx: entities.signal(tx, request))
        return pb.SignalEntityResponse()

    async def GetEntity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        return self._store.read(lambda tx: entities.get(tx, request))

    async def QueryEntities(self, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
        return await self._read(listing.entities, request)

    async def CleanEntityStorage(
        self, request: pb.CleanEntityStorageRequest
    ) -> pb.CleanEntityStorageResponse:
        return await self._store.run(lambda tx: cleaning.clean(tx, request))

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

    async def DeleteTaskHub(self, _request: pb.DeleteTaskHubRequest) -> pb.DeleteTaskHubResponse:
        raise errors.UnsupportedError("The hub does not delete its file. Stop it, and remove the file.")


def _instance(row: Any, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    if row is None:
        return pb.GetInstanceResponse(exists=False)
    state = instances.state(row, payloads=request.getInputsAndOutputs)
    return pb.GetInstanceResponse(exists=True, orchestrationState=state)
