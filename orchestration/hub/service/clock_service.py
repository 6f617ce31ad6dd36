"""The remote calls of the hub's clock, for other processes; `clock_client` calls them.

Messages are JSON. Times are in ISO 8601, durations in seconds.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import grpc

from orchestration.hub.errors import HubError
from orchestration.hub.storage.clock import Clock, SkippableClock
from orchestration.hub.transport import rpc

NAME: Final = "countersign.Clock"

_Call = Callable[[Any], Awaitable[datetime | None]]


def routes(
    clock: Clock,
    advance: Callable[[timedelta], Awaitable[datetime]],
    next_timer: Callable[[timedelta | None], Awaitable[datetime | None]],
) -> rpc.Routes:
    """The calls Now, Advance and NextTimer. On a clock that cannot be moved all are refused."""

    async def now(_request: Any) -> datetime | None:
        return clock.now()

    async def move(request: Any) -> datetime | None:
        return await advance(timedelta(seconds=float(request["seconds"])))

    async def first_timer(request: Any) -> datetime | None:
        beyond = request.get("beyond")
        return await next_timer(None if beyond is None else timedelta(seconds=float(beyond)))

    calls: dict[str, _Call] = {"Now": now, "Advance": move, "NextTimer": first_timer}
    skippable = isinstance(clock, SkippableClock)
    return {f"/{NAME}/{name}".encode(): _route(call, served=skippable) for name, call in calls.items()}


def _route(call: _Call, *, served: bool) -> rpc.UnaryHandler:
    async def answer(request: bytes) -> bytes:
        if not served:
            raise rpc.RpcError(
                rpc.status_number(grpc.StatusCode.UNIMPLEMENTED),
                "This hub runs on the machine's clock, which cannot be moved.",
            )
        try:
            time = await call(json.loads(request))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise _invalid(f"This is not a request to the clock: {error}.") from error
        except HubError as error:
            raise _invalid(str(error)) from error
        return json.dumps({"time": None if time is None else time.isoformat()}).encode()

    return rpc.UnaryHandler(lambda request, reply: rpc.run_in_task(answer(request), reply))


def _invalid(message: str) -> rpc.RpcError:
    return rpc.RpcError(rpc.status_number(grpc.StatusCode.INVALID_ARGUMENT), message)
