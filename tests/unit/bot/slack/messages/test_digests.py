"""The digest of automatic approvals in a channel."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bot.slack.messages.digests import digest
from orchestration.digest import tally
from orchestration.domain.digests import DigestLine, PostDigestInput
from orchestration.domain.request import Identity

AT = datetime(2026, 11, 27, 10, 4, tzinfo=UTC)


def line(
    number: int, title: str, amount: int | None, currency: str = "USD", by: str = "U0RITA"
) -> DigestLine:
    return DigestLine(
        request_id=f"purchase-{number}",
        identity=Identity(nonce="n" * 22, digest="0" * 64),
        policy_title="Purchase",
        title=title,
        requester=by,
        amount=None if amount is None else Decimal(amount),
        currency=None if amount is None else currency,
    )


def drawn(*lines: DigestLine, **more: Any) -> list[str]:
    """The texts of the message, block by block."""
    summary = tally.begun(AT)
    for one in lines:
        summary = tally.counted(summary, one)
    given = PostDigestInput(
        digest_id="d", channel="C0PURCHASES", place="C0PURCHASES", summary=summary, attempt=1, **more
    )
    shown = digest(given).blocks
    return [one["text"]["text"] if "text" in one else one["elements"][0]["text"] for one in shown]


def test_it_says_how_many_the_sum_the_largest_and_who_and_lists_the_largest_first() -> None:
    head, *rows = drawn(
        line(1, "Cables", 80),
        line(2, "Chairs", 700),
        line(3, "A talk", None, by="U0ADA"),
        line(4, "Desk", 200),
    )
    since, who = head.split("\n")
    assert since.startswith("✓ 4 approved by rule since <!date^")
    assert since.endswith(": 980.00 USD in all · the largest 700.00 USD by <@U0RITA>")
    assert who == "Asked for by <@U0RITA> (3), <@U0ADA> (1)."
    assert rows == [
        "“Chairs” · 700.00 USD · Purchase · <@U0RITA>",
        "“Desk” · 200.00 USD · Purchase · <@U0RITA>",
        "“Cables” · 80.00 USD · Purchase · <@U0RITA>",
        "“A talk” · Purchase · <@U0ADA>",
    ]


def test_each_currency_has_its_sum_and_its_largest() -> None:
    head, *_ = drawn(*(line(n, "x", n, currency) for n in (1, 2) for currency in ("USD", "EUR")))
    assert (
        "3.00 USD in all · 3.00 EUR in all · the largest 2.00 EUR by <@U0RITA> · the largest 2.00 USD" in head
    )


def test_what_is_not_named_is_counted() -> None:
    *_, last = drawn(*(line(n, "x", n) for n in range(40)))
    assert last == "… and 30 more"


def test_what_people_typed_stays_theirs() -> None:
    _, row = drawn(line(1, "x” · <!channel> ✓ *approved*", 5))
    assert row == "“x' - &lt;!channel&gt; [v] ∗approved∗” · 5.00 USD · Purchase · <@U0RITA>"


def test_the_owner_reads_why_it_is_not_in_its_channel() -> None:
    head, _ = drawn(line(1, "x", 5), problem="The channel is archived.")
    assert head.startswith(
        "✗ This is the digest of <#C0PURCHASES>, where it could not be posted: The channel is archived.\n✓ 1 app"
    )


def test_nobody_is_said_to_have_asked_whom_another_program_only_names() -> None:
    forged = line(2, "Chairs", 700).model_copy(update={"asked_without_seal": True})
    head, first, second = drawn(line(1, "Cables", 80), forged)
    assert "the largest 700.00 USD by <@U0RITA> (so another program says; nobody checked who asks)" in head
    assert head.endswith("<@U0RITA> (1), other programs (1; nobody checked in whose name).")
    assert first.endswith("<@U0RITA> (so another program says; nobody checked who asks)")
    assert second.endswith("Purchase · <@U0RITA>")
