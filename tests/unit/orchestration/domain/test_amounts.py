"""The rule for amounts that the form, the command, the API and other programs share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestration.domain.amounts import read_amount
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.request import ApprovalRequest


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4200", "4200"),
        ("12,400", "12400"),
        ("USD 12400", "12400"),
        ("usd 4,200.50", "4200.50"),
        ("12400\u200b", "12400"),
        ("12\u206012", "1212"),
        ("٤٬٢٠٠٫٥٠", "4200.50"),
        ("４２００．５０", "4200.50"),
        ("४२००", "4200"),
    ],
)
def test_what_says_one_thing(text: str, amount: str) -> None:
    assert read_amount(text, "USD") == Decimal(amount)
    assert ApprovalRequest.model_validate(body(text)).amount == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "12 400",
        "1.234,56",
        "4.200",
        "12k",
        "-5",
        "12400-",
        "+5",
        "1/2",
        "½",
        "10²",
        "1٢",
        "$12",
        "1e3",
        "1_000",
        "0x1F",
        "12 USD 3",
        "NaN",
    ],
)
def test_what_says_two_things_is_refused_at_every_door(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_amount(text, "USD")
    with pytest.raises(ValidationError):
        ApprovalRequest.model_validate(body(text))


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("12 400", "It could be 12,400.00 USD or 12.00 USD."),
        ("1.234,56", "It could be 1,234.56 USD or 1.23 USD."),
        ("4.200", "It could be 4,200.00 USD or 4.20 USD."),
        ("4,20", "It could be 4.20 USD or 420.00 USD."),
        ("12k", "“12k” is short for 12,000.00 USD. Please write it in full, as 12000."),
        ("1.25 K", "is short for 1,250.00 USD. Please write it in full, as 1250."),
    ],
)
def test_the_refusal_has_both_readings(text: str, readings: str) -> None:
    with pytest.raises(InvalidRequestError, match=readings):
        read_amount(text, "USD")


def test_a_comma_may_be_a_point_where_a_currency_has_thousandths() -> None:
    for text in ("12,400", "12,400 KWD"):
        with pytest.raises(InvalidRequestError):
            read_amount(text, "KWD")
    assert read_amount("12,400.00", "KWD") == Decimal("12400.00")


def test_the_currency_of_an_amount_is_that_of_the_request() -> None:
    found = ApprovalRequest.model_validate(body("4200.50 USD"))
    assert (found.amount, found.currency) == (Decimal("4200.50"), "USD")
    assert found == ApprovalRequest.model_validate(body("4200.50", currency="USD"))
    with pytest.raises(ValidationError, match="is in EUR"):
        ApprovalRequest.model_validate(body("4200 EUR", currency="USD"))


@pytest.mark.parametrize(("amount", "number"), [(5, "5"), (5.25, "5.25"), (Decimal("5.2"), "5.2")])
def test_a_number_of_a_program_is_itself(amount: Any, number: str) -> None:
    assert ApprovalRequest.model_validate(body(amount)).amount == Decimal(number)


@given(st.text(st.sampled_from("0123456789.,'’ -+kKmM½²٣$€USDeurx/"), max_size=12))
def test_every_door_reads_the_same(text: str) -> None:
    """The form and a program get the same number, or both are refused."""
    try:
        read: Decimal | None = read_amount(text, "USD")
    except InvalidRequestError:
        read = None
    try:
        found = ApprovalRequest.model_validate(body(text))
        kept = found.amount if found.currency in {None, "USD"} else None
    except ValidationError:
        kept = None
    assert kept == read


def body(amount: Any, **more: Any) -> dict[str, Any]:
    return {"policy": "p", "title": "x", "requester": "U0RITA", "amount": amount, **more}
