"""The parts of the HTTP/2 and gRPC wire formats that the hub needs: frames, fixed headers, messages."""

import struct
from typing import Final
from urllib.parse import quote

from orchestration.hub.transport import bounds, hpack, rpc

# A frame's header: 24 bits of length and 8 of type, then flags and stream.
FRAME_HEADER: Final = struct.Struct(">IBI")
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
MAX_FRAME: Final = 16384
DEFAULT_WINDOW: Final = 65535
LARGEST_WINDOW: Final = (1 << 31) - 1
LARGEST_FRAME_SETTING: Final = (1 << 24) - 1
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0, 1, 3, 5, 6
SETTINGS_TIMEOUT, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 4, 7, 8, 9, 11
# Where frames of one kind always have one length, their length.
LENGTHS: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
# The kinds that are about the connection, and those that are about one stream. WINDOW_UPDATE may be about both.
OF_CONNECTION: Final = frozenset({SETTINGS, PING, GOAWAY})
OF_STREAM: Final = frozenset({DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION})

# A request carries several payloads of up to 1 MiB. A stream's window is never enlarged, so this is its limit.
LARGEST_REQUEST: Final = 64 * 1024 * 1024
# Bytes before a gRPC message: whether it is compressed, and its length.
PREFIX: Final = 5
LARGEST_MESSAGE: Final = LARGEST_REQUEST - PREFIX
PUSH_SETTING, STREAMS_SETTING, INITIAL_WINDOW_SETTING, MAX_FRAME_SETTING, HEADERS_SETTING = 2, 3, 4, 5, 6
# After so many bytes received, the client's window for the whole connection is renewed.
WINDOW_STEP: Final = 1 << 20
# Characters of an error's message. It may quote what a client sent, and clients take headers of a few KiB only.
_LONGEST_MESSAGE: Final = 1000


class Http2Error(Exception):
    """The client broke the rules of HTTP/2: the connection must end. `code` is the error code of the GOAWAY frame."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview) -> bytes:
    """A frame: length and type, flags, stream, payload."""
    return FRAME_HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header that the client does not add to its table; the name is shorter than 127 bytes."""
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


RESPONSE_HEADERS: Final = b"\x88" + literal(b"content-type", b"application/grpc")
OK_TRAILERS: Final = literal(b"grpc-status", b"0")
SERVER_PREFACE: Final = frame(
    SETTINGS,
    0,
    0,
    struct.pack(">HI", INITIAL_WINDOW_SETTING, LARGEST_REQUEST)
    + struct.pack(">HI", STREAMS_SETTING, bounds.STREAMS)
    + struct.pack(">HI", HEADERS_SETTING, hpack.LARGEST_LIST),
) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - DEFAULT_WINDOW))


def error_trailers(error: rpc.RpcError) -> bytes:
    """The headers that end a call with an error."""
    message = quote(error.message[:_LONGEST_MESSAGE], safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")
    return literal(b"grpc-status", str(error.code).encode()) + literal(b"grpc-message", message.encode())


def request(body: bytearray) -> bytes:
    """The one message of a request. Raises RpcError where there are more, or it is compressed."""
    if len(body) < 5 or body[0] or struct.unpack_from(">I", body, 1)[0] != len(body) - 5:
        raise rpc.RpcError(rpc.UNIMPLEMENTED, "A request is one message, not compressed.")
    message = bytes(body[5:])
    body.clear()
    return message


def message_size(body: bytearray) -> int:
    """How long the message of a request will be, or 0 where that has not arrived."""
    return int.from_bytes(body[1:PREFIX]) if len(body) >= PREFIX else 0


def message(payload: bytes) -> bytes:
    """A gRPC message, not compressed."""
    return b"\x00" + struct.pack(">I", len(payload)) + payload


def unpadded(payload: bytes) -> bytes:
    """The payload of a padded frame without its padding. Raises Http2Error."""
    if not payload or payload[0] >= len(payload):
        raise Http2Error(PROTOCOL_ERROR)
    return payload[1 : len(payload) - payload[0]]


def check(kind: int, stream: int, length: int) -> None:
    """Refuse a frame that cannot be right, whatever is in it. Raises Http2Error."""
    if length > MAX_FRAME or length != LENGTHS.get(kind, length):
        raise Http2Error(FRAME_SIZE_ERROR)
    if kind == PUSH_PROMISE or (kind in OF_CONNECTION if stream else kind in OF_STREAM):
        raise Http2Error(PROTOCOL_ERROR)
    # Even numbers are streams of the server, which opens none. Frames of unknown kinds are passed over.
    if stream and not stream & 1 and kind <= CONTINUATION and kind != PRIORITY:
        raise Http2Error(PROTOCOL_ERROR)


def settings(payload: bytes) -> dict[int, int]:
    """The settings in a frame; of a repeated one the last. Raises Http2Error."""
    if len(payload) % 6:
        raise Http2Error(FRAME_SIZE_ERROR)
    out: dict[int, int] = {}
    for setting, value in struct.iter_unpack(">HI", payload):
        if setting == INITIAL_WINDOW_SETTING and value > LARGEST_WINDOW:
            raise Http2Error(FLOW_CONTROL_ERROR)
        if setting == MAX_FRAME_SETTING and not MAX_FRAME <= value <= LARGEST_FRAME_SETTING:
            raise Http2Error(PROTOCOL_ERROR)
        if setting == PUSH_SETTING and value > 1:
            raise Http2Error(PROTOCOL_ERROR)
        out[setting] = value
    return out
