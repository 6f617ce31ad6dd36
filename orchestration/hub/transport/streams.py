"""The calls of one connection: from the headers of a request to the end of its answer."""

import logging
import struct
from collections.abc import Callable
from functools import partial
from typing import Final

from orchestration.hub.transport import bounds, frames, refusals, rpc
from orchestration.hub.transport.call import Call
from orchestration.hub.transport.patience import Patience
from orchestration.hub.transport.sender import Sender
from orchestration.hub.transport.skim import Skim
from orchestration.hub.transport.tokens import Tokens

_log: Final = logging.getLogger(__name__)
_LITTLE_CREDIT: Final = bounds.CREDIT // 2
# How many calls are remembered that the hub ended before their whole request had arrived: the client's last frames for
# them may still come.
_ENDED_EARLY: Final = 2 * bounds.STREAMS


class Streams:
    """The calls of one connection. `prove` is called when a call has sent one of the `tokens` for the first time."""

    def __init__(
        self,
        routes: rpc.Routes,
        connections: bounds.Connections,
        patience: Patience,
        tokens: Tokens | None,
        prove: Callable[[], None],
    ) -> None:
        self._routes = routes
        self._connections = connections
        self._patience = patience
        self._tokens = tokens
        self._prove = prove
        self._calls: dict[int, Call] = {}
        self.sender = Sender(self._calls, connections)
        # The streams of requests that have not arrived whole, with the time of their headers, and their bytes.
        self._unfinished: dict[int, float] = {}
        self._unfinished_bytes = 0
        self._ended_early: dict[int, None] = {}
        self._received = 0
        # Calls that were answered since they last gave credit.
        self._answered = 0
        # The last stream that the client opened.
        self.last = 0

    @property
    def busy(self) -> bool:
        """Whether a call is in progress."""
        return bool(self._calls)

    def spend(self, cost: int) -> None:
        """Count a frame that carries no request. Raises Http2Error where there were too many."""
        self._patience.credit -= cost
        if self._patience.credit < _LITTLE_CREDIT:
            # Each answer may be answered by frames that make room for the next.
            answered, self._answered = self._answered, 0
            sent, self.sender.sent = self.sender.sent, 0
            self._patience.earn(answered * bounds.CREDIT_A_REQUEST + sent * bounds.CREDIT_AN_ANSWER)
            self._patience.spend(0)

    def look(self, now: float) -> None:
        """End the calls whose requests take too long to arrive."""
        for stream in [one for one, since in self._unfinished.items() if now - since > bounds.REQUEST_S]:
            self._refuse(stream, refusals.LATE, ended=False)

    def drop_all(self) -> None:
        """Cancel every call."""
        for call in list(self._calls.values()):
            self._cancel(call)

    # What comes in. Each raises Http2Error where it breaks the rules of HTTP/2.

    def take_headers(self, stream: int, headers: dict[bytes, bytes], *, ended: bool) -> None:
        """Take the headers that begin a request, or the trailers that end it."""
        call = self._calls.get(stream)
        if call is not None:
            # Trailers, which mean nothing here but the end of the request.
            if call.begun or not ended:
                raise frames.Http2Error(frames.STREAM_CLOSED if call.begun else frames.PROTOCOL_ERROR)
            self._begin(call)
            return
        if stream <= self.last:
            self._take_late(stream)
            return
        self.last = stream
        if len(self._calls) >= bounds.STREAMS:
            self._reset(stream, frames.REFUSED_STREAM)
            self.spend(bounds.RESET_COST)
            return
        if self._tokens is not None and not self._let_in(headers.get(b"authorization")):
            self._refuse(stream, refusals.UNAUTHENTICATED, ended=ended)
            self._patience.refused()
            return
        # Bytes in the socket's buffer are not counted: if there are many, the hub reads nothing from the client anyway.
        if _too_much(
            self.sender.unread + self.sender.outgoing_bytes,
            bounds.UNREAD,
            self._connections.unread,
            bounds.UNREAD_IN_ALL,
        ):
            self._refuse(stream, refusals.UNREAD, ended=ended)
            self._lost(headers.get(b":path", b""))
            self.spend(bounds.RESET_COST)
            return
        call = Call(self.sender, stream, headers.get(b":path", b""), self.sender.initial_window)
        self._calls[stream] = call
        if ended:
            self._begin(call)
        else:
            self._unfinished[stream] = self._connections.now

    def _let_in(self, authorization: bytes | None) -> bool:
        if self._tokens is None or not self._tokens.accept(authorization):
            return False
        if not self._patience.proven:
            self._prove()
        return True

    def _take_late(self, stream: int) -> None:
        """Take headers on a closed stream: valid only if they were on the way when the hub closed it."""
        if stream in self._ended_early:
            self.spend(1)
        elif stream < self.last:
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        else:
            raise frames.Http2Error(frames.STREAM_CLOSED)

    def take_data(self, flags: int, stream: int, payload: bytes) -> None:
        """Take a part of a request."""
        # The client's window for the whole connection is renewed in steps.
        self._received += len(payload)
        if self._received >= frames.WINDOW_STEP:
            self.sender.write(frames.frame(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        call = self._calls.get(stream)
        if call is None or call.begun:
            self._take_late_data(stream)
            return
        data = frames.unpadded(payload) if flags & frames.PADDED else payload
        call.received += len(payload)
        if call.received > frames.LARGEST_REQUEST:
            raise frames.Http2Error(frames.FLOW_CONTROL_ERROR)
        if not self._read(call, data):
            return
        if flags & frames.END_STREAM:
            self._begin(call)
        elif _too_much(
            self._unfinished_bytes,
            bounds.UNFINISHED,
            self._connections.unfinished,
            bounds.UNFINISHED_IN_ALL,
        ):
            self._refuse(stream, refusals.UNFINISHED, ended=False)
        elif not data:
            self.spend(1)

    def _take_late_data(self, stream: int) -> None:
        """Take DATA of a call that takes none: valid only if it was on the way when the hub ended the call."""
        if stream > self.last:
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        if stream not in self._ended_early:
            raise frames.Http2Error(frames.STREAM_CLOSED)
        self.spend(1)

    def _read(self, call: Call, data: bytes) -> bool:
        """Add a part to a request; returns False where the request is too large and the call was ended for that."""
        if call.skim is None:
            call.body += data
            self._hold(call, len(data))
            return frames.message_size(call.body) <= frames.LARGEST_MESSAGE or self._skim(call)
        call.skim.feed(data)
        if call.received >= frames.WINDOW_STEP:
            # These bytes are not held, so the client may send as many more.
            renewed = struct.pack(">I", call.received)
            self.sender.write(frames.frame(frames.WINDOW_UPDATE, 0, call.stream, renewed))
            call.received = 0
        return True

    def _skim(self, call: Call) -> bool:
        """Stop holding a request that is too large; returns whether its short fields are read all the same."""
        route = self._routes.get(call.path)
        if not isinstance(route, rpc.UnaryHandler) or route.too_large is None:
            self._refuse(call.stream, refusals.too_large(frames.message_size(call.body)), ended=False)
            return False
        call.skim = Skim()
        call.skim.feed(bytes(call.body[frames.PREFIX :]))
        del call.body[frames.PREFIX :]
        return True

    def _hold(self, call: Call, size: int) -> None:
        call.held += size
        self._unfinished_bytes += size
        self._connections.unfinished += size

    def take_reset(self, _flags: int, stream: int, _payload: bytes) -> None:
        """Cancel a call that the client has ended."""
        if stream > self.last:
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        call = self._calls.get(stream)
        if call is None:
            self.spend(1)
            return
        self._cancel(call)
        self.spend(bounds.RESET_COST)

    def take_window(self, _flags: int, stream: int, payload: bytes) -> None:
        """Enlarge the client's window: for one call, or for the whole connection."""
        increment = struct.unpack(">I", payload)[0] & frames.LARGEST_WINDOW
        self.spend(1)
        if not increment:
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        if stream == 0:
            if self.sender.widen(increment):
                self.spend(len(self._calls) // 16)
        elif stream > self.last:
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        elif (call := self._calls.get(stream)) is not None and not self.sender.widen_call(call, increment):
            self._cancel(call)
            self._reset(stream, frames.FLOW_CONTROL_ERROR)

    # Calls.

    def _refuse(self, stream: int, error: rpc.RpcError, *, ended: bool) -> None:
        """End a call that is not taken. `ended`: the client has sent all of it."""
        if call := self._calls.get(stream):
            self._drop(call)
        block = frames.RESPONSE_HEADERS + frames.error_trailers(error)
        self.sender.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, block))
        if not ended:
            self._reset(stream, frames.NO_ERROR)

    def _reset(self, stream: int, code: int) -> None:
        """Tell the client to send nothing more of a call; what is on the way is passed over."""
        self._ended_early[stream] = None
        if len(self._ended_early) > _ENDED_EARLY:
            del self._ended_early[next(iter(self._ended_early))]
        self.sender.write(frames.frame(frames.RST_STREAM, 0, stream, struct.pack(">I", code)))

    def _cancel(self, call: Call) -> None:
        self._drop(call)
        if call.task is not None:
            call.task.cancel()

    def _drop(self, call: Call) -> None:
        """Forget a call, and what is held of it."""
        self._calls.pop(call.stream, None)
        self.sender.drop(call)
        if not call.begun:
            self._release(call)
            self._lost(call.path)

    def _lost(self, path: bytes) -> None:
        """Call the handler's `lost`, where there is one: a request of this client has not arrived whole."""
        route = self._routes.get(path)
        if isinstance(route, rpc.UnaryHandler) and route.lost is not None:
            route.lost(self.sender)

    def _release(self, call: Call) -> None:
        """Stop counting the bytes of a request as held."""
        self._unfinished.pop(call.stream, None)
        if call.held:
            self._hold(call, -call.held)

    def _begin(self, call: Call) -> None:
        """Answer a request that has arrived whole."""
        call.begun = True
        self._release(call)
        reply = partial(self._finish, call)
        try:
            route = self._route(call.path)
            if call.skim is not None and isinstance(route, rpc.UnaryHandler) and route.too_large is not None:
                size = frames.message_size(call.body)
                call.task = route.too_large(bytes(call.skim.kept), size, reply)
                return
            request = frames.request(call.body)
            if isinstance(route, rpc.UnaryHandler):
                call.task = route.call(request, reply)
            else:
                call.task = rpc.run_in_task(self._stream(route, request, call), reply)
        except Exception as error:  # noqa: BLE001  # logged; one call must not take the connection along
            reply(error)

    async def _stream(self, route: rpc.StreamHandler, request: bytes, call: Call) -> None:
        head = frames.frame(frames.HEADERS, frames.END_HEADERS, call.stream, frames.RESPONSE_HEADERS)
        self.sender.write(head)
        call.opened = True
        await route.call(request, call)
        await call.drain()

    def _route(self, path: bytes) -> rpc.UnaryHandler | rpc.StreamHandler:
        route = self._routes.get(path)
        if route is None:
            raise rpc.RpcError(rpc.UNIMPLEMENTED, f"There is no call {path.decode(errors='replace')!r} here.")
        return route

    def _finish(self, call: Call, answer: bytes | Exception | None) -> None:
        """End a call: with its one answer, with the end of its answers (None), or with an error."""
        stream = call.stream
        if self._calls.get(stream) is not call:
            return
        self._answered += 1
        if (
            isinstance(answer, bytes)
            and len(answer) > bounds.LARGE_ANSWER
            and _too_much(self.sender.waiting, bounds.UNREAD, self._connections.unread, bounds.UNREAD_IN_ALL)
        ):
            answer = refusals.UNREAD
        data = frames.message(answer) if isinstance(answer, bytes) else None
        trailers = (
            frames.error_trailers(_as_rpc_error(answer))
            if isinstance(answer, Exception)
            else frames.OK_TRAILERS
        )
        last = frames.END_HEADERS | frames.END_STREAM
        end = frames.frame(frames.HEADERS, last, stream, trailers)
        write = self.sender.write
        if data is None:
            self._drop(call)
            if not call.opened:
                end = frames.frame(frames.HEADERS, last, stream, frames.RESPONSE_HEADERS + trailers)
            write(end)
            return
        head = frames.frame(frames.HEADERS, frames.END_HEADERS, stream, frames.RESPONSE_HEADERS)
        if self.sender.fits(call, data):
            del self._calls[stream]
            write(head + frames.frame(frames.DATA, 0, stream, data) + end)
            return
        write(head)
        call.trailers = end
        self.sender.send(call, data)


def _too_much(own: int, most: int, together: int, most_together: int) -> bool:
    """Whether a client takes up too much: alone, or together with all others if its own part is over `bounds.FREE`."""
    return own > most or (together > most_together and own > bounds.FREE)


def _as_rpc_error(error: Exception) -> rpc.RpcError:
    if isinstance(error, rpc.RpcError):
        return error
    _log.error("A call failed.", exc_info=error)
    return rpc.internal_error()
