"""Lets calls wait, for a bounded time, for a hub that is away for a moment, such as during a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc
from durabletask.grpc_options import GrpcWorkerResiliencyOptions
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.domain.errors import HubSilentError, HubUnavailableError

# Seconds that a call waits for a connection. The service allows 2 s a call; the call fails before that and can
# still say that nothing was sent.
PATIENCE: Final = 1.8
# Seconds between two checks for a connection.
_LOOK: Final = 0.02
# Seconds until a call that the hub has refused for now is sent again.
_AGAIN: Final = 0.1

# The hub is on this machine or in this network, so connecting costs little. gRPC's default pause grows to two
# minutes.
RECONNECT: Final[list[tuple[str, Any]]] = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]
# The same for workers, whose pause is random, up to this cap; the SDK's default grows to 30 s. The caps of both
# settings together are the longest time that a worker may stay away after its hub is back.
WORKER_RECONNECT: Final = GrpcWorkerResiliencyOptions(
    reconnect_backoff_base_seconds=0.25, reconnect_backoff_cap_seconds=1.0, hello_timeout_seconds=5.0
)

# A call over a closed channel fails with its own error.
_SETTLED: Final = (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN)

# Requests that change nothing, which may be sent twice.
_LOOKS: Final = (
    pb.GetInstanceRequest,
    pb.QueryInstancesRequest,
    pb.ListInstanceIdsRequest,
    pb.GetEntityRequest,
    pb.QueryEntitiesRequest,
)


class ReconnectingInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Waits for the connection before each call, and repeats a call where the hub cannot have acted on it.

    `channel` returns the channel of the calls. `patience` is how long a call waits, in seconds. A call with
    `wait_for_ready=False` does not wait, and is sent once. This must be the last interceptor that reads or changes
    the request.
    """

    def __init__(self, channel: Callable[[], grpc.aio.Channel | None], patience: float = PATIENCE) -> None:
        self._channel = channel
        self._patience = patience

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Returns the answer.

        Raises `HubUnavailableError` where there is no connection in time: nothing was sent. Raises `HubSilentError`
        where the connection broke before the answer: the hub may have done what was asked.
        """
        if client_call_details.wait_for_ready is False:
            return await (await continuation(client_call_details, request))
        until = asyncio.get_running_loop().time() + self._patience
        while True:
            await self._connected(until)
            try:
                return await (await continuation(client_call_details, request))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                if not isinstance(request, _LOOKS) and not _unsent(error):
                    raise HubSilentError from error
            await _pause(until, _AGAIN)

    async def _connected(self, until: float) -> None:
        # Not wait_for_state_change: gRPC does not handle its cancellation.
        while (channel := self._channel()) and channel.get_state(try_to_connect=True) not in _SETTLED:
            await _pause(until)


async def _pause(until: float, seconds: float = _LOOK) -> None:
    """Raises `HubUnavailableError` once the time is over."""
    if asyncio.get_running_loop().time() >= until:
        raise HubUnavailableError
    await asyncio.sleep(seconds)


def _unsent(error: grpc.aio.AioRpcError) -> bool:
    """Whether the call cannot have had an effect: it was not sent, or the hub answered that it did not take it.

    The hub's own answers are sentences. gRPC's own messages, such as that the connection was reset, have no full
    stop.
    """
    details = error.details() or ""
    return details.startswith("failed to connect") or details.endswith(".")
