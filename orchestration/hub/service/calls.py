# ruff: noqa: N802, D102 -- the protocol gives the calls their names and contracts
"""The remote calls of the SDK's protocol: each hands its request to the operation of engine/ that answers it.

A call returns its answer, a `Change` for the group commit, or a coroutine where it has to wait for something.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from orchestration.hub import errors
from orchestration.hub.engine import (
    activities,
    clean_entities,
    entities,
    entity_batches,
    instances,
    listing,
    purge,
    restart,
    rewind,
    turns,
)
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.engine.leases import Lease
from orchestration.hub.engine.waiters import Waiters
from orchestration.hub.engine.workers import ConnectedWorker
from orchestration.hub.protocol import limits, not_registered, statuses
from orchestration.hub.storage.group_commit import GroupCommitStore, explained
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind
from orchestration.hub.transport import frames, rpc

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

# The operation of most calls: it runs with others in one transaction. It returns the answer (None is an empty one), or
# an error. With a returned error, what the operation has changed is kept.
Change = Callable[[Transaction], Message | Exception | None]


class Completion(NamedTuple):
    """A worker's answer. `failed` is called where the hub could not take it, before the worker is told."""

    change: Change
    failed: Callable[[], None]


WorkersAnswer = pb.OrchestratorResponse | pb.ActivityResponse | pb.EntityBatchResult

# The answer counts for nothing: its worker has not registered the work, which is queued for another.
_HANDED_ON: Final = Completion(lambda _tx: None, lambda: None)

Answer = Message | Change | Completion | Coroutine[Any, Any, Message]


class TaskHubService:
    """The calls of the protocol's TaskHubSidecarService that this hub serves, each as a method of the same name."""

    def __init__(
        self, store: GroupCommitStore, dispatcher: Dispatcher, waiters: Waiters, reader: sqlite3.Connection
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._waiters = waiters
        self._reader = reader
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="hub-reader")

    def close(self) -> None:
        """End the thread that reads lists."""
        self._reading.shutdown()

    async def read(self, listing_function: Callable[..., _T], *arguments: Any) -> _T:
        """Run a function on the reader's connection and thread; returns its result. Raises HubError, sqlite3.Error."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reading, listing_function, self._reader, *arguments)
        except sqlite3.Error as error:
            raise explained(error) from error

    # Clients.

    def Hello(self, _request: Empty) -> Empty:
        return Empty()

    def StartInstance(self, request: pb.CreateInstanceRequest) -> Change:
        return lambda tx: pb.CreateInstanceResponse(instanceId=instances.start(tx, request))

    def GetInstance(self, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
        return _instance(self._store.read(lambda tx: instances.find(tx, request.instanceId)), request)

    def WaitForInstanceStart(self, request: pb.GetInstanceRequest) -> Answer:
        return self._once(request, lambda row: row["status"] != statuses.PENDING)

    def WaitForInstanceCompletion(self, request: pb.GetInstanceRequest) -> Answer:
        return self._once(request, lambda row: row["status"] in statuses.ENDED)

    def _once(self, request: pb.GetInstanceRequest, condition: Callable[[Any], bool]) -> Answer:
        """The instance, as soon as the condition holds for it or it does not exist."""
        row = self._store.read(lambda tx: instances.find(tx, request.instanceId))
        return _instance(row, request) if row is None or condition(row) else self._wait(request, condition)

    async def _wait(
        self, request: pb.GetInstanceRequest, condition: Callable[[Any], bool]
    ) -> pb.GetInstanceResponse:
        # Registered before the first look: a change between the look and the registration would be missed.
        with self._waiters.waiting(request.instanceId) as changed:
            while True:
                row = self._store.read(lambda tx: instances.find(tx, request.instanceId))
                if row is None or condition(row):
                    return _instance(row, request)
                await changed.wait()
                changed.clear()

    def RaiseEvent(self, request: pb.RaiseEventRequest) -> Change:
        return lambda tx: instances.raise_event(tx, request)

    def TerminateInstance(self, request: pb.TerminateRequest) -> Change:
        return lambda tx: instances.terminate(tx, request)

    def SuspendInstance(self, request: pb.SuspendRequest) -> Change:
        return lambda tx: instances.suspend(tx, request)

    def ResumeInstance(self, request: pb.ResumeRequest) -> Change:
        return lambda tx: instances.resume(tx, request)

    async def QueryInstances(self, request: pb.QueryInstancesRequest) -> pb.QueryInstancesResponse:
        return await self.read(listing.query, request)

    async def ListInstanceIds(self, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
        return await self.read(listing.ended_ids, request)

    async def StreamInstanceHistory(
        self, request: pb.StreamInstanceHistoryRequest, stream: rpc.ResponseStream
    ) -> None:
        for chunk in await self.read(listing.history, request):
            stream.send(chunk.SerializeToString())
            await stream.drain()

    async def PurgeInstances(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        return await purge.Purge(self._store, self.read).run(request)

    def RestartInstance(self, request: pb.RestartInstanceRequest) -> Change:
        return lambda tx: pb.RestartInstanceResponse(instanceId=restart.restart(tx, request))

    def RewindInstance(self, request: pb.RewindInstanceRequest) -> Change:
        return lambda tx: rewind.rewind(tx, request)

    def SkipGracefulOrchestrationTerminations(
        self, request: pb.SkipGracefulOrchestrationTerminationsRequest
    ) -> Change:
        return lambda tx: pb.SkipGracefulOrchestrationTerminationsResponse(
            unterminatedInstanceIds=instances.terminate_at_once(tx, request)
        )

    # Entities.

    def SignalEntity(self, request: pb.SignalEntityRequest) -> Change:
        return lambda tx: entities.signal(tx, request)

    def GetEntity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        return self._store.read(lambda tx: entities.get(tx, request))

    async def QueryEntities(self, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
        return await self.read(listing.entities, request)

    def CleanEntityStorage(self, request: pb.CleanEntityStorageRequest) -> Change:
        return lambda tx: clean_entities.clean(tx, request)

    # Workers.

    async def GetWorkItems(self, request: pb.GetWorkItemsRequest, stream: rpc.ResponseStream) -> None:
        worker = self._dispatcher.connect(request, stream)
        self._store.wake()
        feeding = asyncio.get_running_loop().create_task(self._feed(worker))
        try:
            await worker.dismissed.wait()
            # The stream ends with an error. After a stream without one the worker would connect again at once, and get
            # work whose answer this hub cannot take any more.
            raise errors.StoppingError
        finally:
            feeding.cancel()
            # Reached however the stream ends. A worker that was killed looks like one that hung up.
            self._dispatcher.disconnect(worker)
            self._store.wake()

    async def _feed(self, worker: ConnectedWorker) -> None:
        """Start dispatching again whenever the worker was full and has read what it was sent."""
        while True:
            await worker.has_room()
            self._store.wake()

    def too_large(self, answer: WorkersAnswer, size: int) -> Completion:
        """Fail the work of an answer with more bytes than the hub takes; only the answer's short fields are known."""
        words = (
            f"The worker's answer is {size:,} bytes; at most {frames.LARGEST_MESSAGE:,} are taken. Let it ask for less "
            "at a time, or pass references to what is large."
        )
        return self._unusable(answer, pb.TaskFailureDetails(errorType=limits.TOO_LARGE, errorMessage=words))

    def unreadable(self, answer: WorkersAnswer) -> Completion:
        """Fail the work of an answer that cannot be decoded; only the answer's token is known."""
        kind = answer.DESCRIPTOR.name
        words = f"The worker's answer cannot be read as {kind} of the protocol, or nests too deep."
        return self._unusable(answer, pb.TaskFailureDetails(errorType="Unreadable", errorMessage=words))

    def _unusable(self, answer: WorkersAnswer, failure: pb.TaskFailureDetails) -> Completion:
        """Fail the work of this answer: dispatched again, it would bring the same. The worker gets an error too."""
        failure.isNonRetriable = True
        token = answer.completionToken
        if isinstance(answer, pb.OrchestratorResponse):
            completed = pb.CompleteOrchestrationAction(
                orchestrationStatus=statuses.FAILED, failureDetails=failure
            )
            action = pb.OrchestratorAction(id=-1, completeOrchestration=completed)
            failed = self.CompleteOrchestratorTask(
                pb.OrchestratorResponse(completionToken=token, actions=[action])
            )
        elif isinstance(answer, pb.ActivityResponse):
            failed = self.CompleteActivityTask(
                pb.ActivityResponse(completionToken=token, failureDetails=failure)
            )
        else:
            batch = _batch(self._dispatcher.lease(token, WorkItemKind.ENTITY))
            failed = self._completing(token, lambda tx: entity_batches.refuse(tx, batch, failure))
        _log.warning("%s", failure.errorMessage)

        def change(tx: Transaction) -> Message | Exception | None:
            return failed.change(tx) or errors.InvalidError(failure.errorMessage)

        return failed._replace(change=change)

    def CompleteOrchestratorTask(self, response: pb.OrchestratorResponse) -> Completion:
        if response.isPartial or response.requiresHistory:
            self._unusual(response.completionToken, WorkItemKind.TURN)
            raise errors.UnsupportedError(
                "This hub accepts an orchestrator's answer only in one piece, and always sends whole histories."
            )
        lease = self._dispatcher.lease(response.completionToken, WorkItemKind.TURN)
        work = lease.work
        if not isinstance(work, turns.Turn):
            raise TypeError(work)
        if not_registered.turn(response, lease.ready.name) and self._hand_on(lease, response.completionToken):
            return _HANDED_ON
        return self._completing(response.completionToken, lambda tx: turns.complete(tx, work, response))

    def CompleteActivityTask(self, response: pb.ActivityResponse) -> Completion:
        lease = self._dispatcher.lease(response.completionToken, WorkItemKind.ACTIVITY)
        key = lease.ready.key
        if not_registered.activity(response, lease.ready.name) and self._hand_on(
            lease, response.completionToken
        ):
            return _HANDED_ON

        def complete(tx: Transaction) -> Exception | None:
            if activities.complete(tx, key, response):
                return None
            return errors.StaleError(
                "The orchestration has continued as new since it asked for this activity; the answer is ignored."
            )

        return self._completing(response.completionToken, complete)

    def CompleteEntityTask(self, result: pb.EntityBatchResult) -> Completion:
        if result.requiresState:
            self._unusual(result.completionToken, WorkItemKind.ENTITY)
            raise errors.UnsupportedError("This hub always sends an entity's state with its operations.")
        lease = self._dispatcher.lease(result.completionToken, WorkItemKind.ENTITY)
        batch = _batch(lease)
        if not_registered.entity(result, lease.ready.name) and self._hand_on(lease, result.completionToken):
            return _HANDED_ON
        return self._completing(result.completionToken, lambda tx: entity_batches.complete(tx, batch, result))

    def _hand_on(self, lease: Lease, token: str) -> bool:
        """Queue work that its worker has not registered for another worker, if one may have; returns whether it did."""
        handed_on = self._dispatcher.hand_on(token, lease.ready.kind)
        if handed_on:
            self._store.wake()
        return handed_on

    def _completing(self, token: str, operation: Change) -> Completion:
        """Wrap the operation of a worker's answer so that the completion token is used up after it.

        Where the operation fails, the item is dispatched again, because a worker sends its answer only once.
        """

        def finish(tx: Transaction) -> Message | Exception | None:
            try:
                answer = operation(tx)
            except errors.StaleError:
                # Perhaps it is stale because of an earlier change in this same transaction. So the token is used up
                # only if this transaction commits.
                tx.after_commit.completed_tokens.append(token)
                raise
            tx.after_commit.completed_tokens.append(token)
            return answer

        self._dispatcher.hand_in(token)
        return Completion(finish, partial(self._unanswered, token))

    def _unusual(self, token: str, kind: WorkItemKind) -> None:
        """Take back work that the worker answered in a way that is not served, unless it was handed in before."""
        with contextlib.suppress(errors.StaleError):
            self._dispatcher.lease(token, kind)
            self._unanswered(token)

    def _unanswered(self, token: str) -> None:
        taken = self._dispatcher.unanswered(token)
        if taken is not None:
            self._offer_later(*taken)

    def answer_lost(self, peer: object) -> None:
        """Note that a worker's answer on this connection did not arrive whole."""
        self._dispatcher.answer_lost(peer)

    def AbandonTaskOrchestratorWorkItem(
        self, request: pb.AbandonOrchestrationTaskRequest
    ) -> pb.AbandonOrchestrationTaskResponse:
        self._abandon(request.completionToken, WorkItemKind.TURN)
        return pb.AbandonOrchestrationTaskResponse()

    def AbandonTaskActivityWorkItem(
        self, request: pb.AbandonActivityTaskRequest
    ) -> pb.AbandonActivityTaskResponse:
        self._abandon(request.completionToken, WorkItemKind.ACTIVITY)
        return pb.AbandonActivityTaskResponse()

    def AbandonTaskEntityWorkItem(self, request: pb.AbandonEntityTaskRequest) -> pb.AbandonEntityTaskResponse:
        self._abandon(request.completionToken, WorkItemKind.ENTITY)
        return pb.AbandonEntityTaskResponse()

    def _abandon(self, token: str, kind: WorkItemKind) -> None:
        ready = self._dispatcher.lease(token, kind).ready
        self._offer_later(ready, self._dispatcher.abandon(token, kind))

    def _offer_later(self, ready: ReadyWork, pause: float) -> None:
        def again() -> None:
            self._dispatcher.offer(ready)
            self._store.wake()

        asyncio.get_running_loop().call_later(pause, again)

    # The hub itself.

    def CreateTaskHub(self, request: pb.CreateTaskHubRequest) -> pb.CreateTaskHubResponse:
        if request.recreateIfExists:
            raise errors.UnsupportedError(
                "The hub does not delete its file. Stop it, move the file away, and start it again."
            )
        return pb.CreateTaskHubResponse()

    def DeleteTaskHub(self, _request: pb.DeleteTaskHubRequest) -> pb.DeleteTaskHubResponse:
        raise errors.UnsupportedError("The hub does not delete its file. Stop it, and remove the file.")


def _batch(lease: Lease) -> entity_batches.EntityBatch:
    if not isinstance(lease.work, entity_batches.EntityBatch):
        raise TypeError(lease.work)
    return lease.work


def _instance(row: Any, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    if row is None:
        return pb.GetInstanceResponse(exists=False)
    state = instances.state(row, payloads=request.getInputsAndOutputs)
    return pb.GetInstanceResponse(exists=True, orchestrationState=state)
