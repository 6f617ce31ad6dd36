"""Reads one amount as people write it, by the same rule for the form, the command, the API and other programs.

An amount is digits of one script, plain or in threes by commas, then perhaps a point and one or two decimals. A
currency may stand on either side. A text that could mean two amounts is refused, and the error names both; nothing is
guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from babel.numbers import get_currency_precision
from pydantic import BeforeValidator

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.money import format_amount, is_currency
from orchestration.domain.text import ascii_digits, line

_AMOUNT: Final = re.compile(
    r"^(?:(?P<before>[A-Za-z]{3}|[€₹₪₫₴₺₽₦]) ?)?"
    r"(?P<figure>\d{1,13}|\d{1,3}(?:,\d{3}){1,4})(?P<cents>\.\d{1,2})?"
    r"(?: ?(?P<after>[A-Za-z]{3}|[€₹₪₫₴₺₽₦]))?$",
    re.ASCII,
)
# The signs that only one currency uses. Several currencies share others, such as $, £ and ¥.
_SIGNS: Final = {
    "€": "EUR",
    "₹": "INR",
    "₪": "ILS",
    "₫": "VND",
    "₴": "UAH",
    "₺": "TRY",
    "₽": "RUB",
    "₦": "NGN",
}
_ARABIC_SEPARATORS: Final = str.maketrans({"\u066b": ".", "\u066c": ","})
_GROUPED: Final = re.compile(r"^(\d{1,3})((?:[ .,'’]\d{3})+)(?:[.,](\d{1,2}))?$")
_COMMA: Final = re.compile(r"^(\d+),(\d{1,2})$")
_THOUSANDS: Final = re.compile(r"^(\d{1,10}(?:\.\d{1,2})?) ?[kK]$")


@dataclass(frozen=True)
class Figure:
    """An amount as written: the number, and the currency where one is named."""

    number: Decimal
    currency: str | None


def folded(text: str) -> str:
    """The text with digits and signs in ASCII where they mean the same. A superscript or a fraction stays what it is.

    Digits of two scripts in one word stay too: a mixture is probably meant to deceive.
    """
    kept = line(text).translate(_ARABIC_SEPARATORS)
    scripts = {ord(c) - unicodedata.decimal(c) for c in kept if c.isdecimal()}
    if len(scripts) < 2:
        kept = ascii_digits(kept)
    return "".join(map(_plain, kept))


def _plain(character: str) -> str:
    if character.isascii() or unicodedata.category(character)[0] not in "LPSZ":
        return character
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() else character


def read_figure(text: str) -> Figure | None:
    """`4200`, `4,200.00`, `USD 4200.5` → number and currency; None where the text is no amount or an ambiguous one."""
    found = _AMOUNT.match(folded(text))
    if found is None:
        return None
    named = {_currency(found[side]) for side in ("before", "after") if found[side]}
    currency = named.pop() if named else None
    # Where a currency has three decimals, one comma before three digits may stand for a point.
    thousandths = currency is not None and _has_thousandths(currency)
    if named or (thousandths and _one_group(found)):
        return None
    return Figure(Decimal(found["figure"].replace(",", "") + (found["cents"] or "")), currency)


def read_amount(text: str, currency: str) -> Decimal:
    """The amount in `currency`. Raises `InvalidRequestError`, which says what to write."""
    found = read_figure(text)
    shown = line(text)[:30]
    if not any(map(str.isnumeric, shown)):
        raise InvalidRequestError(
            f"“{shown}” is no amount. Please write it as 4200, 4,200.00 or 4200.50 {currency}.",
            field="amount",
        )
    if (whole := _in_full(text)) is not None:
        raise InvalidRequestError(
            f"“{shown}” is short for {format_amount(whole, currency)}. Please write it in full, as {whole:f}.",
            field="amount",
        )
    if found is None or not _one_reading(found, text, currency):
        raise InvalidRequestError(
            f"“{shown}” could be read in more than one way. {_readings(text, currency)}"
            f"Please write the amount as 4200, 4,200.00 or 4200.50 {currency}.",
            field="amount",
        )
    if found.currency and found.currency != currency:
        raise InvalidRequestError(
            f"This policy is in {currency}, not {found.currency}. Please give the amount in {currency}.",
            field="amount",
        )
    return found.number


def _one_reading(found: Figure, text: str, currency: str) -> bool:
    """Whether the currency is known (or not named), and no comma could be a decimal point."""
    if found.currency not in {None, currency} and not is_currency(found.currency or ""):
        return False
    return not (_has_thousandths(currency) and re.match(r"^\D*\d{1,3},\d{3}\D*$", folded(text)))


def currency_apart(given: Any) -> Any:
    """Moves a currency written in `amount` to `currency`, in what a program sent, if the two do not conflict."""
    if not isinstance(given, Mapping) or not isinstance(given.get("amount"), str):
        return given
    found = read_figure(given["amount"])
    if found is None or found.currency is None or given.get("currency") not in {None, found.currency}:
        return given
    return {**given, "amount": str(found.number), "currency": found.currency}


def _number(value: object) -> object:
    """Validates a model's field: reads a text by the rule above, returns a number as it is."""
    if isinstance(value, bool):
        raise ValueError("an amount is a number")  # noqa: TRY004 - pydantic reports only these
    if not isinstance(value, str):
        return value
    found = read_figure(value)
    if (whole := _in_full(value)) is not None:
        raise ValueError(f"is short for {format_amount(whole, None)}. Write it in full, as {whole:f}")
    if found is None:
        raise ValueError(
            f"could be read in more than one way. {_readings(value, None)}Write it as 4200, 4,200.00 or 4200.50"
        )
    if found.currency is not None:
        raise ValueError(f"is in {found.currency}, and the request in another currency")
    return found.number


Number = Annotated[Decimal, BeforeValidator(_number)]


def _currency(word: str) -> str:
    return _SIGNS.get(word, word.upper())


def _has_thousandths(currency: str) -> bool:
    return is_currency(currency) and get_currency_precision(currency) > 2


def _one_group(found: re.Match[str]) -> bool:
    return found["figure"].count(",") == 1 and not found["cents"]


def _in_full(text: str) -> Decimal | None:
    """The number that `4.2k` stands for, for the error message only: a request has to give its amount in full."""
    short = _THOUSANDS.match(folded(text).strip())
    if short is None:
        return None
    whole = Decimal(short[1]) * 1000
    return whole.quantize(Decimal(1))


def _readings(text: str, currency: str | None) -> str:
    """`It could be 12,400.00 USD or 12.00 USD. `, where two can be named; "" else."""
    bare = re.sub(r"^\D+|[^\dkK]+$", "", folded(text))
    if grouped := _GROUPED.match(bare):
        whole = grouped[1] + re.sub(r"\D", "", grouped[2])
        cents = f".{grouped[3]}" if grouped[3] else ""
        apart = grouped[1] if " " in grouped[2] else f"{grouped[1]}.{grouped[2][1:3]}"
        both = [whole + cents, apart]
    elif comma := _COMMA.match(bare):
        both = [f"{comma[1]}.{comma[2]}", comma[1] + comma[2]]
    elif thousands := _THOUSANDS.match(bare):
        both = [str(Decimal(thousands[1]) * 1000), thousands[1]]
    else:
        return ""
    shown = " or ".join(format_amount(Decimal(number), currency) for number in both)
    return f"It could be {shown}. "
