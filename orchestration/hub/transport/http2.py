"""One client's HTTP/2 connection (RFC 9113) and its gRPC calls, on an asyncio transport.

Why the hub has its own HTTP/2: it was measured side by side with grpc.aio with raw-bytes handlers, on two cores,
in one run. Over grpc.aio the same hub did 0.60 of the completions a second and had 1.45 times the median latency.

The hub needs little of HTTP/2: unary calls and server streams, uncompressed, from clients on this machine. bounds.py
limits what it accepts from a client. A client that breaks the rules of HTTP/2 is disconnected.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Final

from orchestration.hub.transport import bounds, frames, hpack, rpc
from orchestration.hub.transport.patience import Patience, Pause
from orchestration.hub.transport.streams import Streams
from orchestration.hub.transport.tokens import Tokens

# Bytes. More than one frame of the largest size with its header.
_BUFFER: Final = 4 * frames.MAX_FRAME
# The longest block of headers in bytes, and how many frames it may come in.
_LONGEST_BLOCK: Final = hpack.LARGEST_LIST
_BLOCK_FRAMES: Final = 32


class _Block:
    """Headers that come in several frames."""

    __slots__ = ("data", "first", "frames", "stream")

    def __init__(self, stream: int, first: int) -> None:
        self.stream = stream
        # The flags of the HEADERS frame.
        self.first = first
        self.data = bytearray()
        self.frames = 0

    def add(self, payload: bytes) -> None:
        """Append a frame. Raises Http2Error where that is too much."""
        self.data += payload
        self.frames += 1
        if len(self.data) > _LONGEST_BLOCK or self.frames > _BLOCK_FRAMES:
            raise frames.Http2Error(frames.ENHANCE_YOUR_CALM)


class Http2Connection(asyncio.BufferedProtocol):
    """One client's connection. Where there are `tokens`, each call has to send one of them."""

    def __init__(
        self, routes: rpc.Routes, connections: bounds.Connections, tokens: Tokens | None = None
    ) -> None:
        self._routes = routes
        self._connections = connections
        self._tokens = tokens
        # One buffer for the life of the connection: asyncio maps and unmaps a buffer of its own for every read,
        # which costs more than the read.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._filled = 0
        self._preface_seen = self._greeted = False
        self._decoder = hpack.Decoder()
        self._block: _Block | None = None
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(connections, self._loop.time())
        self._streams = Streams(routes, connections, self._patience, tokens, self._prove)
        self._sender = self._streams.sender
        self._takers: dict[int, Callable[[int, int, bytes], None]] = {
            frames.DATA: self._streams.take_data,
            frames.HEADERS: self._take_first,
            frames.CONTINUATION: self._take_continuation,
            frames.RST_STREAM: self._streams.take_reset,
            frames.WINDOW_UPDATE: self._streams.take_window,
            frames.SETTINGS: self._take_settings,
        }
        self._parted_at: float | None = None
        self._parting_bytes = 0
        self._transport: asyncio.Transport | None = None

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the server's preface."""
        if not isinstance(transport, asyncio.Transport):
            return
        self._transport = transport
        self._sender.connected(transport)
        self._patience.connected(transport)
        self._connections.add(self)
        transport.write(frames.SERVER_PREFACE)
        if self._tokens is None:
            try:
                self._prove()
            except frames.Http2Error as error:
                self._part(error.code)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the calls of this client."""
        del exc
        self._transport = None
        self._connections.remove(self)
        self._streams.drop_all()
        self._sender.stop()

    def pause_writing(self) -> None:
        """Read nothing more from a client that does not read its answers, because that would make more answers."""
        self._patience.pause_writing(self._loop.time())

    def resume_writing(self) -> None:
        """The client has read its answers."""
        self._patience.resume(Pause.UNSENT)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes in. There is always room, because whole frames are taken out at once."""
        del sizehint
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take whole frames out of the buffer."""
        if self._parted_at is not None:
            self._parting_bytes += nbytes
            if self._parting_bytes > bounds.PARTING_BYTES and self._transport is not None:
                self._transport.abort()
            return
        self._filled += nbytes
        self._sender.heard += 1
        try:
            at = self._take_whole(self._buffer[: self._filled])
            if self._decoder.decoded or not self._patience.proven:
                self._patience.read(nbytes, self._decoder.decoded)
                self._decoder.decoded = 0
        except hpack.HeaderError:
            self._part(frames.COMPRESSION_ERROR)
        except hpack.HeaderListError:
            self._part(frames.ENHANCE_YOUR_CALM)
        except frames.Http2Error as error:
            self._part(error.code)
        except (struct.error, IndexError):
            self._part(frames.PROTOCOL_ERROR)
        else:
            if self._parted_at is None:
                left = self._filled - at
                self._buffer[:left] = self._buffer[at : self._filled]
                self._filled = left

    def _take_whole(self, data: memoryview) -> int:
        """Take every frame that has arrived whole; returns where the next one begins. Raises Http2Error."""
        at, size, head = 0, len(data), frames.FRAME_HEADER.size
        if not self._preface_seen:
            preface = frames.PREFACE
            if data[: len(preface)] != preface[:size]:
                raise frames.Http2Error(frames.PROTOCOL_ERROR)
            if size < len(preface):
                return 0
            at = len(preface)
            self._preface_seen = True
        while size - at >= head:
            kind, flags, stream = frames.FRAME_HEADER.unpack_from(data, at)
            length = kind >> 8
            kind &= 0xFF
            stream &= frames.LARGEST_WINDOW
            begin, end = at + head, at + head + length
            # The usual case: a valid frame of a call.
            if kind > frames.HEADERS or not stream & 1 or length > frames.MAX_FRAME:
                frames.check(kind, stream, length)
            if end > size:
                break
            if self._parted_at is None:
                self._take(kind, flags, stream, bytes(data[begin:end]))
            at = end
        return at

    @property
    def busy(self) -> bool:
        """Whether a call is in progress."""
        return self._streams.busy

    def close(self) -> None:
        """Close the connection, whatever is in progress."""
        self._goodbye(frames.NO_ERROR)
        if self._transport is not None:
            self._transport.close()
            if self._transport.get_write_buffer_size() or self._parted_at is not None:
                self._transport.abort()  # a client that does not read must not keep the hub from stopping

    def evict(self) -> None:
        """Hang up, to make room for another."""
        self._part(frames.ENHANCE_YOUR_CALM)

    def look(self, now: float) -> None:
        """Hang up on a client that takes too long, and go on reading where there is room again."""
        if self._parted_at is not None:
            if now - self._parted_at > bounds.PARTING_S and self._transport is not None:
                self._transport.abort()
            return
        code = self._patience.look(now)
        if code == frames.CANCEL and self._transport is not None:
            self._transport.abort()
        elif code is not None:
            self._part(code)
        else:
            self._streams.look(now)

    def _part(self, code: int) -> None:
        """Tell the client why, send nothing more, and close the connection as soon as the client has read it."""
        if self._parted_at is not None or self._transport is None:
            return
        self._parted_at = self._loop.time()
        self._connections.part(self, code)
        self._filled = 0
        self._streams.drop_all()
        self._goodbye(code)
        self._sender.stop()
        for why in Pause:
            self._patience.resume(why)
        # If the socket were closed at once with unread bytes, the client could lose what it was sent last.
        try:
            self._transport.write_eof()
        except OSError:  # the client has just closed it; that must not fail this call
            self._transport.abort()

    def _goodbye(self, code: int) -> None:
        self._sender.write(frames.frame(frames.GOAWAY, 0, 0, struct.pack(">II", self._streams.last, code)))
        self._sender.write_out()

    def _prove(self) -> None:
        """Count the client as admitted. Raises Http2Error where too many are."""
        if not self._connections.prove(self):
            raise frames.Http2Error(frames.ENHANCE_YOUR_CALM)
        self._patience.proven = True

    # Frames.

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if not self._greeted:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise frames.Http2Error(frames.PROTOCOL_ERROR)
            self._greeted = self._patience.greeted = True
        if self._block is not None and (kind != frames.CONTINUATION or stream != self._block.stream):
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        taker = self._takers.get(kind)
        if taker is not None:
            taker(flags, stream, payload)
            return
        if kind == frames.GOAWAY and len(payload) < 8:
            raise frames.Http2Error(frames.FRAME_SIZE_ERROR)
        self._streams.spend(1)
        if kind == frames.PING and not flags & frames.ACK:
            self._sender.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _take_settings(self, flags: int, _stream: int, payload: bytes) -> None:
        if flags & frames.ACK:
            if payload:
                raise frames.Http2Error(frames.FRAME_SIZE_ERROR)
            self._streams.spend(1)
            return
        self._streams.spend(bounds.SETTINGS_COST)
        self._sender.settings(frames.settings(payload))
        self._sender.write(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))

    def _take_first(self, flags: int, stream: int, payload: bytes) -> None:
        """Take headers, or the first part of them."""
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        if flags & frames.PRIORITIZED:
            if len(payload) < frames.LENGTHS[frames.PRIORITY]:
                raise frames.Http2Error(frames.FRAME_SIZE_ERROR)
            payload = payload[frames.LENGTHS[frames.PRIORITY] :]
        if flags & frames.END_HEADERS:
            headers = self._decoder.decode(payload)
            self._streams.take_headers(stream, headers, ended=bool(flags & frames.END_STREAM))
            return
        self._block = _Block(stream, flags)
        self._block.add(payload)
        self._patience.block_since = self._loop.time()

    def _take_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise frames.Http2Error(frames.PROTOCOL_ERROR)
        self._streams.spend(1)
        block.add(payload)
        if flags & frames.END_HEADERS:
            self._block = self._patience.block_since = None
            headers = self._decoder.decode(bytes(block.data))
            self._streams.take_headers(stream, headers, ended=bool(block.first & frames.END_STREAM))
