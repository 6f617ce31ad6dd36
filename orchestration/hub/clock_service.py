"""The clock over the hub's address, for other processes.

JSON in bytes, times in ISO 8601, deltas in seconds.
"""

from __future__ import annotations  # grpc's classes take type arguments in their stubs only

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import grpc

from orchestration.hub.clock import Clock, SkippableClock
from orchestration.hub.errors import HubError

NAME: Final = "countersign.Clock"

_Call = Callable[[Any], Awaitable[datetime | None]]


def handler(
    clock: Clock,
    advance: Callable[[timedelta], Awaitable[datetime]],
    next_timer: Callable[[], Awaitable[datetime | None]],
) -> grpc.GenericRpcHandler:
    """The calls Now, Advance and NextTimer; on a clock that cannot be moved each is refused."""

    async def tell(_request: Any) -> datetime | None:
        return clock.now()

    async def move(request: Any) -> datetime | None:
        return await advance(timedelta(seconds=float(request["seconds"])))

    async def look(_request: Any) -> datetime | None:
        return await next_timer()

    calls: dict[str, _Call] = {"Now": tell, "Advance": move, "NextTimer": look}
    skippable = isinstance(clock, SkippableClock)
    methods = {name: _method(call, served=skippable) for name, call in calls.items()}
    return grpc.method_handlers_generic_handler(NAME, methods)


def _method(call: _Call, *, served: bool) -> grpc.RpcMethodHandler[Any, Any]:
    async def handle(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        if not served:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED, "This hub runs on the machine's clock, which cannot be moved."
            )
        try:
            time = await call(json.loads(request))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"This is not a request to the clock: {error}."
            )
        except HubError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return json.dumps({"time": None if time is None else time.isoformat()}).encode()

    return grpc.unary_unary_rpc_method_handler(handle, bytes, bytes)
