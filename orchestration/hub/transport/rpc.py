"""What a gRPC call is to the code that answers it: a request in bytes, one answer or many, or an error."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

import grpc


def status_number(code: grpc.StatusCode) -> int:
    """The number that stands for a status on the wire."""
    number: int = code.value[0]
    return number


UNIMPLEMENTED: Final = status_number(grpc.StatusCode.UNIMPLEMENTED)
INTERNAL: Final = status_number(grpc.StatusCode.INTERNAL)
UNAVAILABLE: Final = status_number(grpc.StatusCode.UNAVAILABLE)
UNAUTHENTICATED: Final = status_number(grpc.StatusCode.UNAUTHENTICATED)
RESOURCE_EXHAUSTED: Final = status_number(grpc.StatusCode.RESOURCE_EXHAUSTED)


class RpcError(Exception):
    """A call that does not succeed: a gRPC status code, and a sentence for the caller."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def internal_error() -> RpcError:
    """The error for a call on which the hub failed. The caller of this function logs the cause."""
    return RpcError(INTERNAL, "The hub failed on this request; its log says why.")


Reply = Callable[[bytes | Exception], None]


class UnaryHandler(NamedTuple):
    """Answers calls that have one answer.

    `call` hands the answer, or an error, to `Reply`, now or later. Where it has to wait for something it returns
    the task that waits, which is cancelled if the caller goes away. Most calls wait for nothing but the next
    commit and need no task. An answer to a caller that has gone is dropped.

    `lost`, where there is one, is called with the caller's `ResponseStream.peer` if a call ended before its whole
    request had arrived. `too_large`, where there is one, answers a request that is too large to be held. It is called
    with the request without its long fields, and with its size in bytes.
    """

    call: Callable[[bytes, Reply], asyncio.Task[Any] | None]
    lost: Callable[[object], None] | None = None
    too_large: Callable[[bytes, int, Reply], asyncio.Task[Any] | None] | None = None


class ResponseStream(Protocol):
    """Where the answers of a call with many answers are written. After the caller has gone they are dropped."""

    @property
    def blocked(self) -> bool:
        """Whether an answer still waits because the caller has not read those before it."""

    @property
    def waiting(self) -> int:
        """Bytes that the caller has not taken, of all answers on its connection."""

    @property
    def heard(self) -> int:
        """A number that changes whenever something comes from the caller, also on another of its calls."""

    @property
    def peer(self) -> object:
        """The same object for all calls of one connection."""

    def ping(self) -> None:
        """Ask the caller's side of the connection for a sign of life: its code need not do anything for it."""

    def send(self, answer: bytes) -> None:
        """Write an answer, in order, as soon as the caller has room for it."""

    def flush(self) -> None:
        """Hand what was written to the system now, and not together with the other answers of this loop turn."""

    async def drain(self) -> None:
        """Return once all that was written has been sent."""


class StreamHandler(NamedTuple):
    """Answers calls that have many answers: `call` writes them until it returns.

    It is cancelled if the caller goes away.
    """

    call: Callable[[bytes, ResponseStream], Awaitable[None]]


# Handlers by the path of their call, such as `/package.Service/Method`.
Routes = dict[bytes, UnaryHandler | StreamHandler]


def run_in_task(coroutine: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> asyncio.Task[Any]:
    """Run a coroutine in a task; `done` gets its result or its error, and is not called if it is cancelled."""

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            error = task.exception()
            done(task.result() if error is None else error)

    task = asyncio.get_running_loop().create_task(coroutine)
    task.add_done_callback(ended)
    return task
