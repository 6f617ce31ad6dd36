"""The clock over the hub's address, for other processes.

JSON in bytes, times in ISO 8601, deltas in seconds.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import grpc

from orchestration.hub.errors import HubError
from orchestration.hub.storage.clock import Clock, SkippableClock
from orchestration.hub.transport import frames

NAME: Final = "countersign.Clock"

_Call = Callable[[Any], Awaitable[datetime | None]]


def routes(
    clock: Clock,
    advance: Callable[[timedelta], Awaitable[datetime]],
    next_timer: Callable[[], Awaitable[datetime | None]],
) -> frames.Routes:
    """The calls Now, Advance and NextTimer; on a clock that cannot be moved each is refused."""

    async def tell(_request: Any) -> datetime | None:
        return clock.now()

    async def move(request: Any) -> datetime | None:
        return await advance(timedelta(seconds=float(request["seconds"])))

    async def look(_request: Any) -> datetime | None:
        return await next_timer()

    calls: dict[str, _Call] = {"Now": tell, "Advance": move, "NextTimer": look}
    skippable = isinstance(clock, SkippableClock)
    return {f"/{NAME}/{name}".encode(): _route(call, served=skippable) for name, call in calls.items()}


def _route(call: _Call, *, served: bool) -> frames.Unary:
    async def answer(request: bytes) -> bytes:
        if not served:
            raise frames.RpcError(
                frames.status(grpc.StatusCode.UNIMPLEMENTED),
                "This hub runs on the machine's clock, which cannot be moved.",
            )
        try:
            time = await call(json.loads(request))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise _invalid(f"This is not a request to the clock: {error}.") from error
        except HubError as error:
            raise _invalid(str(error)) from error
        return json.dumps({"time": None if time is None else time.isoformat()}).encode()

    return frames.Unary(lambda request, reply: frames.later(answer(request), reply))


def _invalid(words: str) -> frames.RpcError:
    return frames.RpcError(frames.status(grpc.StatusCode.INVALID_ARGUMENT), words)
