"""A channel to a hub in this process for the SDK's asynchronous client: its calls go over no connection.

Whoever presses a button waits for two or three such calls. Over HTTP/2 each costs more than what the hub does with it,
on both sides.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Self

import grpc

from orchestration.hub.transport import rpc
from orchestration.hub.transport.crossing import Crossing
from orchestration.hub.transport.local import (
    CODES,
    END,
    LATE,
    UNKNOWN,
    LocalChannel,
    LocalStream,
    start_unary,
)

# A function that sends a request. It returns an awaitable of the answer, or the stream of answers.
_Continuation = Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


class AsyncLocalChannel(grpc.aio.Channel):
    """The channel for asynchronous clients: made and used in one event loop, which is not the hub's.

    Calls go through `interceptors`, the first one first. Once the hub has stopped, calls fail as if it could not be
    reached.
    """

    def __init__(self, hub: LocalChannel, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> None:
        self._hub = hub
        self._interceptors = interceptors
        self._loop = asyncio.get_running_loop()
        self._crossing = Crossing(self._loop)

    def cross(self, call: Callable[[], object]) -> None:
        """Makes the call on the caller's event loop, unless that is closed: then nobody waits for it."""
        with contextlib.suppress(RuntimeError):
            self._crossing.put(call)

    def unary_unary(  # noqa: D102 - gRPC's contract
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *_: Any,
        **__: Any,
    ) -> Any:
        call = _UnaryCalls(self, self._hub, method, request_serializer, response_deserializer)
        send: _Continuation = call.send
        for interceptor in reversed(self._interceptors):
            if isinstance(interceptor, grpc.aio.UnaryUnaryClientInterceptor):
                send = _through(interceptor.intercept_unary_unary, send)
        call.first = send
        return call

    def unary_stream(  # noqa: D102 - gRPC's contract
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *_: Any,
        **__: Any,
    ) -> Any:
        call = _StreamCalls(self, self._hub, method, request_serializer, response_deserializer)
        send: _Continuation = call.send
        for interceptor in reversed(self._interceptors):
            if isinstance(interceptor, grpc.aio.UnaryStreamClientInterceptor):
                send = _followed(interceptor.intercept_unary_stream, send)
        call.first = send
        return call

    # The protocol of the hub has no call whose request is a stream. gRPC's interface asks for both all the same.
    def stream_unary(self, *_: Any, **__: Any) -> Any:  # noqa: D102 - gRPC's contract
        raise NotImplementedError("the hub has no such call")

    def stream_stream(self, *_: Any, **__: Any) -> Any:  # noqa: D102 - gRPC's contract
        raise NotImplementedError("the hub has no such call")

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: ARG002, FBT001, FBT002 - gRPC's
        """Always READY: there is no connection that could be lost."""
        return grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:  # noqa: ARG002 - gRPC's
        """Never returns: the state does not change."""
        await self._loop.create_future()

    async def channel_ready(self) -> None:
        """Returns at once: the channel is always ready."""

    async def close(self, grace: float | None = None) -> None:
        """Does nothing: the channel holds nothing open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _through(intercept: Callable[..., Any], send: _Continuation) -> _Continuation:
    async def sent(details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        return intercept(send, details, request)

    return sent


def _followed(intercept: Callable[..., Any], send: _Continuation) -> _Continuation:
    async def sent(details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        return await intercept(send, details, request)

    return sent


class _Calls:
    """The calls of one method, in the form of grpc.aio. `first` sends a call through the interceptors."""

    first: _Continuation

    def __init__(
        self, channel: AsyncLocalChannel, hub: LocalChannel, method: str, encode: Any, decode: Any
    ) -> None:
        self._channel = channel
        self._hub = hub
        self._method = method
        self._route = hub.route(method)
        self._encode = encode or _as_it_is
        self._decode = decode or _as_it_is

    def _details(
        self, timeout: float | None, metadata: Any, *, wait_for_ready: bool | None
    ) -> grpc.aio.ClientCallDetails:
        return grpc.aio.ClientCallDetails(
            method=self._method,
            timeout=timeout,
            metadata=metadata,
            credentials=None,
            wait_for_ready=wait_for_ready,
        )


class _UnaryCalls(_Calls):
    """The calls of a method that has one answer."""

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC's contract
        metadata: Any = None,
        wait_for_ready: bool | None = None,
        **_: Any,
    ) -> Any:
        """Makes the call and returns its answer. Raises `grpc.aio.AioRpcError`, and what the interceptors raise."""
        return await (
            await self.first(self._details(timeout, metadata, wait_for_ready=wait_for_ready), request)
        )

    async def send(self, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        """Returns an awaitable of the answer."""
        return self._answer(details, request)

    async def _answer(self, details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        if self._route is None:
            raise _as_aio(UNKNOWN)
        call = _Call(self._channel, self._hub, self._route, self._encode(request))
        try:
            if details.timeout is None:
                answer = await call.answered
            else:
                async with asyncio.timeout(details.timeout):
                    answer = await call.answered
        except TimeoutError:
            answer = LATE
        finally:
            call.end()
        if isinstance(answer, rpc.RpcError):
            raise _as_aio(answer)
        return self._decode(answer)


class _Call:
    """A call in progress that has one answer."""

    def __init__(
        self, channel: AsyncLocalChannel, hub: LocalChannel, route: rpc.UnaryHandler, data: bytes
    ) -> None:
        self._channel = channel
        self._hub = hub
        self._route = route
        self._data = data
        self._task: asyncio.Task[Any] | None = None
        self._ended = False
        self.answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._reply: Final = self._told
        hub.begin(self._reply, self._start)

    def _start(self) -> None:
        if self._ended:  # the caller went away before the hub began the call: nothing was done
            return
        self._task = start_unary(self._route, self._data, self._reply)
        if self._ended and self._task is not None:  # the caller went away meanwhile
            self._task.cancel()

    def _told(self, answer: Any) -> None:
        """Takes the answer. Called from the hub's thread, or from the caller's own if the hub has stopped."""

        def tell() -> None:
            if not self.answered.done():
                self.answered.set_result(answer)

        self._channel.cross(tell)

    def end(self) -> None:
        """Ends the call: nobody waits for it. Cancels its task in the hub; a change that began is still made."""
        self._ended = True
        self._hub.end(self._reply)
        if self._task is not None and not self._task.done():
            self._hub.cross(self._task.cancel)


class _StreamCalls(_Calls):
    """The calls of a method that has many answers."""

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC's contract
        metadata: Any = None,
        wait_for_ready: bool | None = None,
        **_: Any,
    ) -> AsyncIterator[Any]:
        """Makes the call and yields its answers. Raises as `_UnaryCalls` does."""
        async for answer in await self.first(
            self._details(timeout, metadata, wait_for_ready=wait_for_ready), request
        ):
            yield answer

    async def send(self, _details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        """Returns the stream of answers. The call is made when the iteration begins."""
        return self._answers(request)

    async def _answers(self, request: Any) -> AsyncIterator[Any]:
        if self._route is None:
            raise _as_aio(UNKNOWN)
        answers: asyncio.Queue[Any] = asyncio.Queue()

        def put(answer: Any) -> None:
            self._channel.cross(lambda: answers.put_nowait(answer))

        stream = LocalStream(self._hub, self._route, self._encode(request), self._decode, put)
        ended = False
        try:
            while (answer := await answers.get()) is not END:
                if isinstance(answer, rpc.RpcError):
                    ended = True
                    raise _as_aio(answer)
                yield answer
            ended = True
        finally:
            if not ended:
                stream.cancel()
            stream.end()


def _as_aio(error: rpc.RpcError) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(CODES[error.code], nothing, nothing, details=error.message)


def _as_it_is(data: Any) -> Any:
    return data
