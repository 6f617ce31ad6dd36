"""Frames of HTTP/2, right and wrong, and what the `h2` package says of them."""

from __future__ import annotations

import struct
from typing import Final

import h2.config
import h2.connection
import h2.exceptions
from hypothesis import strategies as st

from orchestration.hub.transport import frames
from orchestration.hub.transport.frames import frame
from tests.support.raw_http2 import headers, settings

_HELLO: Final = headers()
_STREAMS: Final = st.sampled_from([0, 1, 1, 3, 3, 5, 7, 2, 2**31 - 1])
_NUMBERS: Final = st.sampled_from([0, 1, 100, 65535, 2**31 - 1, 2**31, 2**32 - 1])
_FLAGS: Final = st.sampled_from([0, 1, 4, 5, 5, 5, 8, 13, 32, 37, 45, 255])
# Payloads of HEADERS: whole, with padding or a priority, cut off, and invalid.
_BLOCKS: Final = st.sampled_from([
    _HELLO, _HELLO, _HELLO, b"\x03" + _HELLO + bytes(3), bytes(5) + _HELLO, b"\x02" + bytes(5) + _HELLO + bytes(2),
    _HELLO[:7], b"", b"\x82", b"\x3f\xe1\x1f\x82", b"\x3f\xe2\x1f", b"\x80", b"\xbe", b"\x40\x01a\x01b\xbe",
])  # fmt: skip
# Each setting once in a frame: of a repeated one the package checks only the last.
_SETTINGS: Final = st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, 6, 99]), _NUMBERS, max_size=2)

FRAME: Final = st.one_of(
    st.builds(lambda flags, stream, block: frame(frames.HEADERS, flags, stream, block), _FLAGS, _STREAMS, _BLOCKS),
    st.builds(lambda flags, stream, block: frame(frames.CONTINUATION, flags, stream, block), _FLAGS, _STREAMS, _BLOCKS),
    st.builds(lambda stream: frame(frames.HEADERS, 4, stream, _HELLO), _STREAMS),
    st.builds(
        lambda flags, stream, data: frame(frames.DATA, flags, stream, data),
        _FLAGS,
        _STREAMS,
        st.sampled_from([b"", frames.message(b""), b"\x00", b"\x02\x00\x00", bytes(300)]),
    ),
    st.builds(
        lambda stream, number: frame(frames.WINDOW_UPDATE, 0, stream, struct.pack(">I", number & 2**31 - 1)),
        _STREAMS,
        _NUMBERS,
    ),
    st.builds(
        lambda stream, code: frame(frames.RST_STREAM, 0, stream, struct.pack(">I", code)), _STREAMS, _NUMBERS
    ),
    st.builds(lambda pairs: settings(*pairs.items()), _SETTINGS),
    st.builds(lambda flags: frame(frames.SETTINGS, flags & 1, 0, b""), _FLAGS),
    st.builds(lambda flags: frame(frames.PING, flags & 1, 0, bytes(8)), _FLAGS),
    st.builds(lambda stream, on: frame(frames.PRIORITY, 0, stream, struct.pack(">IB", on, 1)), _STREAMS, _STREAMS),
    st.builds(
        frame,
        st.sampled_from([*range(10), 11, 32, 255]),  # without 10, the frame type of an extension that the package knows
        _FLAGS,
        _STREAMS,
        st.binary(max_size=12),
    ),
)  # fmt: skip


# Faults that the package still checks from RFC 7540: RFC 9113 has no priorities.
_OLD: Final = "may not depend on itself"


def refused_by_h2(sent: bytes) -> str | None:
    """Why `h2`, as a server that answers nothing, closes the connection of a client that sent this; "" where not.

    None where it cannot be compared.
    """
    config = h2.config.H2Configuration(
        client_side=False,
        header_encoding=None,
        validate_inbound_headers=False,
        normalize_inbound_headers=False,
    )
    server = h2.connection.H2Connection(config)
    server.initiate_connection()
    server.clear_outbound_data_buffer()
    try:
        server.receive_data(sent)
    except h2.exceptions.ProtocolError as error:
        return None if _OLD in str(error) else f"{type(error).__name__}: {error}"
    return ""


def stricter(sent: list[bytes], code: int) -> bool:
    """Whether RFC 9113 lets the hub close the connection with this code where `h2` does not.

    Section 5.1: a frame on a stream that is closed may end the connection. Section 6.4: RST_STREAM on a stream that
    was not opened has to.
    """
    resets = any(one[3] == frames.RST_STREAM for one in sent)
    return code == frames.STREAM_CLOSED or (code == frames.PROTOCOL_ERROR and resets)
