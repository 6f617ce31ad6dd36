"""Amounts of money as text, and the codes of currencies. Both come from the Unicode CLDR data that Babel carries."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from babel.core import get_global
from babel.numbers import (
    format_currency,
    get_currency_name,
    get_currency_precision,
    get_territory_currencies,
)

# Codes that went out of use lately are included: people still write them.
_IN_USE_SINCE: Final = date(2020, 1, 1)
_CODES: Final = frozenset(
    code
    for territory in get_global("territory_currencies")
    for code in get_territory_currencies(territory, _IN_USE_SINCE, date.max, tender=True, non_tender=True)
)
_NOUNS: Final = frozenset(
    get_currency_name(code, count, locale="en").split()[-1].lower() for code in _CODES for count in (1, 2)
)


def is_currency_noun(word: str) -> bool:
    """Whether the word is what a currency is called in English, such as `dollars` or `pound`."""
    return word.lower() in _NOUNS


def is_currency(word: str) -> bool:
    """Whether the word is a currency's ISO 4217 code, in capitals."""
    return word in _CODES


def format_amount(amount: Decimal, currency: str | None) -> str:
    """`4,200.00 USD`: thousands separated, the currency's number of decimals, or more if `amount` has more."""
    if currency is None:
        return f"{amount:,.2f}"
    digits = get_currency_precision(currency)
    if amount != round(amount, digits):
        digits = max(2, -int(amount.as_tuple().exponent))
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return format_currency(amount, currency, f"{pattern} ¤¤", locale="en", currency_digits=False)
