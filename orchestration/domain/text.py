"""Normalises what people type. All input goes through it before anything is decided or digested.

It removes invisible characters (control, direction, tag and zero-width characters), so text that renders as nothing is
empty, and what is left is in Unicode form NFC. Doing it twice changes nothing. Each surface decides how to show the
text.

The invisible characters are listed here by code point, not taken from Python's Unicode tables. So a later Python, which
knows more characters, still reads a recorded text as it was digested.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator

# Directional marks, embeddings, overrides and isolates: they can make an amount read backwards.
DIRECTION: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# C0 and C1 but for the tab and the line ends.
CONTROL: Final = "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f"
# Tags repeat ASCII in characters that nobody sees.
TAGS: Final = "\U000e0000-\U000e007f"

_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Unicode's Default_Ignorable_Code_Point and the few more that show nothing, halves of characters, and no characters.
_NOTHING: Final = re.compile(
    f"[{CONTROL}{DIRECTION}{TAGS}"
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffc"
    "\ufdd0-\ufdef\ufffe\uffff\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0080-\U000e00ff"
    "\U000e01f0-\U000e0fff\ud800-\udfff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
# These are invisible but can change the characters beside them: they stay where they do.
_JOINER: Final = re.compile("[\u200c\u200d]")
_SELECTOR: Final = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_DEPENDS: Final = re.compile(f"{_JOINER.pattern}|{_SELECTOR.pattern}")
_SPACE: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_KEYCAP: Final = "\u20e3"
# The most combining marks on a letter: more than any script uses would cover the lines above.
MOST_MARKS: Final = 4
_DECEIVING: Final = f"{CONTROL}{DIRECTION}\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029\ud800-\udfff"
_HOSTILE: Final = re.compile(f"[{_DECEIVING}]")
_HOSTILE_LINE: Final = re.compile(f"[{_DECEIVING}\n\t]")
_CHANNEL_NUMBER: Final = re.compile(r"^(?:[a-z][a-z0-9_.-]*:)?(\+[0-9]{4,15})$")


def prose(text: str) -> str:
    """Text of several lines as it is kept: nothing invisible, every line end a newline, no space around it."""
    if text.isascii() and text.isprintable():
        return text.strip()
    while (made := _once(text)) != text:
        text = made
    return made.strip()


def line(text: str) -> str:
    """Text of one line as it is kept: as `prose`, with one space wherever there was space or a line end."""
    return " ".join(prose(text).split())


def is_blank(text: str) -> bool:
    """Whether it renders as nothing."""
    return not prose(text)


def keyword(text: str) -> str:
    """A word with a fixed meaning as it is compared: in NFKC, its digits ASCII, in lower case."""
    return line(ascii_digits(unicodedata.normalize("NFKC", line(text)))).casefold()


def ascii_digits(text: str) -> str:
    """Every decimal digit, of whichever script, as 0 to 9. A fraction or a superscript is no digit."""
    return "".join(c if c.isascii() or not c.isdecimal() else str(unicodedata.decimal(c)) for c in text)


def digits_alone(text: str) -> str:
    """The text without spaces and punctuation, its digits ASCII: a code as somebody typed it."""
    return "".join(c for c in ascii_digits(line(text)) if unicodedata.category(c)[0] not in "ZP")


def phone_number(text: str) -> str:
    """The E.164 number in what a carrier or a person wrote: `rcs:+1 202 555-0142` is `+12025550142`.

    What holds no such number is returned as `line` has it.
    """
    kept = line(text)
    found = _CHANNEL_NUMBER.match(re.sub(r"[\s().-]", "", keyword(kept)))
    return found[1] if found else kept


def hostile(text: str, *, one_line: bool = False) -> str | None:
    """The first character that can only deceive or disturb (control, direction, half a character), or None.

    Such characters are removed from the input of people, who may paste them. A program gets an error.
    """
    found = (_HOSTILE_LINE if one_line else _HOSTILE).search(text)
    return found[0] if found else None


def _once(text: str) -> str:
    shown = _NOTHING.sub("", _LINE_END.sub("\n", unicodedata.normalize("NFC", text)))
    shown = _SPACE.sub(" ", shown)
    if _DEPENDS.search(shown):
        shown = _without_idle(shown)
    return _few_marks(shown)


def _without_idle(text: str) -> str:
    """Without the joiners and selectors that have nothing beside them to change."""
    kept: list[str] = []
    for at, character in enumerate(text):
        before, after = kept[-1] if kept else "", text[at + 1 : at + 2]
        if _JOINER.match(character):
            if not (_joins(before) and _joins(after)):
                continue
        elif _SELECTOR.match(character) and not (_selectable(before) or (before and after == _KEYCAP)):
            continue
        kept.append(character)
    return "".join(kept)


def _joins(character: str) -> bool:
    """Whether a joiner may change this character: letters of scripts other than Latin, marks and emoji."""
    return (
        character > "\u024f" and unicodedata.category(character)[0] in "LMS" and not _JOINER.match(character)
    )


def _selectable(character: str) -> bool:
    """Whether a variation selector may follow this character."""
    return (
        character > "\x7f" and unicodedata.category(character)[0] in "LSPN" and not _DEPENDS.match(character)
    )


def _few_marks(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def scalar_text(value: object) -> object:
    """A number, true or false of JSON as the text that it was written as; anything else as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    if (
        isinstance(value, int) and value.bit_length() <= 1000
    ):  # Python refuses to write a number with thousands of digits
        return str(value)
    if isinstance(value, float):  # a number with too many digits is refused later, not rounded here
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return value


def _of_text(value: object) -> object:
    return prose(value) if isinstance(value, str) else value


def _of_line(value: object) -> object:
    return line(value) if isinstance(value, str) else value


# Types for the fields of models. Limits given with them apply to the normalised text.
Prose = Annotated[str, BeforeValidator(_of_text)]
Line = Annotated[str, BeforeValidator(_of_line)]
