"""gRPC's server side over HTTP/2 (RFC 9113), on an asyncio transport.

Why not grpcio's own server: its event machinery costs more per call than all else that this hub does, SQL
and fsync included; measured, it decided how many turns per second a machine serves. The hub needs little of
HTTP/2: unary calls and server streams, uncompressed, from clients on this machine.
"""

import asyncio
import logging
import struct
from collections import deque
from functools import partial
from typing import Final

from orchestration.hub.transport import frames, hpack

_log: Final = logging.getLogger(__name__)
_STEP_S: Final = 0.005
# More than one frame of the largest size, with its head.
_BUFFER: Final = 4 * frames.MAX_FRAME


class _Call:
    """One HTTP/2 stream: what came in, what must still go out, and who waits for the answer. A `frames.Line`."""

    __slots__ = (
        "begun", "body", "connection", "drained", "opened", "path", "pending", "stream", "task", "window",
    )  # fmt: skip

    def __init__(self, connection: "Connection", stream: int, path: bytes, window: int) -> None:
        self.connection = connection
        self.stream = stream
        self.path = path
        self.window = window
        self.body = bytearray()
        self.begun = False
        self.opened = False
        self.pending: deque[bytes | memoryview] = deque()
        self.drained: asyncio.Event | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def blocked(self) -> bool:
        return bool(self.pending)

    def send(self, answer: bytes) -> None:
        self.pending.append(frames.message(answer))
        self.connection.push(self)

    def flush(self) -> None:
        self.connection.write_out()

    async def room(self) -> None:
        while self.pending:
            self.drained = asyncio.Event()
            await self.drained.wait()


class Connection(asyncio.BufferedProtocol):
    """One client's connection."""

    def __init__(self, routes: frames.Routes, connections: set["Connection"]) -> None:
        self._routes = routes
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        # Read into for as long as the connection lives: asyncio's own buffer is mapped, and unmapped, anew for
        # every read, which costs more than the read.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._filled = 0
        self._greeted = False
        self._headers = hpack.Reader()
        self._block: tuple[int, int, bytearray] | None = None
        self._calls: dict[int, _Call] = {}
        self._outgoing: list[bytes] = []
        self._window = frames.DEFAULT_WINDOW
        self._initial_window = frames.DEFAULT_WINDOW
        self._max_frame = frames.MAX_FRAME
        self._received = 0
        self._last = 0
        self._transport: asyncio.Transport | None = None

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._connections.add(self)
            transport.write(frames.HELLO)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what was being done for this client."""
        del exc
        self._transport = None
        self._connections.discard(self)
        for call in self._calls.values():
            if call.task is not None:
                call.task.cancel()
        self._calls.clear()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes in; there is always room, for a whole frame does not stay."""
        del sizehint
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take in whole frames."""
        self._filled += nbytes
        try:
            at = self._take_whole(self._buffer[: self._filled])
        except hpack.HeaderError:
            self._fail(frames.COMPRESSION_ERROR)
        except (struct.error, IndexError):
            self._fail(frames.PROTOCOL_ERROR)
        else:
            left = self._filled - at
            self._buffer[:left] = self._buffer[at : self._filled]
            self._filled = left

    def _take_whole(self, data: memoryview) -> int:
        """Take every frame that is there from its first byte to its last; where the next one begins."""
        at, size, head = 0, len(data), frames.HEAD.size
        if not self._greeted:
            if size < len(frames.PREFACE):
                return 0
            at = len(frames.PREFACE)
            if bytes(data[:at]) != frames.PREFACE:
                self._fail(frames.PROTOCOL_ERROR)
                return size
            self._greeted = True
        while size - at >= head:
            kind, flags, stream = frames.HEAD.unpack_from(data, at)
            begin, end = at + head, at + head + (kind >> 8)
            if kind >> 8 > frames.MAX_FRAME:
                self._fail(frames.PROTOCOL_ERROR)
                return size
            if end > size:
                break
            self._take(kind & 0xFF, flags, stream & frames.LARGEST_WINDOW, bytes(data[begin:end]))
            at = end
        return at

    @property
    def busy(self) -> bool:
        """Whether a call is in progress."""
        return bool(self._calls)

    def close(self) -> None:
        """Hang up, whatever is in progress."""
        self._fail(0)
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.abort()  # a client that does not read must not keep the hub from stopping

    def _fail(self, code: int) -> None:
        self._write(frames.frame(frames.GOAWAY, 0, 0, struct.pack(">II", self._last, code)))
        self.write_out()
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        # What one commit answers goes out in one system call: they cost more than all the work on a frame.
        if not self._outgoing:
            self._loop.call_soon(self.write_out)
        self._outgoing.append(data)

    def write_out(self) -> None:
        """Hand what was written to the system."""
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    # Frames.

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (kind != frames.CONTINUATION or stream != self._block[0]):
            self._fail(frames.PROTOCOL_ERROR)
        elif kind == frames.WINDOW:
            self._take_window(stream, struct.unpack(">I", payload)[0] & frames.LARGEST_WINDOW)
        elif kind == frames.DATA:
            self._take_data(flags, stream, payload)
        elif kind == frames.HEADERS:
            payload = frames.unpadded(flags, payload)
            self._take_headers(stream, flags, payload[5:] if flags & frames.PRIORITIZED else payload, flags)
        elif kind == frames.CONTINUATION and self._block is not None:
            _, first, block = self._block
            self._take_headers(stream, flags, payload, first, block)
        elif kind == frames.RESET:
            call = self._calls.pop(stream, None)
            if call is not None and call.task is not None:
                call.task.cancel()
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._take_settings(payload)
        elif kind == frames.PING and not flags & frames.ACK:
            self._write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _take_settings(self, payload: bytes) -> None:
        for setting, value in struct.iter_unpack(">HI", payload):
            if setting == frames.INITIAL_WINDOW_SETTING:
                for call in self._calls.values():
                    call.window += value - self._initial_window
                self._initial_window = value
            elif setting == frames.MAX_FRAME_SETTING:
                self._max_frame = value
        self._write(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        self._push_all()

    def _take_headers(
        self, stream: int, flags: int, payload: bytes, first: int, block: bytearray | None = None
    ) -> None:
        if block is not None or not flags & frames.END_HEADERS:
            block = bytearray() if block is None else block
            block += payload
            if len(block) > frames.LARGEST_HEADERS:
                self._fail(frames.PROTOCOL_ERROR)
                return
            if not flags & frames.END_HEADERS:
                self._block = (stream, first, block)
                return
            self._block = None
            payload = bytes(block)
        headers = self._headers.read(payload)
        if stream not in self._calls:
            self._last = max(self._last, stream)
            self._calls[stream] = _Call(self, stream, headers.get(b":path", b""), self._initial_window)
        if first & frames.END_STREAM and not self._calls[stream].begun:
            self._begin(stream)

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        # The client's credit for the whole connection is renewed by the mebibyte.
        self._received += len(payload)
        if self._received >= frames.CREDIT:
            self._write(frames.frame(frames.WINDOW, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        call = self._calls.get(stream)
        if call is None or call.begun:
            return
        call.body += frames.unpadded(flags, payload)
        if len(call.body) > frames.LARGEST_REQUEST:
            self._fail(frames.FLOW_CONTROL_ERROR)
        elif flags & frames.END_STREAM:
            self._begin(stream)

    def _take_window(self, stream: int, credit: int) -> None:
        if stream == 0:
            starved = self._window <= 0
            self._window += credit
            if starved:
                self._push_all()
        elif stream in self._calls:
            call = self._calls[stream]
            call.window += credit
            if call.pending:
                self.push(call)

    # Calls.

    def _begin(self, stream: int) -> None:
        call = self._calls[stream]
        call.begun = True
        reply = partial(self._finish, stream, call)
        try:
            route = self._route(call.path)
            request = frames.request(call.body)
            if isinstance(route, frames.Unary):
                call.task = route.call(request, reply)
            else:
                call.task = frames.later(self._stream(route, request, stream, call), reply)
        except Exception as error:  # noqa: BLE001  # logged; one call must not take the connection along
            reply(error)

    async def _stream(self, route: frames.Stream, request: bytes, stream: int, call: _Call) -> None:
        self._write(frames.frame(frames.HEADERS, frames.END_HEADERS, stream, frames.OPENING))
        call.opened = True
        await route.call(request, call)
        await call.room()

    def _route(self, path: bytes) -> frames.Unary | frames.Stream:
        route = self._routes.get(path)
        if route is None:
            raise frames.RpcError(
                frames.UNIMPLEMENTED, f"There is no call {path.decode(errors='replace')!r} here."
            )
        return route

    def _finish(self, stream: int, call: _Call, answer: bytes | Exception | None) -> None:
        """End a call: with its one answer, with the end of its answers (None), or with a refusal."""
        if self._calls.get(stream) is not call:
            return
        data = frames.message(answer) if isinstance(answer, bytes) else None
        trailers = frames.refusal(_explained(answer)) if isinstance(answer, Exception) else frames.SUCCESS
        last = frames.END_HEADERS | frames.END_STREAM
        if data is None and not call.opened:
            del self._calls[stream]
            self._write(frames.frame(frames.HEADERS, last, stream, frames.OPENING + trailers))
            return
        end = frames.frame(frames.HEADERS, last, stream, trailers)
        if data is None:
            del self._calls[stream]
            self._write(end)
            return
        head = frames.frame(frames.HEADERS, frames.END_HEADERS, stream, frames.OPENING)
        if len(data) <= min(self._window, call.window, self._max_frame):
            self._window -= len(data)
            del self._calls[stream]
            self._write(head + frames.frame(frames.DATA, 0, stream, data) + end)
            return
        self._write(head)
        call.pending.append(data)
        call.pending.append(b"")
        call.body = bytearray(end)
        self.push(call)

    def _push_all(self) -> None:
        for call in list(self._calls.values()):
            self.push(call)

    def push(self, call: _Call) -> None:
        """Write as much of what is pending as the windows allow."""
        pending = call.pending
        stream = call.stream
        while pending:
            data = pending[0]
            if not data:
                # The mark behind a unary answer: its trailers wait in the body.
                pending.clear()
                del self._calls[stream]
                self._write(bytes(call.body))
                return
            size = min(len(data), self._window, call.window, self._max_frame)
            if size <= 0:
                return
            self._window -= size
            call.window -= size
            self._write(frames.frame(frames.DATA, 0, stream, data[:size]))
            if size < len(data):
                # A view: copying what is left at every frame would cost the square of an answer's length.
                pending[0] = memoryview(data)[size:]
            else:
                pending.popleft()
        if call.drained is not None:
            call.drained.set()


def _explained(error: Exception) -> frames.RpcError:
    if isinstance(error, frames.RpcError):
        return error
    _log.error("A call failed.", exc_info=error)
    return frames.RpcError(frames.INTERNAL, "The hub failed on this request; its log says why.")


class Server:
    """Accepts connections and answers their calls."""

    def __init__(self, routes: frames.Routes) -> None:
        self._routes = routes
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen_unix(self, path: str) -> None:
        """Listen on a Unix socket. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, path)

    async def listen_tcp(self, host: str, port: int) -> int:
        """Listen on TCP; the port, which is another where 0 was asked for. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(self._connection, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def _connection(self) -> Connection:
        return Connection(self._routes, self._connections)

    async def close(self, grace_s: float) -> None:
        """Accept no more connections, let calls in progress finish for so many seconds, and hang up."""
        if self._server is not None:
            self._server.close()
        until = asyncio.get_running_loop().time() + grace_s
        # At most a second, once, when the hub stops.
        while self._busy() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # see above
            await asyncio.sleep(_STEP_S)
        for connection in list(self._connections):
            connection.close()
        while self._connections:  # noqa: ASYNC110  # as above
            await asyncio.sleep(_STEP_S)

    def _busy(self) -> bool:
        return any(one.busy for one in self._connections)
