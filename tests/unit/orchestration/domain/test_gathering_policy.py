"""The policies of gatherings in a file: what is read, and that every fault has its line, its place and words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.errors import PolicyError
from orchestration.domain.policy_book import PolicyBook
from tests.support.world import policies

GOOD = """\
[policies.poll]
kind = "gathering"
title = "Poll"
channel = "C0GENERAL"
timeout = "1d"
fields = [{ name = "answer", required = true }]
[policies.poll.sources.ada]
person = "U0ADA"
[policies.poll.sources.scanner]
event = "ScanFinished"
"""


def read(text: str) -> PolicyBook:
    return policy_file.parse(text, "p.toml", SlackIds())


def test_both_kinds_stand_in_one_file() -> None:
    book = read(policies("gathering"))
    assert list(book.policies) == ["purchase"]
    assert book.names() == ["audit", "poll", "purchase", "readiness"]
    readiness = book.gatherings["readiness"]
    assert readiness.timeout == timedelta(days=2)
    assert readiness.people() == ["U0ADA", "U0FAY"]
    assert readiness.title_of("security") == "Security team"
    assert [field.name for field in readiness.fields_of("scanner")] == ["findings"]
    assert readiness.source_of_event("ScanFinished") == "scanner"


def test_a_file_may_have_nothing_but_gatherings() -> None:
    assert not read(GOOD).policies


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            'kind = "gathering"',
            'kind = "gather"',
            2,
            'policies.poll.kind: write "gathering", or leave it out',
        ),
        ('timeout = "1d"', "", 1, "policies.poll.timeout: is missing"),
        ('person = "U0ADA"', "", 7, "policies.poll.sources.ada: a source has either person"),
        ('person = "U0ADA"', 'person = "C0X"', 8, "policies.poll.sources.ada.person"),
        ('person = "U0ADA"', 'event = "ScanFinished"', 1, "two sources have the same event"),
        ('event = "ScanFinished"', 'event = "ApprovalDecision"', 9, "is one of Countersign's own events"),
        ('person = "U0ADA"', 'person = "U0ADA"\npost = "https://x.example"', 7, "post asks a system"),
        ('channel = "C0GENERAL"', 'channel = "C0GENERAL"\nlevels = []', 5, "there is no such key here"),
        ('[{ name = "answer", required = true }]', "[]", 6, "at least 1 entry"),
        (
            '[{ name = "answer", required = true }]',
            '[{ name = "a" }, { name = "a" }]',
            1,
            "the field a is listed twice",
        ),
        ("[policies.poll]", "[policies.gathering]", 1, "what Countersign calls one of its own workflows"),
        ('timeout = "1d"', 'timeout = "1d"\nremind_every = "1s"', 1, "remind_every is at least a minute"),
        (
            'timeout = "1d"',
            'timeout = "1d"\nremind_every = "2d"',
            6,
            "remind_every: is not less than timeout",
        ),
        (
            'timeout = "1d"',
            'timeout = "1d"\nescalation = { channel = "C0E", after = "1d" }',
            1,
            "escalation.after is at least a minute, and sooner than timeout",
        ),
        ('timeout = "1d"', 'timeout = "1d"\ndelegates = ["S0G"]', 6, "policies.poll.delegates"),
    ],
)
def test_a_fault_names_its_line_and_its_place(old: str, new: str, line: int, words: str) -> None:
    text = GOOD.replace(old, new)
    if "policies.gathering]" in new:
        text = text.replace("policies.poll.", "policies.gathering.")
    with pytest.raises(PolicyError) as caught:
        read(text)
    found = [one for one in str(caught.value).splitlines() if words in one]
    assert found, str(caught.value)
    assert found[0].startswith(f"p.toml:{line}: ")


def test_whoever_is_revoked_is_not_waited_for() -> None:
    with pytest.raises(PolicyError, match=r"policies\.poll asks U0ADA, who is revoked"):
        read(GOOD + "[people.U0ADA]\nrevoked = true\n")


def test_the_place_where_they_are_kept_is_no_table_of_the_file() -> None:
    with pytest.raises(PolicyError, match=r"gatherings: .*write such a policy as \[policies.NAME\]"):
        read(GOOD + "[gatherings.x]\ntitle = 'x'\n")
