"""gRPC's server side over HTTP/2 (RFC 9113), on an asyncio transport.

Why not grpcio's own server: its event machinery costs more per call than everything else that this hub does, SQL and fsync
included; measured, it decided how many turns per second a machine serves. The hub needs little of HTTP/2: unary calls and
server streams, uncompressed, from clients on this machine.
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from orchestration.hub import hpack

_log: Final = logging.getLogger(__name__)

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _PRIORITY, _RESET, _SETTINGS, _, _PING, _GOAWAY, _WINDOW, _CONTINUATION = range(10)
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITIZED = 1, 1, 4, 8, 32
_MAX_FRAME: Final = 16384
_DEFAULT_WINDOW: Final = 65535
_LARGEST_WINDOW: Final = (1 << 31) - 1
_LARGEST_HEADERS: Final = 64 * 1024
_PROTOCOL_ERROR, _FLOW_CONTROL_ERROR, _COMPRESSION_ERROR = 1, 3, 9

# A request carries several payloads of up to 1 MiB. A stream's window is never enlarged, so this is its limit.
_LARGEST_REQUEST: Final = 64 * 1024 * 1024
_INITIAL_WINDOW_SETTING: Final = 4
_MAX_FRAME_SETTING: Final = 5
_CREDIT: Final = 1 << 20
_STEP_S: Final = 0.005


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header that is not to be remembered; both strings are shorter than 127 bytes, or the value is cut."""
    return b"\x00" + bytes([len(name)]) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    if number < 127:
        return bytes([number])
    out, number = bytearray(b"\x7f"), number - 127
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_OPENING: Final = b"\x88" + _literal(b"content-type", b"application/grpc")
_SUCCESS: Final = _literal(b"grpc-status", b"0")
_HELLO: Final = _frame(
    _SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SETTING, _LARGEST_REQUEST)
) + _frame(_WINDOW, 0, 0, struct.pack(">I", _LARGEST_WINDOW - _DEFAULT_WINDOW))


class RpcError(Exception):
    """A call's end other than success: a gRPC status code and a sentence."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Unary(NamedTuple):
    """A call with one answer. `call` raises RpcError to refuse."""

    call: Callable[[bytes], Awaitable[bytes]]


class Stream(NamedTuple):
    """A call with many answers. The iterator is closed when the caller goes away."""

    call: Callable[[bytes], AsyncIterator[bytes]]


Routes = dict[bytes, Unary | Stream]


class _Call:
    """One HTTP/2 stream: what came in, what must still go out, and the task that answers."""

    __slots__ = ("body", "path", "pending", "room", "task", "window")

    def __init__(self, path: bytes, window: int) -> None:
        self.path = path
        self.window = window
        self.body = bytearray()
        self.pending: deque[bytes] = deque()
        self.room: asyncio.Event | None = None
        self.task: asyncio.Task[None] | None = None


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, routes: Routes, connections: set["Connection"]) -> None:
        self._routes = routes
        self._connections = connections
        self._buffer = bytearray()
        self._greeted = False
        self._headers = hpack.Reader()
        self._block: tuple[int, int, bytearray] | None = None
        self._calls: dict[int, _Call] = {}
        self._window = _DEFAULT_WINDOW
        self._initial_window = _DEFAULT_WINDOW
        self._max_frame = _MAX_FRAME
        self._received = 0
        self._last = 0
        self._transport: asyncio.Transport | None = None

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._connections.add(self)
            transport.write(_HELLO)

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
            if len(buffer) < len(_PREFACE):
                return
            if not buffer.startswith(_PREFACE):
                self._fail(_PROTOCOL_ERROR)
                return
            self._greeted = True
            del buffer[: len(_PREFACE)]
        at = 0
        try:
            while len(buffer) - at >= 9:
                head, flags, stream = struct.unpack_from(">IBI", buffer, at)
                length = head >> 8
                if length > _MAX_FRAME:
                    self._fail(_PROTOCOL_ERROR)
                    return
                if len(buffer) - at - 9 < length:
                    break
                self._take(
                    head & 0xFF, flags, stream & _LARGEST_WINDOW, bytes(buffer[at + 9 : at + 9 + length])
                )
                at += 9 + length
        except hpack.HeaderError:
            self._fail(_COMPRESSION_ERROR)
            return
        except (struct.error, IndexError):
            self._fail(_PROTOCOL_ERROR)
            return
        del buffer[:at]

    @property
    def busy(self) -> bool:
        """Whether a call is in progress."""
        return bool(self._calls)

    def close(self) -> None:
        """Hang up, whatever is in progress."""
        if self._transport is not None:
            self._write(_frame(_GOAWAY, 0, 0, struct.pack(">II", self._last, 0)))
            self._transport.abort() if self._transport.get_write_buffer_size() else self._transport.close()

    def _fail(self, code: int) -> None:
        self._write(_frame(_GOAWAY, 0, 0, struct.pack(">II", self._last, code)))
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # Frames.

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (kind != _CONTINUATION or stream != self._block[0]):
            self._fail(_PROTOCOL_ERROR)
        elif kind == _DATA:
            self._take_data(flags, stream, payload)
        elif kind == _HEADERS:
            payload = _unpadded(flags, payload)
            self._take_headers(stream, flags, payload[5:] if flags & _PRIORITIZED else payload, flags)
        elif kind == _CONTINUATION and self._block is not None:
            _, first, block = self._block
            self._take_headers(stream, flags, payload, first, block)
        elif kind == _WINDOW:
            self._take_window(stream, struct.unpack(">I", payload)[0] & _LARGEST_WINDOW)
        elif kind == _RESET:
            call = self._calls.pop(stream, None)
            if call is not None and call.task is not None:
                call.task.cancel()
        elif kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))

    def _take_settings(self, payload: bytes) -> None:
        for setting, value in struct.iter_unpack(">HI", payload):
            if setting == _INITIAL_WINDOW_SETTING:
                for call in self._calls.values():
                    call.window += value - self._initial_window
                self._initial_window = value
            elif setting == _MAX_FRAME_SETTING:
                self._max_frame = value
        self._write(_frame(_SETTINGS, _ACK, 0, b""))
        self._flush_all()

    def _take_headers(
        self, stream: int, flags: int, payload: bytes, first: int, block: bytearray | None = None
    ) -> None:
        block = bytearray() if block is None else block
        block += payload
        if len(block) > _LARGEST_HEADERS:
            self._fail(_PROTOCOL_ERROR)
            return
        if not flags & _END_HEADERS:
            self._block = (stream, first, block)
            return
        self._block = None
        headers = self._headers.read(bytes(block))
        if stream not in self._calls:
            self._last = max(self._last, stream)
            self._calls[stream] = _Call(headers.get(b":path", b""), self._initial_window)
        if first & _END_STREAM:
            self._begin(stream)

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        # The client's credit for the whole connection is renewed by the mebibyte.
        self._received += len(payload)
        if self._received >= _CREDIT:
            self._write(_frame(_WINDOW, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        call = self._calls.get(stream)
        if call is None or call.task is not None:
            return
        call.body += _unpadded(flags, payload)
        if len(call.body) > _LARGEST_REQUEST:
            self._fail(_FLOW_CONTROL_ERROR)
        elif flags & _END_STREAM:
            self._begin(stream)

    def _take_window(self, stream: int, credit: int) -> None:
        if stream == 0:
            self._window += credit
            self._flush_all()
        elif stream in self._calls:
            self._calls[stream].window += credit
            self._flush(stream, self._calls[stream])

    # Calls.

    def _begin(self, stream: int) -> None:
        call = self._calls[stream]
        call.task = asyncio.get_running_loop().create_task(self._answer(stream, call))

    async def _answer(self, stream: int, call: _Call) -> None:
        try:
            route = self._routes.get(call.path)
            if route is None:
                raise RpcError(12, f"There is no call {call.path.decode(errors='replace')!r} here.")
            body = call.body
            if len(body) < 5 or body[0] or struct.unpack_from(">I", body, 1)[0] != len(body) - 5:
                raise RpcError(12, "A request is one message, not compressed.")
            request = bytes(body[5:])
            body.clear()
            if isinstance(route, Unary):
                answer = await route.call(request)
                self._finish(stream, call, _message(answer), _SUCCESS)
            else:
                self._write(_frame(_HEADERS, _END_HEADERS, stream, _OPENING))
                async for item in route.call(request):
                    await self._send(stream, call, _message(item))
                self._finish(stream, call, None, _SUCCESS)
        except RpcError as error:
            words = quote(error.words, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")
            trailers = _literal(b"grpc-status", str(error.code).encode()) + _literal(
                b"grpc-message", words.encode()
            )
            self._finish(stream, call, None, trailers)
        except Exception:  # noqa: BLE001  # logged; one call must not take the connection along
            _log.exception("A call failed.")
            self._finish(stream, call, None, _literal(b"grpc-status", b"13"))

    async def _send(self, stream: int, call: _Call, data: bytes) -> None:
        """Send one message of a stream; returns once the windows have room for more."""
        call.pending.append(data)
        self._flush(stream, call)
        while call.pending:
            call.room = asyncio.Event()
            await call.room.wait()

    def _finish(self, stream: int, call: _Call, data: bytes | None, trailers: bytes) -> None:
        if stream not in self._calls:
            return
        opened = isinstance(self._routes.get(call.path), Stream)
        if data is None and not opened:
            end = _frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, _OPENING + trailers)
            del self._calls[stream]
            self._write(end)
            return
        end = _frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, trailers)
        if data is None:
            del self._calls[stream]
            self._write(end)
            return
        head = _frame(_HEADERS, _END_HEADERS, stream, _OPENING)
        if len(data) <= min(self._window, call.window, self._max_frame):
            self._window -= len(data)
            del self._calls[stream]
            self._write(head + _frame(_DATA, 0, stream, data) + end)
            return
        self._write(head)
        call.pending.append(data)
        call.pending.append(b"")
        call.body = bytearray(end)
        self._flush(stream, call)

    def _flush_all(self) -> None:
        for stream, call in list(self._calls.items()):
            self._flush(stream, call)

    def _flush(self, stream: int, call: _Call) -> None:
        """Send as much of what is pending as the windows allow."""
        pending = call.pending
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
            self._write(_frame(_DATA, 0, stream, data[:size]))
            if size < len(data):
                pending[0] = data[size:]
            else:
                pending.popleft()
        if call.room is not None:
            call.room.set()


def _message(payload: bytes) -> bytes:
    return b"\x00" + struct.pack(">I", len(payload)) + payload


def _unpadded(flags: int, payload: bytes) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload


class Server:
    """Accepts connections and answers their calls."""

    def __init__(self, routes: Routes) -> None:
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
        while any(one.busy for one in self._connections) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_STEP_S)
        for connection in list(self._connections):
            connection.close()
        while self._connections:
            await asyncio.sleep(_STEP_S)


def status(code: Any) -> int:
    """The number of a grpc.StatusCode."""
    number: int = code.value[0]
    return number
