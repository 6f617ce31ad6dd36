"""Amounts as text, and which words are currencies."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestration.domain.money import format_amount, is_currency


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("4200", "USD", "4,200.00 USD"),
        ("0.5", "EUR", "0.50 EUR"),
        ("4200", "JPY", "4,200 JPY"),
        ("4200.5", "JPY", "4,200.50 JPY"),
        ("1.25", "KWD", "1.250 KWD"),
        ("9999999999999.99", "EUR", "9,999,999,999,999.99 EUR"),
        ("12", "XQZ", "12.00 XQZ"),
        ("4200", None, "4,200.00"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount: str, currency: str | None, text: str) -> None:
    assert format_amount(Decimal(amount), currency) == text


@pytest.mark.parametrize("code", ["USD", "EUR", "JPY", "XAF", "VES", "VED", "ZWG", "BGN", "XCG"])
def test_codes_in_use_are_currencies(code: str) -> None:
    assert is_currency(code)


@pytest.mark.parametrize("word", ["usd", "DEM", "SSD", "NEW", "PCS", ""])
def test_other_words_are_no_currencies(word: str) -> None:
    assert not is_currency(word)
