"""Reads amounts as people write them. An ambiguous amount is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.money import is_currency

# Digits plain or in threes by commas, a point before one or two decimals, and a currency after it.
_AMOUNT: Final = re.compile(
    r"^(?P<figure>\d{1,13}|\d{1,3}(?:,\d{3}){1,4})(?P<cents>\.\d{1,2})? ?(?P<currency>[A-Za-z]{3})?$",
    re.ASCII,
)
_LIKE: Final = re.compile(r"^[-+]?[€$£¥₹]?[-+]?\d[\d.,'’]*(?:[kKmM€$£¥₹]|[A-Za-z]{3})?$")
_LETTERS: Final = re.compile(r"[A-Za-z]{3}$")


def looks_like_amount(word: str) -> bool:
    """Whether a word was meant as an amount, well written or not: `4200`, `4.2k`, `€4.200,00`; not `2nd`."""
    if not _LIKE.match(word):
        return False
    letters = _LETTERS.search(word)
    return letters is None or is_currency(letters[0].upper())


def read_amount(text: str, currency: str) -> Decimal:
    """`4200`, `4,200.00`, `4200.50 USD` → the amount in `currency`. Raises `InvalidRequestError`: what to write."""
    found = _AMOUNT.match(" ".join(text.split()))
    if found is None:
        raise InvalidRequestError(
            f"“{text.strip()[:30]}” could be read in more than one way. "
            f"Please write the amount as 4200, 4,200.00 or 4200.50 {currency}.",
            field="amount",
        )
    named = found["currency"]
    if named and named.upper() != currency:
        raise InvalidRequestError(
            f"This policy is in {currency}, not {named.upper()}. Please give the amount in {currency}.",
            field="amount",
        )
    return Decimal(found["figure"].replace(",", "") + (found["cents"] or ""))
