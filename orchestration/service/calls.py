"""Calls to the hub, with a time limit, and with the hub's errors translated to ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import grpc
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.domain.errors import (
    CountersignError,
    HubSilentError,
    HubUnavailableError,
    InvalidRequestError,
    UnknownRequestError,
)
from orchestration.domain.request import VERSION

T = TypeVar("T")

COMMIT_BUDGET: Final = 2.0  # seconds; Slack waits 3 for the ack that follows
CLIENT_CLOSED: Final = "The client is closed"  # the SDK's error text
FIRST_LOOK: Final = 0.01  # seconds; a quiet hub has the answer in a few milliseconds
SLOWEST_LOOK: Final = 0.5
# Without a reuse policy each hub decides by itself what to do with the ID of an ended instance. This one lists a status
# that no instance of ours ever has, so a running or completed instance is never replaced.
REFUSE_A_SECOND: Final = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_CANCELED])
SHORTEST_LOOK: Final = 0.1  # seconds that the last look may take after the caller's time is up


async def within_budget(call: Awaitable[T]) -> T:
    """The call's result. Raises `HubSilentError` if the hub does not answer while the person can still be told.

    What was sent may have arrived all the same; a repeat carries the same command ID or key, so it is safe.
    """
    try:
        async with asyncio.timeout(COMMIT_BUDGET):
            return await call
    except TimeoutError as error:
        raise HubSilentError from error
    except RuntimeError as error:
        if str(error) != CLIENT_CLOSED:
            raise
        raise HubUnavailableError from error  # this process ends while somebody still waits


def ours(error: grpc.RpcError) -> CountersignError:
    """The hub's error as one of ours, whose message the person gets."""
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return UnknownRequestError()
    # A message that is too large gets this code too.
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "disk is full" in (error.details() or ""):
        return HubUnavailableError(
            "The task hub's disk is full, so nothing was recorded. Please tell its operator."
        )
    return HubUnavailableError()


def named(error: grpc.RpcError) -> CountersignError:
    """As `ours`, for an instance that the caller named: a name that hubs refuse counts as unknown."""
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        said = error.details() or ""
        is_other = said.startswith("The field ") and not said.startswith("The field instanceId ")
        return InvalidRequestError(said) if is_other else UnknownRequestError()
    return ours(error)


@contextmanager
def translated(error_of: Callable[[grpc.RpcError], CountersignError] = ours) -> Iterator[None]:
    """Raises the hub's errors as ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_of(error) from error


async def state_of(
    client: AsyncTaskHubGrpcClient, instance_id: str, *, payloads: bool = True
) -> OrchestrationState | None:
    """The state of an instance; None if there is none with that ID. Raises `HubUnavailableError`."""
    try:
        return await within_budget(client.get_orchestration_state(instance_id, fetch_payloads=payloads))
    except grpc.RpcError as error:
        if error.code() in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}:
            return None
        raise ours(error) from error


async def begin(
    client: AsyncTaskHubGrpcClient,
    orchestration: str,
    given: object,
    instance_id: str,
    *,
    reuse: pb.OrchestrationIdReusePolicy | None = None,
) -> bool:
    """Starts an instance; False if the ID is taken. Without `reuse` the hub decides which instance is replaced.

    If the answer to the first call was lost, the repeat gives False. Raises `HubUnavailableError`.
    """
    try:
        await within_budget(
            client.schedule_new_orchestration(
                orchestration, input=given, instance_id=instance_id, version=VERSION, reuse_id_policy=reuse
            )
        )
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.ALREADY_EXISTS:
            return False
        raise ours(error) from error
    return True


def run_in(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Runs the work in that event loop and returns its result, for an activity on a worker thread.

    Raises `HubUnavailableError` if the loop is closed: the process ends, and the next one tries again.
    """
    try:
        return asyncio.run_coroutine_threadsafe(work, loop).result()
    except RuntimeError as error:
        work.close()
        raise HubUnavailableError from error


async def answers(client: AsyncTaskHubGrpcClient) -> None:
    """Returns once the hub has answered. Raises `HubUnavailableError` at once where there is no connection.

    Other calls wait a while for the connection, but a health check must not.
    """
    stub: Any = client._get_stub()  # noqa: SLF001 - the SDK's own methods have no such argument
    request = pb.GetInstanceRequest(instanceId="countersign-readiness")
    with translated():
        await within_budget(stub.GetInstance(request, wait_for_ready=False))
