"""A fault in a policy file has its exact line, and words that say what to write."""

from __future__ import annotations

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.errors import PolicyError
from orchestration.domain.toml_lines import lines_of

TEXT = """\
title = '''
[policies.not]
it's = "no key"'''  # [nor.this]
[ "a" . b ]
"c.d" = [
    { e = 1, f = [2,
      3] },  # ]
    "]",
]
g.h = "#"

[[list]]
[[list.below]]
[[list]]
[[list.below]]
key = ''
[[list.below]]
key = \"\"\"a \\\"\"\"\" b\"\"\"
last = true
"""
POLICY = """\
[policies.deploy]
title = "Deploy"
channel = "C0DEPLOYS"
fields = [
    { name = "service" },
    { name = "host", requried = true },
]

[[policies.deploy.levels]]
name = "On call"
approvers = ["U0ADA"]
timeout = "30m"

[policies.other]
title = "Other"
channel = "C0OTHER"
levels = [
    { name = "One", approvers = ["U0ADA"], timeout = "1h" },
    { name = "Two", approvers = ["U0BOB"], timeout = "1h", remind_every = "2h" },
]
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), 1),
        (("a",), 4),
        (("a", "b", "c.d", 0, "f", 1), 7),
        (("a", "b", "c.d", 1), 8),
        (("a", "b", "g", "h"), 10),
        (("list", 1, "below", 0, "key"), 16),
        (("list", 1, "below", 1, "last"), 19),
        (("list", 0, "below", 0), 13),
    ],
)
def test_each_place_has_its_line(place: tuple[str | int, ...], line: int) -> None:
    found = lines_of(TEXT)
    assert found[place] == line
    assert not {("policies",), ("nor",)} & set(found)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "",
            "",
            "file:6: policies.deploy.fields.1.requried: there is no such key here; did you mean required?",
        ),
        ('"30m"', '"30m"\nquorum = 0', "file:13: policies.deploy.levels.0.quorum"),
        ('"30m"', '"30m"\nsms = "maybe"', "levels.0.sms: write true or false, without quotation marks"),
        ('"30m"', '"30m"\nreject_quorum = 51', "levels.0.reject_quorum: must be at most 50"),
        ('timeout = "30m"\n', "", "file:9: policies.deploy.levels.0.timeout: is missing"),
        ('["U0ADA"]\n', '"U0ADA"\n', 'levels.0.approvers: write a list, such as ["one", "two"]'),
        ('"30m"', '"30m"\non_timeout = "wait"', 'levels.0.on_timeout: write "'),
        (
            'name = "On call"',
            "name = 7",
            "file:10: policies.deploy.levels.0.name: write a text in quotation marks",
        ),
    ],
)
def test_a_fault_says_where_and_what_to_write(old: str, new: str, fault: str) -> None:
    with pytest.raises(PolicyError) as found:
        policy_file.parse(POLICY.replace(old, new, 1), "file", SlackIds())
    assert fault in str(found.value)


def test_a_reminder_after_the_end_is_a_fault() -> None:
    with pytest.raises(PolicyError) as found:
        policy_file.parse(POLICY.replace("requried", "required"), "file", SlackIds())
    assert str(found.value) == (
        "file:19: policies.other.levels.1.remind_every: is not less than timeout, so nobody would be reminded; "
        "write a shorter time, or leave it out."
    )
