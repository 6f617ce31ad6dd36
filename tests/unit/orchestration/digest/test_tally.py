"""What a digest counts, and which lines it keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from orchestration.digest import tally
from orchestration.domain.digests import DigestLine, DigestSummary
from orchestration.domain.request import Identity

AT = datetime(2026, 11, 27, 10, tzinfo=UTC)


def line(
    number: int, amount: str | None = None, currency: str | None = "USD", by: str = "U0RITA"
) -> DigestLine:
    return DigestLine(
        request_id=f"purchase-{number}",
        identity=Identity(nonce="n" * 22, digest="0" * 64),
        policy_title="Purchase",
        title=f"Thing {number}",
        requester=by,
        amount=None if amount is None else Decimal(amount),
        currency=None if amount is None else currency,
    )


def summed(*lines: DigestLine) -> DigestSummary:
    summary = tally.begun(AT)
    for one in lines:
        summary = tally.counted(summary, one)
    return summary


def test_sums_are_by_currency_and_what_has_no_amount_is_only_counted() -> None:
    found = summed(line(1, "10.50"), line(2, "4", "EUR"), line(3), line(4, "0.50", by="U0ADA"))
    assert found.count == 4
    assert [(one.currency, one.total, one.count) for one in found.totals] == [
        ("USD", Decimal("11.00"), 2),
        ("EUR", Decimal(4), 1),
    ]
    assert found.people == {"U0RITA": 3, "U0ADA": 1}


def test_the_largest_lines_stay_and_every_line_is_counted() -> None:
    amounts = [str(7 * number % 101) for number in range(100)]
    found = summed(*(line(number, amount) for number, amount in enumerate(amounts)))
    kept = sorted((one.amount for one in found.lines if one.amount is not None), reverse=True)
    assert kept == sorted(map(Decimal, amounts), reverse=True)[: tally.LINES_KEPT]
    assert (found.count, found.unlisted) == (100, 100 - tally.LINES_KEPT)
    assert found.totals[0].total == sum(map(Decimal, amounts))


def test_a_currency_with_small_numbers_keeps_its_place_among_larger_numbers() -> None:
    found = summed(line(0, "3", "EUR"), *(line(number, "5000", "JPY") for number in range(1, 40)))
    assert [one.request_id for one in found.lines if one.currency == "EUR"] == ["purchase-0"]


def test_of_equal_lines_the_earlier_stay() -> None:
    found = summed(*(line(number) for number in range(40)))
    assert [one.request_id for one in found.lines] == [f"purchase-{n}" for n in range(tally.LINES_KEPT)]


def test_a_summary_stays_small_whoever_asks_however_often() -> None:
    asked = (
        line(n, str(n), "USD", by=f"U{n:079}").model_copy(update={"title": "\N{SNOWMAN}" * 150})
        for n in range(2000)
    )
    found = summed(*asked)
    assert len(found.model_dump_json().encode()) < 20_000
    assert sum(found.people.values()) + found.others == found.count == 2000
