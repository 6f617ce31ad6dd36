from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from bot.slack.text import bold, escape, mention, plain, quoted, safe, unescape, when, within
from orchestration.domain.money import format_amount


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("R&D <b>", "R&amp;D &lt;b&gt;"),
        (
            "<!channel> <@U0ADA> <#C0X> <!subteam^S0X>",
            "&lt;!channel&gt; &lt;＠U0ADA&gt; &lt;＃C0X&gt; &lt;!subteam^S0X&gt;",
        ),
        ("one\n✓ *Manager* · Ada\r\u2028two", "one [v] ∗Manager∗ - Ada two"),
        ("```code``` and `more", "'''code''' and 'more"),
        ("pay \u202e001 USD", "pay 001 USD"),
        ("bell\a null\0", "bell null"),
        ("see https://a.example/x?a=1&b=2.", "see <https://a.example/x?a=1&amp;b=2>."),
        ("https://a.example|Approve", "<https://a.example>|Approve"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("", ""),
    ],
)
def test_typed_text_mentions_nobody_and_stays_on_its_line(typed: str, shown: str) -> None:
    assert safe(typed, 200) == shown


def test_a_cut_minds_what_is_seen_and_what_is_sent() -> None:
    assert safe("abcdef", 3) == "abc…"
    assert safe("&&&&&&", 100, room=16) == "&amp;&amp;&amp;…"


def test_a_link_is_whole_or_not_there() -> None:
    """A link cut in the middle would lead somewhere else."""
    assert safe("see https://a.example/long", 12) == "see…"


def test_a_quote_marks_every_line() -> None:
    assert (
        quoted("one\n✓ Approved by Ada\n\n<!here>", 600)
        == "> one\n> [v] Approved by Ada\n> \n> &lt;!here&gt;"
    )


def test_a_quote_has_so_many_lines_and_no_more() -> None:
    assert quoted("\n".join("abcdefgh"), 600, lines=3) == "> a\n> b\n> c…"


@pytest.mark.parametrize("empty", ["", "  \n\t ", "\u202e\a"])
def test_nothing_to_quote_is_no_quote(empty: str) -> None:
    assert quoted(empty, 600) == ""


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("4200", "USD", "4,200.00 USD"),
        ("4200.5", "EUR", "4,200.50 EUR"),
        ("0", "USD", "0.00 USD"),
        ("9999999999999.99", "USD", "9,999,999,999,999.99 USD"),
        ("4200", "JPY", "4,200 JPY"),
        ("4200.50", "JPY", "4,200.50 JPY"),
        ("12", None, "12.00"),
    ],
)
def test_amounts(amount: str, currency: str | None, shown: str) -> None:
    assert format_amount(Decimal(amount), currency) == shown


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("U0ADA", "<@U0ADA>"),
        ("W0ADA", "<@W0ADA>"),
        ("S0MANAGERS", "<!subteam^S0MANAGERS>"),
        ("C0PURCHASES", "<#C0PURCHASES>"),
        ("U0ADA> <!channel", "U0ADA&gt; &lt;!channel"),
    ],
)
def test_only_ids_are_mentioned(principal: str, shown: str) -> None:
    assert mention(principal) == shown


def test_bold_is_left_off_where_it_would_come_out_wrong() -> None:
    assert bold("5 * 3") == "5 * 3"
    assert bold("laptops") == "*laptops*"
    assert bold("") == ""


def test_when() -> None:
    moment = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
    for zone in (UTC, timezone(timedelta(hours=9))):
        assert when(moment.astimezone(zone)) == (
            "<!date^1796117400^\u200b{date_short_pretty} {time}|2026-12-01 09:30 UTC>"
        )


def test_within_keeps_whole_pieces() -> None:
    assert within(["one", "two", "three"], ", ", 20) == "one, two, three"
    assert within(["one", "<@U0ADA>", "three"], ", ", 17) == "one, <@U0ADA>, …"


def test_plain() -> None:
    assert plain("a\nb & c", 10) == "a b & c"
    assert plain("abcdef", 4) == "abc…"


def test_escaping_can_be_undone() -> None:
    text = "a & b < c > d &amp; e"
    assert unescape(escape(text)) == text
