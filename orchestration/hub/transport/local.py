"""A gRPC channel to a hub in this process: the calls go to its event loop as they are, and over no connection.

A worker answers every step of an orchestration with a call. Between two threads of one process HTTP/2 costs more than
what the hub does with it. For asynchronous clients there is `local_async`; other processes connect.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import grpc

from orchestration.hub.transport import frames, refusals, rpc
from orchestration.hub.transport.crossing import Crossing
from orchestration.hub.transport.skim import Skim

CODES: Final = {rpc.status_number(code): code for code in grpc.StatusCode}
_STOPPED: Final = rpc.RpcError(rpc.UNAVAILABLE, "The hub of this process has stopped.")
LATE: Final = rpc.RpcError(
    rpc.status_number(grpc.StatusCode.DEADLINE_EXCEEDED), "The hub has not answered in time."
)
UNKNOWN: Final = rpc.RpcError(rpc.UNIMPLEMENTED, "There is no such call here.")
_CANCELLED: Final = rpc.RpcError(
    rpc.status_number(grpc.StatusCode.CANCELLED), "The caller has ended the call."
)
END: Final = object()

# A function that is called with each answer of a stream, on the hub's event loop. It returns whether it took the
# answer.
Taker = Callable[[Any], bool]


class LocalCallError(grpc.RpcError):
    """A call to the hub of this process that did not succeed."""

    def __init__(self, error: rpc.RpcError) -> None:
        super().__init__(error.message)
        self._error = error

    def code(self) -> grpc.StatusCode:
        """The status."""
        return CODES[self._error.code]

    def details(self) -> str:
        """The hub's sentence."""
        return self._error.message


class LocalChannel(grpc.Channel):
    """The channel for the SDK's worker. Made on the hub's event loop, used from other threads; `take` is a `Taker`."""

    def __init__(self, routes: rpc.Routes) -> None:
        self._routes = routes
        self._crossing = Crossing(asyncio.get_running_loop())
        self._waiting: set[rpc.Reply] = set()
        self._stopped = False
        self.take: Taker = lambda _answer: False

    def stop(self) -> None:
        """Fails every call that waits for an answer, and every later one. Called last on the hub's event loop."""
        self._stopped = True
        for reply in list(self._waiting):
            reply(_STOPPED)

    def begin(self, reply: rpc.Reply, start: Callable[[], object]) -> None:
        """Calls `start` on the hub's event loop. Where the hub stops before `end`, `reply` is told so."""
        self._waiting.add(reply)
        try:
            self._crossing.put(start)
        except RuntimeError:  # the event loop is closed
            self._stopped = True
        if self._stopped:  # `stop` may have missed this reply
            reply(_STOPPED)

    def end(self, reply: rpc.Reply) -> None:
        """Forgets `reply`: nobody waits for it any longer."""
        self._waiting.discard(reply)

    def cross(self, call: Callable[[], object]) -> None:
        """Makes the call on the hub's event loop, unless that is closed."""
        with contextlib.suppress(RuntimeError):
            self._crossing.put(call)

    def route(self, method: str) -> Any:
        """The handler of this method: a `rpc.UnaryHandler` or a `rpc.StreamHandler`, or None where there is none."""
        return self._routes.get(method.encode())

    def unary_unary(  # noqa: D102 - gRPC's contract
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *_: Any,
        **__: Any,
    ) -> Any:
        return LocalUnary(self, self.route(method), request_serializer, response_deserializer)

    def unary_stream(  # noqa: D102 - gRPC's contract
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *_: Any,
        **__: Any,
    ) -> Any:
        route = self.route(method)

        def call(request: Any, **_: Any) -> _Stream:
            return _Stream(self, route, request_serializer(request), response_deserializer)

        return call

    # The protocol of the hub has no call whose request is a stream. gRPC's interface asks for both all the same.
    def stream_unary(self, *_: Any, **__: Any) -> Any:  # noqa: D102 - gRPC's contract
        raise NotImplementedError("the hub has no such call")

    def stream_stream(self, *_: Any, **__: Any) -> Any:  # noqa: D102 - gRPC's contract
        raise NotImplementedError("the hub has no such call")

    def subscribe(self, *_: Any, **__: Any) -> None:
        """Does nothing: there is no connection whose state could change."""

    def unsubscribe(self, *_: Any) -> None:
        """Does nothing, as `subscribe`."""

    def close(self) -> None:
        """Does nothing: the channel holds nothing open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalUnary:
    """Calls of one method that has one answer. The thread that calls waits for it."""

    def __init__(
        self, channel: LocalChannel, route: rpc.UnaryHandler | None, encode: Any, decode: Any
    ) -> None:
        self._channel = channel
        self._route = route
        self._encode = encode
        self._decode = decode

    def __call__(self, request: Any, timeout: float | None = None, **_: Any) -> Any:
        """Makes the call and returns its answer. Raises `LocalCallError`."""
        route, data = self._route, self._encode(request)
        if route is None:
            raise LocalCallError(UNKNOWN)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        reply = answers.put
        self._channel.begin(reply, lambda: start_unary(route, data, reply))
        try:
            answer = answers.get(timeout=timeout)
        except queue.Empty:
            answer = LATE
        finally:
            self._channel.end(reply)
        if isinstance(answer, rpc.RpcError):
            raise LocalCallError(answer)
        return self._decode(answer)

    def tell(self, request: Any, told: Callable[[grpc.RpcError | None], None]) -> None:
        """Makes the call without waiting. `told` is called on the hub's event loop, with the call's error or None."""
        route, data = self._route, self._encode(request)
        if route is None:
            raise LocalCallError(UNKNOWN)

        def reply(answer: bytes | Exception) -> None:
            self._channel.end(reply)
            told(LocalCallError(answer) if isinstance(answer, rpc.RpcError) else None)

        self._channel.begin(reply, lambda: start_unary(route, data, reply))


def start_unary(route: rpc.UnaryHandler, data: bytes, reply: rpc.Reply) -> asyncio.Task[Any] | None:
    """Begins a call on the hub's event loop; returns the task that waits, where the call has to wait for something."""
    try:
        if len(data) <= frames.LARGEST_MESSAGE:
            return route.call(data, reply)
        if route.too_large is None:
            reply(refusals.too_large(len(data)))
        else:
            skim = Skim()
            skim.feed(data)
            return route.too_large(bytes(skim.kept), len(data), reply)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must not wait for ever
        reply(error if isinstance(error, rpc.RpcError) else rpc.internal_error())
    return None


class LocalStream:
    """A call of a method that has many answers, as a `rpc.ResponseStream` for the hub.

    `put` is called with each answer, and at last with END or a `rpc.RpcError`, from the hub's thread or the one that
    cancels. A caller in this process lives as long as the hub, so it always takes answers at once and is always alive.
    """

    blocked = False
    waiting = 0

    def __init__(
        self,
        channel: LocalChannel,
        route: rpc.StreamHandler,
        data: bytes,
        decode: Any,
        put: Callable[[Any], None],
    ) -> None:
        self._channel = channel
        self._route = route
        self._data = data
        self._decode = decode
        self._put = put
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = threading.Event()
        self.heard = 0
        channel.begin(put, self._start)

    @property
    def peer(self) -> object:
        """This channel."""
        return self._channel

    def _start(self) -> None:
        self._task = rpc.run_in_task(self._run(), self._ended)
        if self._cancelled.is_set():
            self._task.cancel()

    async def _run(self) -> None:
        await self._route.call(self._data, self)

    def _ended(self, outcome: Any) -> None:
        failed = outcome if isinstance(outcome, rpc.RpcError) else rpc.internal_error()
        self._put(failed if isinstance(outcome, Exception) else END)

    def ping(self) -> None:
        """Counts a sign of life at once: the caller is in this process."""
        self.heard += 1

    def send(self, answer: bytes) -> None:
        """Gives it to the caller."""
        self._give(self._decode(answer))

    def _give(self, message: Any) -> None:
        self._put(message)

    def flush(self) -> None:
        """Does nothing: `send` holds nothing back."""

    async def drain(self) -> None:
        """Returns at once: the caller has taken every answer."""

    def cancel(self) -> None:
        """Ends the call. The iterator raises."""
        self._cancelled.set()
        self._put(_CANCELLED)
        if (task := self._task) is not None:
            self._channel.cross(task.cancel)

    def end(self) -> None:
        """Forgets the call: nobody waits for its answers any longer."""
        self._channel.end(self._put)


class _Stream(LocalStream):
    """A `LocalStream` as an iterator: the caller gets the answers that the channel's `take` does not take."""

    def __init__(self, channel: LocalChannel, route: rpc.StreamHandler, data: bytes, decode: Any) -> None:
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        super().__init__(channel, route, data, decode, self._answers.put)

    def _give(self, message: Any) -> None:
        if not self._channel.take(message):
            super()._give(message)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        answer = self._answers.get()
        if isinstance(answer, rpc.RpcError):
            self.end()
            raise LocalCallError(answer)
        if answer is END:
            self.end()
            raise StopIteration
        return answer
