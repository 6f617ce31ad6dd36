"""An HTTP/2 client that sends what a test wants it to, right or wrong."""

import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from orchestration.hub.transport import frames
from tests.support import PATIENCE_S

SERVICE = b"/TaskHubSidecarService/"
ENDS, ALL = frames.END_STREAM, frames.END_STREAM | frames.END_HEADERS


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of a RST_STREAM or GOAWAY."""
        number: int = struct.unpack(">I", self.payload[-4:])[0]
        return number


def settings(*pairs: tuple[int, int]) -> bytes:
    return frames.frame(frames.SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def headers(method: str = "Hello", *extra: tuple[bytes, bytes]) -> bytes:
    """The block of headers of a call."""
    pairs = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", SERVICE + method.encode())]
    return b"".join(frames.literal(name, value) for name, value in [*pairs, *extra])


def call(stream: int, method: str = "Hello", message: bytes = b"", *extra: tuple[bytes, bytes]) -> bytes:
    """The frames of a whole call."""
    head = frames.frame(frames.HEADERS, frames.END_HEADERS, stream, headers(method, *extra))
    return head + frames.frame(frames.DATA, frames.END_STREAM, stream, frames.message(message))


def opened(stream: int, method: str = "StartInstance") -> bytes:
    """The first frame of a call whose request is never sent."""
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, headers(method))


def window_update(stream: int, increment: int) -> bytes:
    return frames.frame(frames.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


class RawClient:
    """A connection to a hub: at its Unix socket, or over TCP."""

    def __init__(self, address: str, *, greeting: bytes | None = None) -> None:
        if address.startswith("unix://"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(Path(address.removeprefix("unix://"))))
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(PATIENCE_S)
        self._buffer = b""
        self.send(frames.PREFACE + settings() if greeting is None else greeting)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Sends the bytes; returns False where the hub has closed the connection."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> Frame | None:
        """The next frame; None where the hub has closed the connection."""
        head = self._take(frames.FRAME_HEADER.size)
        if head is None:
            return None
        kind, flags, stream = frames.FRAME_HEADER.unpack(head)
        payload = self._take(kind >> 8)
        return None if payload is None else Frame(kind & 0xFF, flags, stream, payload)

    def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self._buffer += more
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def until(self, kind: int, stream: int = 0, flags: int = 0) -> Frame:
        """The next frame of this kind on this stream with these flags; skips others, and fails at a GOAWAY."""
        while True:
            frame = self.receive()
            assert frame is not None, "the hub has hung up"
            if (frame.kind, frame.stream) == (kind, stream) and frame.flags & flags == flags:
                return frame
            assert frame.kind != frames.GOAWAY, f"the hub has hung up: {frame.code}"

    def rest(self) -> list[Frame]:
        """All frames until the hub closes the connection."""
        return list(iter(self.receive, None))

    def parting(self) -> int:
        """The error code of the GOAWAY that has to be the hub's last frame."""
        last = self.rest()[-1]
        assert last.kind == frames.GOAWAY, last
        return last.code

    def until_goodbye(self) -> int:
        """The error code of the next GOAWAY, after which the hub waits for this side to close."""
        while (frame := self.receive()) is not None:
            if frame.kind == frames.GOAWAY:
                return frame.code
        raise AssertionError("the hub has hung up without a word")

    def answered(self, stream: int) -> bytes:
        """The headers that end a call, undecoded."""
        return self.until(frames.HEADERS, stream, ENDS).payload
