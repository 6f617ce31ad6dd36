"""Which policies may have grants, and which arguments of a call may vary."""

from __future__ import annotations

from typing import Any

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain.errors import PolicyError
from orchestration.domain.grants import apart
from orchestration.domain.policy_file import parse

GRANTS = '[policies.a.grants]\nlongest = "1h"\nmost_uses = 5\n[[policies.a.grants.calls]]\ntool = "Edit"\n'


def read(level: str = "", grants: str = GRANTS, more: str = "", calls: str = "") -> Any:
    text = f"""
[policies.a]
title = "Agents"
channel = "C0A"
[[policies.a.levels]]
name = "One"
approvers = ["U0ADA", "U0FAY"]
timeout = "1h"
{level}
{more}
{grants}{calls}
"""
    return parse(text, "file", SlackIds()).policies["a"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"level": "quorum = 2"}, "quorum = 1 alone"),
        ({"level": 'quorum = "all"'}, "quorum = 1 alone"),
        ({"level": "at_least = 2"}, "quorum = 1 alone"),
        (
            {"more": '[[policies.a.levels]]\nname = "Two"\napprovers = ["U0SAM"]\ntimeout = "1h"'},
            "one level alone",
        ),
        ({"grants": GRANTS.replace('"1h"', '"25h"')}, "must be at most 1d"),
        ({"grants": GRANTS.replace("= 5", "= 101")}, "must be at most 100"),
        ({"grants": GRANTS.replace("= 5", "= 0")}, "must be at least 1"),
        ({"grants": GRANTS.replace('"Edit"', '"*"')}, "would fit every tool"),
        ({"grants": GRANTS.replace('"Edit"', "[]")}, "names no tool"),
        ({"grants": GRANTS.partition("[[")[0]}, "calls"),
        ({"calls": 'vary = ["file_path"]'}, "is no path of an argument"),
        ({"calls": 'vary = ["arguments.*"]'}, "by itself"),
        ({"calls": 'vary = ["arguments.env.*"]'}, "by itself"),
        ({"calls": 'vary = ["arguments."]'}, "is no path of an argument"),
        ({"calls": "varies = []"}, "varies"),
    ],
)
def test_what_would_let_one_person_grant_too_much_is_a_fault(how: dict[str, str], words: str) -> None:
    with pytest.raises(PolicyError, match=r"policies\.a") as fault:
        read(**how)
    assert words in str(fault.value)


def test_grants_are_in_the_digest_of_a_policy_and_none_change_none() -> None:
    assert read().digest() != read(calls='vary = ["arguments.path"]').digest()
    assert read().digest() != read(grants="").digest()


@pytest.mark.parametrize(
    ("arguments", "paths", "left", "varied"),
    [
        ({"a": "x", "b": 1}, ["a"], {"b": 1}, [("a", "a text")]),
        ({"a": {"b": 1.5, "c": 2}}, ["a.b"], {"a": {"c": 2}}, [("a.b", "a number")]),
        ({"a": True}, ["a", "a"], {}, [("a", "yes or no")]),
        ({"a": None}, ["a"], {"a": None}, []),
        ({"a": {"b": 1}}, ["a"], {"a": {"b": 1}}, []),
        ({"a": ["x"]}, ["a", "a.0"], {"a": ["x"]}, []),
        ({"a": "x"}, ["b", "a.b"], {"a": "x"}, []),
        ({"a.b": "x"}, ["a.b"], {"a.b": "x"}, []),
    ],
)
def test_only_a_text_a_number_or_a_yes_or_no_varies(
    arguments: dict[str, Any], paths: list[str], left: Any, varied: list[tuple[str, str]]
) -> None:
    before = repr(arguments)
    assert apart(arguments, paths) == (left, varied)
    assert repr(arguments) == before
