"""What a digest counts, and which lines it keeps. Pure. Bounded, so that no line can make a summary too large."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from orchestration.domain.digests import DigestLine, DigestSummary, DigestTotal

# A line takes at most a kilobyte, and the whole state is written with each turn.
LINES_KEPT: Final = 10
PEOPLE_KEPT: Final = 50
TOTALS_KEPT: Final = 200  # there are fewer currencies than this


def begun(at: datetime) -> DigestSummary:
    """An empty summary that begins at this time."""
    return DigestSummary(since=at)


def counted(summary: DigestSummary, line: DigestLine) -> DigestSummary:
    """The summary with this line counted. The lines with the largest amounts are kept; of equal ones the earlier."""
    return summary.model_copy(
        update={
            "count": summary.count + 1,
            "totals": _totals(summary.totals, line),
            "lines": _lines(summary.lines, line),
            "owner": line.owner or summary.owner,
            **_people(summary, line),
        }
    )


def _totals(totals: list[DigestTotal], line: DigestLine) -> list[DigestTotal]:
    if line.amount is None:
        return totals
    by_currency = {one.currency: one for one in totals}
    known = by_currency.get(line.currency) or DigestTotal(currency=line.currency, total=Decimal(0), count=0)
    if line.currency not in by_currency and len(totals) >= TOTALS_KEPT:
        return totals
    by_currency[line.currency] = known.model_copy(
        update={"total": known.total + line.amount, "count": known.count + 1}
    )
    return list(by_currency.values())


def _people(summary: DigestSummary, line: DigestLine) -> dict[str, object]:
    """The changed counts by requester.

    A person who is only named by another program, without a seal, is not counted.
    """
    if line.asked_without_seal:
        return {"unchecked": summary.unchecked + 1}
    people, requester = summary.people, line.requester
    if requester in people or len(people) < PEOPLE_KEPT:
        return {"people": {**people, requester: people.get(requester, 0) + 1}}
    return {"others": summary.others + 1}


def _lines(lines: list[DigestLine], line: DigestLine) -> list[DigestLine]:
    """The lines to keep.

    Amounts in different currencies cannot be compared, so each currency keeps its share of places.
    """
    kept = [*lines, line]
    if len(kept) <= LINES_KEPT:
        return kept
    groups: dict[str | None, list[int]] = {}
    for at, one in enumerate(kept):
        groups.setdefault(one.currency if one.amount is not None else None, []).append(at)
    # The largest group loses its line with the smallest amount; of equal ones the newest.
    fullest = max(groups.values(), key=len)
    leaves = min(fullest, key=lambda at: (kept[at].amount or Decimal(0), -at))
    return [one for at, one in enumerate(kept) if at != leaves]
