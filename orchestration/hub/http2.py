"""gRPC's server side over HTTP/2 (RFC 9113), on an asyncio transport.

Why not grpcio's own server: its event machinery costs more per call than all else that this hub does, SQL
and fsync included; measured, it decided how many turns per second a machine serves. The hub needs little of
HTTP/2: unary calls and server streams, uncompressed, from clients on this machine.
"""

import asyncio
import logging
import struct
from collections import deque
from typing import Final
from urllib.parse import quote

from orchestration.hub import frames, hpack

_log: Final = logging.getLogger(__name__)
_STEP_S: Final = 0.005
# Of a refusal; the words may quote what a client sent, and clients take headers of a few KiB only.
_LONGEST_WORDS: Final = 1000


class _Call:
    """One HTTP/2 stream: what came in, what must still go out, and the task that answers. A `frames.Line`."""

    __slots__ = ("body", "connection", "drained", "opened", "path", "pending", "stream", "task", "window")

    def __init__(self, connection: "Connection", stream: int, path: bytes, window: int) -> None:
        self.connection = connection
        self.stream = stream
        self.path = path
        self.window = window
        self.body = bytearray()
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


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, routes: frames.Routes, connections: set["Connection"]) -> None:
        self._routes = routes
        self._connections = connections
        self._buffer = bytearray()
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

    def data_received(self, data: bytes) -> None:
        """Take in whole frames."""
        buffer = self._buffer
        buffer += data
        if not self._greeted:
            if len(buffer) < len(frames.PREFACE):
                return
            if not buffer.startswith(frames.PREFACE):
                self._fail(frames.PROTOCOL_ERROR)
                return
            self._greeted = True
            del buffer[: len(frames.PREFACE)]
        at = 0
        try:
            while len(buffer) - at >= 9:
                head, flags, stream = struct.unpack_from(">IBI", buffer, at)
                length = head >> 8
                if length > frames.MAX_FRAME:
                    self._fail(frames.PROTOCOL_ERROR)
                    return
                if len(buffer) - at - 9 < length:
                    break
                self._take(
                    head & 0xFF,
                    flags,
                    stream & frames.LARGEST_WINDOW,
                    bytes(buffer[at + 9 : at + 9 + length]),
                )
                at += 9 + length
        except hpack.HeaderError:
            self._fail(frames.COMPRESSION_ERROR)
            return
        except (struct.error, IndexError):
            self._fail(frames.PROTOCOL_ERROR)
            return
        del buffer[:at]

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
            asyncio.get_running_loop().call_soon(self.write_out)
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
        elif kind == frames.DATA:
            self._take_data(flags, stream, payload)
        elif kind == frames.HEADERS:
            payload = frames.unpadded(flags, payload)
            self._take_headers(stream, flags, payload[5:] if flags & frames.PRIORITIZED else payload, flags)
        elif kind == frames.CONTINUATION and self._block is not None:
            _, first, block = self._block
            self._take_headers(stream, flags, payload, first, block)
        elif kind == frames.WINDOW:
            self._take_window(stream, struct.unpack(">I", payload)[0] & frames.LARGEST_WINDOW)
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
        block = bytearray() if block is None else block
        block += payload
        if len(block) > frames.LARGEST_HEADERS:
            self._fail(frames.PROTOCOL_ERROR)
            return
        if not flags & frames.END_HEADERS:
            self._block = (stream, first, block)
            return
        self._block = None
        headers = self._headers.read(bytes(block))
        if stream not in self._calls:
            self._last = max(self._last, stream)
            self._calls[stream] = _Call(self, stream, headers.get(b":path", b""), self._initial_window)
        if first & frames.END_STREAM:
            self._begin(stream)

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        # The client's credit for the whole connection is renewed by the mebibyte.
        self._received += len(payload)
        if self._received >= frames.CREDIT:
            self._write(frames.frame(frames.WINDOW, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        call = self._calls.get(stream)
        if call is None or call.task is not None:
            return
        call.body += frames.unpadded(flags, payload)
        if len(call.body) > frames.LARGEST_REQUEST:
            self._fail(frames.FLOW_CONTROL_ERROR)
        elif flags & frames.END_STREAM:
            self._begin(stream)

    def _take_window(self, stream: int, credit: int) -> None:
        if stream == 0:
            self._window += credit
            self._push_all()
        elif stream in self._calls:
            self._calls[stream].window += credit
            self.push(self._calls[stream])

    # Calls.

    def _begin(self, stream: int) -> None:
        call = self._calls[stream]
        call.task = asyncio.get_running_loop().create_task(self._answer(stream, call))

    async def _answer(self, stream: int, call: _Call) -> None:
        try:
            route = self._route(call.path)
            request = frames.request(call.body)
            if isinstance(route, frames.Unary):
                answer = await route.call(request)
                self._finish(stream, call, frames.message(answer), frames.SUCCESS)
            else:
                self._write(frames.frame(frames.HEADERS, frames.END_HEADERS, stream, frames.OPENING))
                call.opened = True
                await route.call(request, call)
                await call.room()
                self._finish(stream, call, None, frames.SUCCESS)
        except frames.RpcError as error:
            words = quote(error.words[:_LONGEST_WORDS], safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")
            trailers = frames.literal(b"grpc-status", str(error.code).encode()) + frames.literal(
                b"grpc-message", words.encode()
            )
            self._finish(stream, call, None, trailers)
        except Exception:  # noqa: BLE001  # logged; one call must not take the connection along
            _log.exception("A call failed.")
            self._finish(stream, call, None, frames.literal(b"grpc-status", str(frames.INTERNAL).encode()))

    def _route(self, path: bytes) -> frames.Unary | frames.Stream:
        route = self._routes.get(path)
        if route is None:
            raise frames.RpcError(
                frames.UNIMPLEMENTED, f"There is no call {path.decode(errors='replace')!r} here."
            )
        return route

    def _finish(self, stream: int, call: _Call, data: bytes | None, trailers: bytes) -> None:
        if stream not in self._calls:
            return
        last = frames.END_HEADERS | frames.END_STREAM
        if data is None and not call.opened:
            end = frames.frame(
                frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, frames.OPENING + trailers
            )
            del self._calls[stream]
            self._write(end)
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
