"""What breaks the rules of HTTP/2 (RFC 9113) ends the connection, with the reason, and harms nobody else."""

import asyncio
import errno
import struct
from pathlib import Path

import pytest

from orchestration.hub import Hub
from orchestration.hub.transport import bounds, frames, huffman
from orchestration.hub.transport.call import Call
from orchestration.hub.transport.frames import frame
from orchestration.hub.transport.http2 import Http2Connection
from orchestration.hub.transport.sender import Sender
from orchestration.hub.transport.tokens import Tokens
from tests.support.hubs import HubUnderTest
from tests.support.raw_http2 import (
    ALL,
    ENDS,
    RawClient,
    call,
    headers,
    opened,
    settings,
    window_update,
)

HELLO = headers()
PING = frame(frames.PING, 0, 0, b"12345678")
BLOCK = frames.END_HEADERS

PROTOCOL = {
    "no SETTINGS first": (frames.PREFACE + PING, None),
    "an acknowledgement first": (frames.PREFACE + frame(frames.SETTINGS, frames.ACK, 0, b""), None),
    "another protocol": (b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", None),
    "the beginning of another protocol": (b"GET /", None),
    "SETTINGS on a stream": (None, frame(frames.SETTINGS, 0, 1, b"")),
    "PING on a stream": (None, frame(frames.PING, 0, 1, bytes(8))),
    "GOAWAY on a stream": (None, frame(frames.GOAWAY, 0, 1, bytes(8))),
    "push neither on nor off": (None, settings((frames.PUSH_SETTING, 2))),
    "a small largest frame": (None, settings((frames.MAX_FRAME_SETTING, 16383))),
    "a large largest frame": (None, settings((frames.MAX_FRAME_SETTING, 1 << 24))),
    "no largest frame": (None, settings((frames.MAX_FRAME_SETTING, 0))),
    "HEADERS on stream 0": (None, frame(frames.HEADERS, ALL, 0, HELLO)),
    "HEADERS on an even stream": (None, frame(frames.HEADERS, ALL, 2, HELLO)),
    "HEADERS on an earlier stream": (None, call(5) + call(3)),
    "DATA on stream 0": (None, frame(frames.DATA, 0, 0, b"")),
    "DATA on an even stream": (None, frame(frames.DATA, 0, 2, b"")),
    "DATA on a stream that was not opened": (None, frame(frames.DATA, 0, 7, b"x")),
    "RST_STREAM on stream 0": (None, frame(frames.RST_STREAM, 0, 0, bytes(4))),
    "RST_STREAM on a stream that was not opened": (None, frame(frames.RST_STREAM, 0, 7, bytes(4))),
    "PRIORITY on stream 0": (None, frame(frames.PRIORITY, 0, 0, bytes(5))),
    "WINDOW_UPDATE on a stream that was not opened": (None, window_update(7, 1)),
    "WINDOW_UPDATE of nothing": (None, window_update(0, 0)),
    "PUSH_PROMISE": (None, frame(frames.PUSH_PROMISE, BLOCK, 1, bytes(4) + HELLO)),
    "CONTINUATION of nothing": (None, frame(frames.CONTINUATION, BLOCK, 1, HELLO)),
    "CONTINUATION on stream 0": (None, frame(frames.CONTINUATION, BLOCK, 0, HELLO)),
    "another frame within headers": (None, frame(frames.HEADERS, ENDS, 1, HELLO[:9]) + PING),
    "another stream within headers": (
        None,
        frame(frames.HEADERS, ENDS, 1, HELLO[:9]) + frame(frames.CONTINUATION, BLOCK, 3, HELLO[9:]),
    ),
    "more headers that do not end the request": (None, opened(1) + opened(1)),
    "padding longer than DATA": (None, opened(1) + frame(frames.DATA, frames.PADDED, 1, b"\x06abcde")),
    "padding longer than HEADERS": (None, frame(frames.HEADERS, ALL | frames.PADDED, 1, b"\xff" + HELLO)),
    "padding without its length": (None, opened(1) + frame(frames.DATA, frames.PADDED, 1, b"")),
}
FRAME_SIZE = {
    "a cut off setting": frame(frames.SETTINGS, 0, 0, bytes(7)),
    "an acknowledgement with settings": frame(frames.SETTINGS, frames.ACK, 0, bytes(6)),
    "a short PING": frame(frames.PING, 0, 0, bytes(7)),
    "a long PING": frame(frames.PING, 0, 0, bytes(9)),
    "a short WINDOW_UPDATE": frame(frames.WINDOW_UPDATE, 0, 0, bytes(3)),
    "a short RST_STREAM": opened(1) + frame(frames.RST_STREAM, 0, 1, bytes(3)),
    "a short PRIORITY": frame(frames.PRIORITY, 0, 1, bytes(4)),
    "a short GOAWAY": frame(frames.GOAWAY, 0, 0, bytes(7)),
    "HEADERS without their priority": frame(frames.HEADERS, ALL | frames.PRIORITIZED, 1, bytes(4)),
    "a frame longer than agreed": frames.FRAME_HEADER.pack((frames.MAX_FRAME + 1) << 8, 0, 1),
}
FLOW_CONTROL = {
    "a first window too large": settings((frames.INITIAL_WINDOW_SETTING, 1 << 31)),
    "a window too large": window_update(0, frames.LARGEST_WINDOW),
    "windows that become too large": opened(1)
    + window_update(1, frames.LARGEST_WINDOW - frames.DEFAULT_WINDOW)
    + settings((frames.INITIAL_WINDOW_SETTING, frames.DEFAULT_WINDOW + 1)),
}
CLOSED = {
    "a stream that is used again": frame(frames.HEADERS, ALL, 1, HELLO) * 2,
    "DATA after the end": frame(frames.HEADERS, ALL, 1, headers("GetWorkItems"))
    + frame(frames.DATA, ENDS, 1, b"x"),
    "HEADERS after the end": call(1, "GetWorkItems") + frame(frames.HEADERS, ALL, 1, HELLO),
}
COMPRESSION = {
    "index 0": b"\x80",
    "an entry that is not there": b"\xff\x80\x01",
    "a table larger than agreed": b"\x3f\xe2\x1f",
    "a new table size after a header": b"\x82\x20",
    "a string that is cut off": b"\x00\x05ab",
    "the end of a Huffman string inside it": b"\x00\x01x\x84" + b"\xff" * 4,
    "a long padding": b"\x00\x01x\x82\x1f\xff",
    "a padding of zeros": b"\x00\x01x\x81\x18",
    "a number without an end": b"\xff" + b"\xff" * 9,
}


def parted(hub: Hub, greeting: bytes | None, sent: bytes | None) -> int:
    with RawClient(hub.address, greeting=greeting) as client:
        client.send((sent or b"") + PING)
        code = client.parting()
        assert not client.send(PING) or client.receive() is None
        return code


@pytest.mark.parametrize(("greeting", "sent"), PROTOCOL.values(), ids=PROTOCOL)
def test_a_frame_out_of_place_ends_the_connection(
    hub: Hub, ours: HubUnderTest, greeting: bytes | None, sent: bytes | None
) -> None:
    assert parted(hub, greeting, sent) == frames.PROTOCOL_ERROR
    ours.start("any", instance_id="one")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        *((sent, frames.FRAME_SIZE_ERROR) for sent in FRAME_SIZE.values()),
        *((sent, frames.FLOW_CONTROL_ERROR) for sent in FLOW_CONTROL.values()),
        *((sent, frames.STREAM_CLOSED) for sent in CLOSED.values()),
        *((frame(frames.HEADERS, ALL, 1, block), frames.COMPRESSION_ERROR) for block in COMPRESSION.values()),
    ],
    ids=[*FRAME_SIZE, *FLOW_CONTROL, *CLOSED, *COMPRESSION],
)
def test_a_wrong_frame_ends_the_connection(hub: Hub, sent: bytes, code: int) -> None:
    assert parted(hub, None, sent) == code


def test_a_request_longer_than_its_window_ends_the_connection(hub: Hub) -> None:
    with RawClient(hub.address) as client:
        client.send(opened(1))
        piece = frame(frames.DATA, 0, 1, bytes(frames.MAX_FRAME))
        for _ in range(frames.LARGEST_REQUEST // frames.MAX_FRAME + 1):
            client.send(piece)
        assert client.parting() == frames.FLOW_CONTROL_ERROR


def test_the_window_of_one_call_that_becomes_too_large_ends_that_call_alone(hub: Hub) -> None:
    with RawClient(hub.address) as client:
        client.send(call(1, "GetWorkItems") + window_update(1, frames.LARGEST_WINDOW) + call(3))
        assert client.until(frames.RST_STREAM, 1).code == frames.FLOW_CONTROL_ERROR
        assert b"grpc-status\x010" in client.answered(3)


def test_nothing_that_came_with_the_fault_is_done(hub: Hub, ours: HubUnderTest) -> None:
    """The call behind the fault is in the same packet."""
    start = b"\x0a\x03one\x12\x03any"  # a CreateInstanceRequest
    with RawClient(hub.address) as client:
        client.send(window_update(0, 0) + call(1, "StartInstance", start))
        assert client.parting() == frames.PROTOCOL_ERROR
    assert ours.client.get_orchestration_state("one") is None
    with RawClient(hub.address) as client:
        client.send(call(1, "StartInstance", start))
        assert b"grpc-status\x010" in client.answered(1)
    assert ours.state("one").name == "any"


def test_calls_that_were_going_on_are_cancelled(hub: Hub, ours: HubUnderTest) -> None:
    """A worker's stream that breaks the rules gives its work back."""
    with RawClient(hub.address) as client:
        client.send(call(1, "GetWorkItems"))
        client.until(frames.HEADERS, 1)
        client.send(window_update(0, 0))
        assert client.parting() == frames.PROTOCOL_ERROR
        ours.work(any_, activities=())
        assert ours.done(ours.start(any_)).serialized_output == "1"


def test_what_is_still_sent_to_a_call_that_is_over_is_dropped_and_not_counted() -> None:
    async def send() -> None:
        connections = bounds.Connections(0.0)
        over = Call(Sender({}, connections), 1, b"", 0)
        over.send(b"late")
        assert (over.blocked, connections.unread) == (False, 0)

    asyncio.run(send())


class _Gone(asyncio.Transport):
    """The transport to a client that hangs up after the last bytes are sent and before the end of the stream."""

    aborted = False

    def write(self, data: object) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def abort(self) -> None:
        self.aborted = True


def test_a_client_that_hangs_up_while_it_is_hung_up_on_harms_nobody() -> None:
    """Such as the next client, for which this one has to go."""

    async def part() -> None:
        connections, gone = bounds.Connections(0.0), _Gone()
        one = Http2Connection({}, connections, Tokens(b"t" * 43))
        one.connection_made(gone)
        one.evict()
        assert gone.aborted
        one.connection_lost(None)
        assert connections.all() == []

    asyncio.run(part())


def test_a_hub_stops_while_it_hangs_up(tmp_path: Path) -> None:
    """The client is told, and does not hang up itself."""
    with Hub(tmp_path / "hub.db") as hub, RawClient(hub.address) as client:
        client.send(call(1, "GetWorkItems"))
        client.until(frames.HEADERS, 1)
        client.send(window_update(0, 0))
        assert client.until_goodbye() == frames.PROTOCOL_ERROR
        hub.stop()
        assert client.receive() is None


def any_(_ctx: object, _given: object) -> int:
    return 1


def test_rules_that_are_kept_are_served(hub: Hub) -> None:
    """Padding, priority, headers in pieces, trailers, unknown frames and settings: all of it is right."""
    with RawClient(hub.address) as client:
        unknown = (
            frame(0xEE, 0xFF, 0, b"whatever")
            + frame(0xEE, 0, 9, b"")
            + frame(0xEE, 0, 2, b"")
            + settings((0xEE, 1))
        )
        client.send(unknown + frame(frames.PRIORITY, 0, 1, bytes(5)) + PING)
        client.until(frames.PING, 0, frames.ACK)
        flags = BLOCK | frames.PADDED | frames.PRIORITIZED
        client.send(frame(frames.HEADERS, flags, 1, b"\x03" + bytes(5) + HELLO + bytes(3)))
        client.send(frame(frames.DATA, ENDS | frames.PADDED, 1, b"\x02" + frames.message(b"") + bytes(2)))
        assert b"grpc-status\x010" in client.answered(1)
        client.send(frame(frames.HEADERS, 0, 3, HELLO[:10]) + frame(frames.CONTINUATION, 0, 3, HELLO[10:20]))
        client.send(frame(frames.CONTINUATION, BLOCK, 3, HELLO[20:]))
        client.send(frame(frames.DATA, 0, 3, frames.message(b"")))
        client.send(frame(frames.HEADERS, ALL, 3, frames.literal(b"a", b"b")))
        assert b"grpc-status\x010" in client.answered(3)
        client.send(frame(frames.GOAWAY, 0, 0, struct.pack(">II", 0, 0)) + PING)
        client.until(frames.PING, 0, frames.ACK)


def test_every_byte_is_decoded_from_its_code() -> None:
    """Coded here bit by bit, by the table of the standard."""
    codes: dict[int, str] = {}
    code = length = 0
    for size, byte in sorted((size, byte) for byte, size in enumerate(huffman._LENGTHS)):
        code <<= size - length
        length = size
        codes[byte] = format(code, f"0{size}b")
        code += 1
    text = bytes(range(256)) * 2
    bits = "".join(codes[byte] for byte in text)
    bits += "1" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    assert huffman.decode(packed) == text
