"""Counts the segments of a text. Twilio bills by segment."""

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_ESCAPED = frozenset("^{}\\[~]|€\f")


def count_segments(body: str) -> int:
    """Return the number of segments of a text.

    One segment holds 160 characters of GSM-7, or 70 UTF-16 units of anything else; one of several holds 153 or 67.
    Source: https://www.twilio.com/docs/glossary/what-sms-character-limit
    """
    if all(char in _GSM7 or char in _GSM7_ESCAPED for char in body):
        # An escaped character takes two places, and both are in the same segment.
        widths, alone, joined = [1 + (char in _GSM7_ESCAPED) for char in body], 160, 153
    else:
        widths, alone, joined = [len(char.encode("utf-16-le")) // 2 for char in body], 70, 67
    if sum(widths) <= alone:
        return 1
    segments, room = 1, joined
    for width in widths:
        if width > room:
            segments, room = segments + 1, joined
        room -= width
    return segments
