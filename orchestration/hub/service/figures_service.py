"""A call that this hub adds to the SDK's protocol: the hub's figures, for monitoring. It changes nothing.

The request is a JSON object that says how to group what has not ended, see `engine.figures.FiguresRequest`. So is the
answer:

- `now`: the hub's time, in microseconds since the epoch
- `unfinished`: groups of what has not ended, see `engine.figures.Unfinished.read`
- `queued`, `held` and `workers`: work and workers, see `engine.dispatch.Dispatcher.figures`
- `commits`: how long commits took, see `storage.commit_times.CommitTimes.figures`
- `file`: bytes of the `file` and of its `log`, and of the disk that they are on, its `size` and what is `free` of it
"""

import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import grpc

from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.engine.figures import FiguresRequest, Unfinished
from orchestration.hub.errors import HubError, InvalidError
from orchestration.hub.storage.clock import Clock
from orchestration.hub.storage.commit_times import CommitTimes
from orchestration.hub.storage.file import log_of
from orchestration.hub.transport import rpc

FIGURES: Final = "/countersign.Hub/Figures"


class _Read(Protocol):
    """Runs a function on the connection and the thread that lists are read on."""

    def __call__(self, listing_function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]: ...


class HubParts(NamedTuple):
    """The parts of the hub that the figures are read from."""

    path: Path
    clock: Clock
    dispatcher: Dispatcher
    commits: CommitTimes


def routes(parts: HubParts, read: _Read) -> rpc.Routes:
    """The handler of the call."""
    unfinished = Unfinished()

    def look(db: sqlite3.Connection, wanted: FiguresRequest) -> dict[str, Any]:
        return {"unfinished": unfinished.read(db, wanted), "file": _sizes(parts.path)}

    async def answer(request: bytes) -> bytes:
        try:
            found = await read(look, FiguresRequest.of(request))
        except InvalidError as error:
            raise rpc.RpcError(rpc.status_number(grpc.StatusCode.INVALID_ARGUMENT), str(error)) from error
        except (HubError, OSError) as error:
            raise rpc.RpcError(rpc.status_number(grpc.StatusCode.UNAVAILABLE), str(error)) from error
        now = round(parts.clock.now().timestamp() * 1_000_000)
        figures = {"now": now, **found, **parts.dispatcher.figures(), "commits": parts.commits.figures()}
        return json.dumps(figures).encode()

    return {
        FIGURES.encode(): rpc.UnaryHandler(lambda request, reply: rpc.run_in_task(answer(request), reply))
    }


def _sizes(path: Path) -> dict[str, int]:
    disk = shutil.disk_usage(path.parent)
    sizes = {"file": path.stat().st_size, "log": log_of(path).stat().st_size}
    return {**sizes, "size": disk.total, "free": disk.free}
