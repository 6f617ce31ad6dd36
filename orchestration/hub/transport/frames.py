"""The little of HTTP/2's and gRPC's wire formats that the hub speaks: frames, fixed headers, calls."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote

# A frame's head: 24 bits of length and 8 of kind, then flags and stream.
HEAD: Final = struct.Struct(">IBI")
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, _, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
MAX_FRAME: Final = 16384
DEFAULT_WINDOW: Final = 65535
LARGEST_WINDOW: Final = (1 << 31) - 1
LARGEST_HEADERS: Final = 64 * 1024
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, COMPRESSION_ERROR = 1, 3, 9

# A request carries several payloads of up to 1 MiB. A stream's window is never enlarged: this is its limit.
LARGEST_REQUEST: Final = 64 * 1024 * 1024
INITIAL_WINDOW_SETTING: Final = 4
MAX_FRAME_SETTING: Final = 5
CREDIT: Final = 1 << 20
# Of a refusal; the words may quote what a client sent, and clients take headers of a few KiB only.
_LONGEST_WORDS: Final = 1000
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview) -> bytes:
    """A frame: length and kind, flags, stream, payload."""
    return HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header that the reader is not to remember; the name is shorter than 127 bytes."""
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


OPENING: Final = b"\x88" + literal(b"content-type", b"application/grpc")
SUCCESS: Final = literal(b"grpc-status", b"0")
HELLO: Final = frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SETTING, LARGEST_REQUEST)) + frame(
    WINDOW, 0, 0, struct.pack(">I", LARGEST_WINDOW - DEFAULT_WINDOW)
)


class RpcError(Exception):
    """A call's end other than success: a gRPC status code and a sentence."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def refusal(error: RpcError) -> bytes:
    """The headers that end a call otherwise than well."""
    words = quote(error.words[:_LONGEST_WORDS], safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")
    return literal(b"grpc-status", str(error.code).encode()) + literal(b"grpc-message", words.encode())


Reply = Callable[[bytes | Exception], None]


class Unary(NamedTuple):
    """A call with one answer.

    `call` hands the answer to `Reply`, or an error, now or later. Where there is something to wait for it returns
    the task that waits, which is cancelled when the caller goes away; most calls wait for nothing but the next
    commit, and go without. What is answered to a caller that has gone is dropped.
    """

    call: Callable[[bytes, Reply], asyncio.Task[Any] | None]


def later(waiting: Coroutine[Any, Any, Any], tell: Callable[[Any], None]) -> asyncio.Task[Any]:
    """A task that waits, and whose end is told: its result or its error, but not that it was cancelled."""

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            error = task.exception()
            tell(task.result() if error is None else error)

    task = asyncio.get_running_loop().create_task(waiting)
    task.add_done_callback(ended)
    return task


class Line(Protocol):
    """What a stream's answers are written to; what is written once the caller has gone is dropped."""

    @property
    def blocked(self) -> bool:
        """Whether something that was written still waits for the caller to take what came before it."""

    def send(self, answer: bytes) -> None:
        """Write an answer, in the order of the calls, as soon as the caller has room for it."""

    def flush(self) -> None:
        """Hand what was written to the system now, not with all else that this turn of the loop writes."""

    async def room(self) -> None:
        """Return once the caller has taken all that was written."""


class Stream(NamedTuple):
    """A call with many answers, which `call` writes until it returns; it is cancelled when the caller goes away."""

    call: Callable[[bytes, Line], Awaitable[None]]


Routes = dict[bytes, Unary | Stream]


def request(body: bytearray) -> bytes:
    """The one message of a request."""
    if len(body) < 5 or body[0] or struct.unpack_from(">I", body, 1)[0] != len(body) - 5:
        raise RpcError(UNIMPLEMENTED, "A request is one message, not compressed.")
    message = bytes(body[5:])
    body.clear()
    return message


def message(payload: bytes) -> bytes:
    """A gRPC message, not compressed."""
    return b"\x00" + struct.pack(">I", len(payload)) + payload


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of a frame without its padding."""
    return payload[1 : len(payload) - payload[0]] if flags & PADDED else payload


def status(code: Any) -> int:
    """The number of a grpc.StatusCode."""
    number: int = code.value[0]
    return number
