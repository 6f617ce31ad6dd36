"""Calls to the hub: bounded in time, and with its errors as ours."""

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
CLIENT_CLOSED: Final = "The client is closed"  # the SDK's words
FIRST_LOOK: Final = 0.01  # seconds; a quiet hub has the answer in a few milliseconds
SLOWEST_LOOK: Final = 0.5
# What a hub does with an ID whose instance has ended is left to it where nothing is said. This lists one status that no
# instance of ours ever has, so it says that an instance which runs or has completed is not replaced.
REFUSE_A_SECOND: Final = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_CANCELED])
SHORTEST_LOOK: Final = 0.1  # seconds that the last look of somebody who waits no longer may take


async def within_budget(call: Awaitable[T]) -> T:
    """The call's result, or `HubSilentError` when the hub has not answered while the person can still be told so.

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
        raise HubUnavailableError from error  # this process ends, and somebody still waited


def ours(error: grpc.RpcError) -> CountersignError:
    """The hub's error as one of ours; the person gets its sentence."""
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return UnknownRequestError()
    # What is too large for a message has that code too.
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "disk is full" in (error.details() or ""):
        return HubUnavailableError(
            "The task hub's disk is full, so nothing was recorded. Please tell its operator."
        )
    return HubUnavailableError()


def named(error: grpc.RpcError) -> CountersignError:
    """As `ours`, for an instance that the caller named: a name that no hub takes is one that nobody has."""
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
    """How an instance stands; None where there is none of that ID. Raises `HubUnavailableError`."""
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
    """Starts an instance; False where there is one of that ID. Without `reuse` the hub says which one is replaced.

    A hub that took the call and lost its answer says so at the repeat. Raises `HubUnavailableError`.
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
    """What the work gives in that event loop, for an activity, which runs on a thread of the worker's.

    Raises `HubUnavailableError` where the loop is closed: the process ends, and the next one tries again.
    """
    try:
        return asyncio.run_coroutine_threadsafe(work, loop).result()
    except RuntimeError as error:
        work.close()
        raise HubUnavailableError from error


async def answers(client: AsyncTaskHubGrpcClient) -> None:
    """Returns once the hub has answered. Raises `HubUnavailableError` at once where there is no connection.

    Other calls wait for the connection for a while: whoever asks after the hub's health must not.
    """
    stub: Any = client._get_stub()  # noqa: SLF001 - the SDK's own methods have no such argument
    request = pb.GetInstanceRequest(instanceId="countersign-readiness")
    with translated():
        await within_budget(stub.GetInstance(request, wait_for_ready=False))
