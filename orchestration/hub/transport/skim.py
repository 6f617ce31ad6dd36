"""Reads a message that is too long to be held: keeps its short fields, and discards the long ones.

A protobuf message is a row of fields: a tag, then a number, or a length and as many bytes. So the ID or the token in a
long message can be read without its long payloads.
"""

from typing import Final

# The most bytes of a field that is kept, and how many fields of one number are kept.
_SHORT: Final = 1024
_OF_A_NUMBER: Final = 8
# The most field numbers of which fields are kept. No message of the protocol has as many.
_NUMBERS: Final = 64
_VARINT, _WITH_LENGTH = 0, 2
# Kinds of fields that always have one length, their length.
_FIXED: Final = {1: 8, 5: 4}
_LONGEST_VARINT: Final = 10


class Skim:
    """Takes a protobuf message in pieces; `kept` is the message without its long fields.

    It is read up to the first byte that is no protobuf. With `only`, nothing but fields of this number is kept.
    """

    def __init__(self, only: int | None = None) -> None:
        self._only = only
        self.kept = bytearray()
        self._count: dict[int, int] = {}
        self._unread = bytearray()
        self._skipping = 0
        # Whether the bytes that were read last are not protobuf, and whether they have not arrived whole.
        self._broken = self._is_cut = False

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the message."""
        if self._broken:
            return
        if self._skipping:
            skipped = min(self._skipping, len(piece))
            self._skipping -= skipped
            piece = piece[skipped:]
        self._unread += piece
        at = 0
        while (end := self._field(at)) is not None:
            at = end
        del self._unread[:at]

    def _field(self, at: int) -> int | None:
        """Take the field that begins there; returns its end, or None where it has not arrived, or is none."""
        number, after_tag = self._varint(at)
        kind = number & 7
        end = after_tag + _FIXED.get(kind, 0)
        if kind == _WITH_LENGTH:
            length, begin = self._varint(after_tag)
            end = begin + length
            if length > _SHORT and not self._is_cut:
                self._skipping = max(0, end - len(self._unread))
                return min(end, len(self._unread))
        elif kind == _VARINT:
            _, end = self._varint(after_tag)
        elif kind not in _FIXED:
            self._broken = True
        if self._broken or self._is_cut or end > len(self._unread):
            self._is_cut = False
            return None
        count = self._count.get(number >> 3, 0)
        wanted = self._only in {None, number >> 3}
        if wanted and count < _OF_A_NUMBER and (count or len(self._count) < _NUMBERS):
            self._count[number >> 3] = count + 1
            self.kept += self._unread[at:end]
        return end

    def _varint(self, at: int) -> tuple[int, int]:
        """The number that begins there, and its end. Where it has not arrived, or is none, it is noted."""
        number = 0
        for place, byte in enumerate(self._unread[at : at + _LONGEST_VARINT]):
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number, at + place + 1
        self._broken = len(self._unread) >= at + _LONGEST_VARINT
        self._is_cut = True
        return 0, at
