"""Compressed histories of ended instances: one packed piece replaces the pieces of all turns.

The turns of a request say the same things again and again, so together they take a quarter of their bytes.
"""

import zlib
from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError

# The number of the turn of a packed piece.
PACKED: Final = -1

# Bytes. No history is longer; a packed piece that claims more is damaged.
_LONGEST: Final = 64 * 1024 * 1024


def pack(pieces: Iterable[bytes]) -> bytes:
    """All pieces of a history, in their order, as one that is packed."""
    return zlib.compress(b"".join(pieces))


def plain(turn: int, piece: bytes) -> bytes:
    """The piece of history that is stored under this turn, unpacked. Raises `DecodeError` where it is damaged."""
    if turn != PACKED:
        return piece
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(piece, _LONGEST)
    except zlib.error as error:
        raise DecodeError(f"it cannot be unpacked ({error})") from error
    if not unpacking.eof:
        raise DecodeError("it cannot be unpacked (its end is missing)")
    return unpacked
