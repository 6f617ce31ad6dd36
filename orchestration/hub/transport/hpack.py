"""Decodes HTTP/2 header blocks (RFC 7541). The hub sends only fixed blocks, so there is no encoder."""

from collections import deque
from typing import Final

from orchestration.hub.transport import huffman

_TABLE_SIZE: Final = 4096
_ENTRY_OVERHEAD: Final = 32
# How many blocks are cached with their headers, more than a client has kinds of calls; and the most bytes of a cached
# block.
_CACHED: Final = 64
_LONGEST_CACHED: Final = 1024
# The largest list of headers of one call: bytes of names and values, and 32 for each header. As much as gRPC takes.
LARGEST_LIST: Final = 16 * 1024

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


class HeaderError(Exception):
    """A header block that cannot be decoded. The connection cannot go on, because its table is lost."""


class HeaderListError(Exception):
    """More headers than `LARGEST_LIST`. The connection cannot go on, because its table is lost."""


class Decoder:
    """Decodes the header blocks of one connection, in order: a block may refer to those before it."""

    def __init__(self) -> None:
        self._dynamic: deque[tuple[bytes, bytes]] = deque()
        self._size = 0
        self._limit = _TABLE_SIZE
        self._cache: dict[bytes, dict[bytes, bytes]] = {}
        # Bytes of blocks that were decoded so far, without those that were cached: the work that was done.
        self.decoded = 0

    def decode(self, block: bytes) -> dict[bytes, bytes]:
        """The headers of a block; of a repeated name the last one. The result must not be changed.

        Raises HeaderError and HeaderListError.
        """
        # A client's calls soon repeat their blocks byte for byte. While the table does not change, the same bytes
        # mean the same headers.
        cached = self._cache.get(block)
        if cached is not None:
            return cached
        self.decoded += len(block)
        try:
            headers, changed = self._decode(block)
        except IndexError:
            raise HeaderError("cut off, or refers to nothing") from None
        if changed or len(self._cache) >= _CACHED:
            self._cache.clear()
        if not changed and len(block) <= _LONGEST_CACHED:
            self._cache[block] = headers
        return headers

    def _decode(self, block: bytes) -> tuple[dict[bytes, bytes], bool]:
        """The headers of a block, and whether it changed the table."""
        out: dict[bytes, bytes] = {}
        changed = False
        at = size = 0
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = self._number(block, at, 7)
                name, value = self._entry(index)
            elif first & 0xE0 == 0x20:
                if size:
                    raise HeaderError("a new table size after a header")
                self._limit, at = self._number(block, at, 5)
                if self._limit > _TABLE_SIZE:
                    raise HeaderError("a table larger than agreed")
                self._evict()
                changed = True
                continue
            else:
                keep = bool(first & 0x40)
                index, at = self._number(block, at, 6 if keep else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = self._string(block, at)
                value, at = self._string(block, at)
                if keep:
                    self._dynamic.appendleft((name, value))
                    self._size += len(name) + len(value) + _ENTRY_OVERHEAD
                    self._evict()
                    changed = True
            size += len(name) + len(value) + _ENTRY_OVERHEAD
            if size > LARGEST_LIST:
                raise HeaderListError
            out[name] = value
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
        if not packed:
            return raw, end
        try:
            return huffman.decode(raw), end
        except huffman.HuffmanError as error:
            raise HeaderError(str(error)) from error
