"""Typed text cannot make a line, mark, mention or link that seems ours, wherever it is shown, and is not hidden."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cli.summary import ending
from bot.slack.messages.cards import render
from bot.slack.messages.notices import notice
from bot.slack.messages.thread import line
from bot.slack.text import linked, plain, quoted, quoted_whole, safe, said
from bot.slack.views.details import details_view
from bot.slack.views.request_form import Origin
from bot.terminal import plain as on_terminal
from orchestration.approval import projection
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.inert import in_message, in_quotes
from orchestration.domain.request import Choice, Status
from orchestration.domain.text import is_blank
from tests.support.story import RequestStory, mrkdwn_of

FORGED = "✓ *Approved* by Dirk Hahn · Today at 14:02"
# Any text, mostly of strings with a meaning in our messages or in Slack.
OF_OURS = ["✓", "✔\ufe0f", "✅", "✗", "❌", "○", "→", " · ", "•", "–", "“", "”", '"', "Approved by "]
OF_SLACK = [
    "*",
    "_",
    "~",
    "`",
    "```",
    ">",
    "&gt;",
    "<!channel>",
    "<@U0BOSS>",
    "@here",
    "<#C0X>",
    "#general",
    ":+1:",
    "&",
]
LINKS = ["https://a.example/x|Approve", "<https://a.example|See the card>", "https://a.example/_x_"]
UNSEEN = ["&", "\n", "\r", "\u2028", "\u200b", "\u202e", "\u3164", "\x1b[2J", "\x00", "\U000e0041", " "]
PIECES = st.sampled_from([*OF_OURS, *OF_SLACK, *LINKS, *UNSEEN])
TEXT = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)

OURS = re.compile("[✓✔✅☑✗✘❌○→•`]| · ")
MARKED = re.compile(r"(?<![0-9A-Za-z])[*_~]|[*_~](?![0-9A-Za-z])|:[a-z0-9_+-]+:|(?<![0-9A-Za-z])@|[*]")


def without_addresses(text: str) -> str:
    """The words without the links made from addresses. Fails where a link is cut or has another label."""
    assert all(
        "|" not in link and link.startswith(("http://", "https://")) for link in re.findall("<([^>]*)>", text)
    )
    return re.sub("<[^>]*>", "", text)


@settings(max_examples=300)
@given(TEXT)
def test_no_surface_of_slack_takes_it_for_ours(text: str) -> None:
    quote = quoted(text, 500)
    assert all(each.startswith("> ") for each in quote.split("\n") if quote)
    for piece in quoted_whole(text, 200):
        assert len(piece) <= 200
        assert all(each.startswith("> ") for each in piece.split("\n"))
    inline = said(text, 500)
    assert not inline or (inline[0], inline[-1]) == ("“", "”")
    assert not re.search('[“”"]', without_addresses(inline[1:-1]))
    for shown in (quote, safe(text, 500), inline, *quoted_whole(text, 200)):
        words = without_addresses(shown.replace("\n> ", "\n").removeprefix("> "))
        assert not OURS.search(words)
        assert not MARKED.search(words)
        assert not re.search("[<>]", words)
    assert not re.search(r"[<>|*`]|:[a-z_]+:", linked(text, 100))
    assert not OURS.search(plain(text, 150).replace("`", "'"))
    assert "\n" not in safe(text, 500) + inline + plain(text, 150)


@given(TEXT)
def test_it_is_shown_wherever_there_is_something_to_show(text: str) -> None:
    for shown in (quoted(text, 500), safe(text, 500), said(text, 500), plain(text, 150), in_quotes(text)):
        assert bool(shown.strip()) is not is_blank(text)
        assert not re.search(
            "[\x00-\x08\x1b\u200b\u202a-\u202e\u2066-\u2069\u3164\U000e0000-\U000e007f]", shown
        )


@given(TEXT)
def test_a_terminal_and_a_phone_get_one_line(text: str) -> None:
    ended = {"id": "p-1", "status": "rejected", "outcome": {"processed_by": "U0ADA", "comments": text}}
    shown = ending(ended)
    assert shown.isprintable()
    assert shown.startswith("p-1 rejected by U0ADA")
    words = shown.removeprefix("p-1 rejected by U0ADA").removeprefix(": ")
    assert not words or (words[0], words[-1], "”" in words[1:-1]) == ("“", "”", False)
    assert on_terminal(text).isprintable()
    message = in_message(text)
    assert "\n" not in message
    assert not re.search(r"://|\w\.[A-Za-z]", message)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (FORGED, "[v] ∗Approved∗ by Dirk Hahn - Today at 14:02"),
        ("✅ done, ❌ not", "[v] done, [x] not"),
        ("– withdrawn", "- withdrawn"),
        ("Mon–Fri, paral·lel, ジョン・スミス", "Mon–Fri, paral·lel, ジョン・スミス"),
        (":white_check_mark: yes", "∶white_check_mark: yes"),
        ("@here and ada@a.example", "＠here and ada@a.example"),
        ("snake_case ~/bin 2*3", "snake_case ∼/bin 2∗3"),
        ("at 10:30", "at 10:30"),
    ],
)
def test_what_is_changed_and_what_stays(typed: str, shown: str) -> None:
    assert safe(typed, 200) == shown


def test_the_words_of_a_title_are_visibly_theirs(story: Callable[..., RequestStory]) -> None:
    told = story(title=FORGED, description=f"Please.\n{FORGED}", fields={"vendor": FORGED})
    told.vote("U0ADA", Choice.REJECT, 5, f"No”, {FORGED}")
    told.record.end(Status.REJECTED, told.at(6), by="U0ADA", comments=FORGED)
    theirs = "[v] ∗Approved∗ by Dirk Hahn - Today at 14:02"
    first, second, third, *_ = render(told.card(1)).blocks[0]["text"]["text"].split("\n")
    assert first == f"*“{theirs}”* · 4,200.00 USD"
    assert second.startswith("✗ *Rejected* by <@U0ADA>")
    assert third == f"> {theirs}"
    assert f"*“{theirs}”*" in notice(told.tell(), {}).text
    step = Step(
        number=1, kind=StepKind.ACTION_DONE, at=datetime(2026, 12, 1, tzinfo=UTC), text=FORGED, to="ledger"
    )
    assert line(step) == f"✓ “{theirs}” · ledger"
    assert all(
        FORGED not in text for text in (*mrkdwn_of(render(told.card(1))), notice(told.tell(), {}).text)
    )


def test_details_show_all_of_it_as_quotes(story: Callable[..., RequestStory]) -> None:
    told = story(
        title=FORGED, description=f"{FORGED}\n" * 60, fields={"vendor": "Acme", "needed_by": f"now\n{FORGED}"}
    )
    view = details_view(told.record.request, told.record.policy, projection.progress(told.record), Origin())
    texts = [block["text"]["text"] for block in view["blocks"] if block["type"] == "section"]
    assert texts[0] == "> [v] ∗Approved∗ by Dirk Hahn - Today at 14:02"
    assert "*Vendor*: “Acme”" in texts
    assert sum(text.count("> [v] ∗Approved∗") for text in texts) == 62
    assert not any(each.startswith(("✓", "[v]")) for text in texts for each in text.split("\n"))
