from datetime import date

import pytest

from bot.slack.input.away import read_away, told
from bot.slack.input.grammar import AskAtOnce, Explain, Fill, Subcommand, explanation, parse
from bot.slack.text import typed
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.policy import Policy
from orchestration.domain.policy_book import Outlook

TODAY = date(2026, 12, 1)


@pytest.mark.parametrize(
    "text",
    [
        "until 2026-12-24 from 2026-12-20 delegate <@U0BOB|bob>",
        "delegate <@U0BOB> From 2026-12-20 UNTIL 2026-12-24",
    ],
)
def test_an_absence_in_any_order(text: str) -> None:
    entry = read_away(text.split(), person="U0ADA", today=TODAY)
    assert entry == PersonEntry(
        delegate="U0BOB", away=Away(since=date(2026, 12, 20), until=date(2026, 12, 24))
    )
    said = told(entry, Outlook())
    assert said.startswith(
        "From 2026-12-20 to 2026-12-24 (UTC), <@U0BOB> is asked in your place where a policy"
    )
    assert "not through a user group." in said


def test_it_begins_today_where_nothing_else_is_said() -> None:
    entry = read_away(["until", "2026-12-01", "delegate", "<@U0BOB>"], person="U0ADA", today=TODAY)
    assert entry.away == Away(since=TODAY, until=TODAY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Please say until when, and who decides for you"),
        ("until 2026-12-24", "who decides for you"),
        ("until tomorrow delegate <@U0BOB>", "“tomorrow” is no date"),
        ("until 2026-11-30 delegate <@U0BOB>", "2026-11-30 is over"),
        ("until 2026-12-24 from 2026-12-25 delegate <@U0BOB>", "2026-12-24 is before 2026-12-25"),
        ("until 2026-12-24 until 2026-12-25 delegate <@U0BOB>", "“until” is not clear here"),
        ("until 2026-12-24 delegate", "“delegate” is not clear here"),
        ("holiday", "“holiday” is not clear here"),
        ("until 2026-12-24 delegate @bob", "I cannot tell who “＠bob” is"),
        ("until 2026-12-24 delegate <!channel>", "I cannot tell who “&lt;!channel&gt;” is"),
        ("until 2026-12-24 delegate <@U0ADA|ada>", "You cannot be your own delegate"),
    ],
)
def test_what_is_not_clear_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        read_away(text.split(), person="U0ADA", today=TODAY)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "subcommand"),
    [
        (
            "away until 2026-12-24 delegate <@U0BOB|bob>",
            ("away", "until", "2026-12-24", "delegate", "<@U0BOB|bob>"),
        ),
        ("Back", ("back",)),
        ("cancel purchase-k7m2x9qd Not &amp; now", ("cancel", "purchase-k7m2x9qd", "Not", "&amp;", "now")),
        ("status purchase-k7m2x9qd", ("status", "purchase-k7m2x9qd")),
    ],
)
def test_subcommands_keep_what_slack_marked(
    policies: dict[str, Policy], text: str, subcommand: tuple[str, ...]
) -> None:
    assert parse(text, policies) == Subcommand(subcommand[0], subcommand[1:])


def test_a_policy_of_that_name_goes_first(policies: dict[str, Policy]) -> None:
    named = {**policies, "back": policies["purchase"].model_copy(update={"key": "back"})}
    assert isinstance(parse("back 10 Order", named), AskAtOnce)
    assert isinstance(parse("away", named), Subcommand)


def test_the_help_names_the_subcommands_and_nothing_technical(policies: dict[str, Policy]) -> None:
    shown = explanation(Explain(), policies)
    for word in ("`status ID", "`cancel ID", "`away until", "`back`"):
        assert word in shown


@pytest.mark.parametrize(
    ("sent", "was_typed"),
    [
        ("Chairs for <@U0ADA|ada> &amp; co", "Chairs for @ada & co"),
        ("see <#C0GENERAL|general>", "see #general"),
        ("<!subteam^S0MANAGERS|@managers> agreed", "@managers agreed"),
        ("<https://a.example/?q=1&amp;r=2> please", "https://a.example/?q=1&r=2 please"),
        ("<https://a.example|a.example>", "https://a.example"),
        ("&lt;@U0ADA|ada&gt;", "<@U0ADA|ada>"),
        ("a <b> c", "a <b> c"),
        ("<@U0ADA>", "@U0ADA"),
    ],
)
def test_a_title_is_what_was_typed(policies: dict[str, Policy], sent: str, was_typed: str) -> None:
    """With `should_escape` Slack marks people, channels and links in a command; a title gets them as typed."""
    assert typed(sent) == was_typed
    wish = parse(f"purchase {sent}", policies)
    assert isinstance(wish, (AskAtOnce, Fill))
    assert wish.draft.title == was_typed
