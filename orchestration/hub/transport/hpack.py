"""Decodes HTTP/2 header blocks (RFC 7541). The hub sends only fixed blocks, so there is no encoder."""

from collections import deque
from typing import Final

_TABLE_SIZE: Final = 4096
_ENTRY_OVERHEAD: Final = 32
# How many blocks are cached with their headers: more than a client has kinds of calls.
_CACHED: Final = 64

# RFC 7541, appendix A: name and value. The value is empty where only the name is given.
_STATIC: Final = tuple(
    (name.encode(), value.encode())
    for name, _, value in (
        line.partition("=")
        for line in [
            ":authority",
            ":method=GET",
            ":method=POST",
            ":path=/",
            ":path=/index.html",
            ":scheme=http",
            ":scheme=https",
            ":status=200",
            ":status=204",
            ":status=206",
            ":status=304",
            ":status=400",
            ":status=404",
            ":status=500",
            "accept-charset",
            "accept-encoding=gzip, deflate",
            "accept-language",
            "accept-ranges",
            "accept",
            "access-control-allow-origin",
            "age",
            "allow",
            "authorization",
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "content-length",
            "content-location",
            "content-range",
            "content-type",
            "cookie",
            "date",
            "etag",
            "expect",
            "expires",
            "from",
            "host",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "last-modified",
            "link",
            "location",
            "max-forwards",
            "proxy-authenticate",
            "proxy-authorization",
            "range",
            "referer",
            "refresh",
            "retry-after",
            "server",
            "set-cookie",
            "strict-transport-security",
            "transfer-encoding",
            "user-agent",
            "vary",
            "via",
            "www-authenticate",
        ]
    )
)

# RFC 7541, appendix B: the length in bits of the code of each byte, 0 to 255. The code is canonical.
# fmt: off
_LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8,
    7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
    7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23,
    24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24,
    20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
    27, 27, 27, 26,
)
# fmt: on


class HeaderError(Exception):
    """A header block that cannot be decoded. The connection cannot go on, because its table is lost."""


def _codes() -> dict[tuple[int, int], int]:
    """The byte of each code, by the length and the bits of the code."""
    out: dict[tuple[int, int], int] = {}
    code = length = 0
    for size, byte in sorted((size, byte) for byte, size in enumerate(_LENGTHS)):
        code <<= size - length
        length = size
        out[length, code] = byte
        code += 1
    return out


_CODES: Final = _codes()


def _unhuffman(packed: bytes) -> bytes:
    out = bytearray()
    length = code = 0
    for byte in packed:
        for shift in range(7, -1, -1):
            code = code << 1 | (byte >> shift & 1)
            length += 1
            found = _CODES.get((length, code))
            if found is not None:
                out.append(found)
                length = code = 0
    # What is left is padding: fewer than eight bits, all of them ones.
    if length > 7 or code != (1 << length) - 1:
        raise HeaderError("bad padding")
    return bytes(out)


class Decoder:
    """Decodes the header blocks of one connection, in order: a block may refer to those before it."""

    def __init__(self) -> None:
        self._dynamic: deque[tuple[bytes, bytes]] = deque()
        self._size = 0
        self._limit = _TABLE_SIZE
        self._cache: dict[bytes, dict[bytes, bytes]] = {}

    def decode(self, block: bytes) -> dict[bytes, bytes]:
        """The headers of a block; of a repeated name the last one. The result must not be changed.

        Raises HeaderError.
        """
        # A client's calls soon repeat their blocks byte for byte. While the table does not change, the same bytes
        # mean the same headers.
        cached = self._cache.get(block)
        if cached is not None:
            return cached
        try:
            headers, changed = self._decode(block)
        except IndexError:
            raise HeaderError("cut off, or refers to nothing") from None
        if changed or len(self._cache) >= _CACHED:
            self._cache.clear()
        if not changed:
            self._cache[block] = headers
        return headers

    def _decode(self, block: bytes) -> tuple[dict[bytes, bytes], bool]:
        """The headers of a block, and whether it changed the table."""
        out: dict[bytes, bytes] = {}
        changed = False
        at = 0
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = self._number(block, at, 7)
                name, value = self._entry(index)
                out[name] = value
            elif first & 0xE0 == 0x20:
                self._limit, at = self._number(block, at, 5)
                if self._limit > _TABLE_SIZE:
                    raise HeaderError("a table larger than agreed")
                self._evict()
                changed = True
            else:
                keep = bool(first & 0x40)
                index, at = self._number(block, at, 6 if keep else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = self._string(block, at)
                value, at = self._string(block, at)
                out[name] = value
                if keep:
                    self._dynamic.appendleft((name, value))
                    self._size += len(name) + len(value) + _ENTRY_OVERHEAD
                    self._evict()
                    changed = True
        return out, changed

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if index == 0:
            raise HeaderError("index 0")
        return _STATIC[index - 1] if index <= len(_STATIC) else self._dynamic[index - len(_STATIC) - 1]

    def _evict(self) -> None:
        while self._size > self._limit:
            name, value = self._dynamic.pop()
            self._size -= len(name) + len(value) + _ENTRY_OVERHEAD

    @staticmethod
    def _number(block: bytes, at: int, bits: int) -> tuple[int, int]:
        full = (1 << bits) - 1
        number = block[at] & full
        at += 1
        if number < full:
            return number, at
        shift = 0
        while True:
            byte = block[at]
            at += 1
            number += (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number, at
            if shift > 28:
                raise HeaderError("a number too large")

    def _string(self, block: bytes, at: int) -> tuple[bytes, int]:
        packed = block[at] & 0x80
        length, at = self._number(block, at, 7)
        end = at + length
        if end > len(block):
            raise HeaderError("a string is cut off")
        raw = block[at:end]
        return (_unhuffman(raw) if packed else raw), end
