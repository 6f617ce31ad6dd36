"""Amounts as people write them. What could mean two sums is refused: nobody approves a guess."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from orchestration.domain.errors import InvalidRequestError

# Digits plain or in threes by commas, a point before one or two decimals, and a currency after it.
_AMOUNT: Final = re.compile(
    r"^(?P<figure>\d{1,13}|\d{1,3}(?:,\d{3}){1,4})(?P<cents>\.\d{1,2})? ?(?P<currency>[A-Za-z]{3})?$",
    re.ASCII,
)
_LIKE: Final = re.compile(r"^[-+]?[€$£¥₹]?[-+]?\d[\d.,'’]*(?:[kKmM€$£¥₹]|[A-Za-z]{3})?$")
_LETTERS: Final = re.compile(r"[A-Za-z]{3}$")

# The active codes of ISO 4217. "4200 EUR" names a currency; "4200 SSD" does not.
CURRENCIES: Final = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
    VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG""".split()  # noqa: SIM905 - 150 quoted words would be no list to read
)


def looks_like_amount(word: str) -> bool:
    """Whether a word was meant as an amount, well written or not: `4200`, `4.2k`, `€4.200,00`; not `2nd`."""
    if not _LIKE.match(word):
        return False
    letters = _LETTERS.search(word)
    return letters is None or is_currency(letters[0].upper())


def is_currency(word: str) -> bool:
    """Whether the word is a currency's code, in capitals."""
    return word in CURRENCIES


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
