"""The arguments of a call: one form for equal values, another for different ones, and no secret shown."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.arguments import MASKED, canonical, digest, gist, masked, visible, written_out
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.text import prose


def keyed(text: str) -> str:
    return hashlib.sha256(b"key" + text.encode()).hexdigest()


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    value = {"b": [1.0, 1e21, 0.000001, -0.0], "a\u20ac": "\u20ac\n", "A": None, "1": True}
    assert canonical(value).decode() == ('{"1":true,"A":null,"a\u20ac":"\u20ac\\n","b":[1,1e+21,0.000001,0]}')


@pytest.mark.parametrize("value", [2**53, -(2**53), float("inf"), float("nan"), "\ud800", {1: 2}, object()])
def test_what_programs_read_differently_has_no_form(value: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        canonical({"x": value})
    assert refused.value.field == "arguments"


def test_what_is_masked_is_shown_nowhere_and_still_binds() -> None:
    arguments = {"env": {"KEY": "hunter2", "MODE": "fast"}, "list": [{"token": "a"}, {"token": "b", "n": 1}]}
    paths = ["env.KEY", "list.*.token", "not.there"]
    shown, bound = masked(arguments, paths, keyed)
    assert shown == {
        "env": {"KEY": MASKED, "MODE": "fast"},
        "list": [{"token": MASKED}, {"token": MASKED, "n": 1}],
    }
    assert "hunter2" not in str(bound)
    changed = {**arguments, "env": {"KEY": "hunter3", "MODE": "fast"}}
    others = [
        masked(changed, paths, keyed)[1],
        masked({**arguments, "env": {"KEY": MASKED, "MODE": "fast"}}, paths, keyed)[1],
        masked(shown, [], keyed)[1],
        masked(bound, paths, keyed)[1],
    ]
    assert digest(bound) not in {digest(other) for other in others}
    # That two arguments have the same value is not shown.
    same = masked({"a": "x", "b": "x"}, ["a", "b"], keyed)[1]
    assert same["a"] != same["b"]
    assert masked(arguments, [], keyed)[1] == arguments
    assert masked({"env": "text"}, ["env.KEY"], keyed)[0] == {"env": "text"}
    assert masked({"env": {"a": 1}}, ["env"], keyed)[0] == {"env": MASKED}


def test_a_command_comes_first_and_no_value_passes_for_another_argument() -> None:
    assert written_out({"timeout": 5, "command": "git push", "z y": [1, "a"], "b": "", "n": None}) == (
        'command: git push\nb: ""\nn: null\ntimeout: 5\n"z y":\n  | [\n  |   1,\n  |   "a"\n  | ]'
    )
    forged = written_out({"command": "ls\n\ntimeout: 1\ncommand: pwd", "timeout": 5})
    assert forged == "command:\n  | ls\n  | \n  | timeout: 1\n  | command: pwd\ntimeout: 5"
    assert written_out({"a": "5"}) != written_out({"a": 5})
    assert written_out({"a": "true"}) != written_out({"a": True})
    assert written_out({"a": "x "}) != written_out({"a": "x"})
    assert written_out({"a: 1\nb": 2}) == '"a: 1\\nb": 2'
    assert written_out({}) == "(no arguments)"


def test_an_edit_is_shown_as_the_lines_that_change() -> None:
    edit = {"file_path": "/a.py", "old_string": "a\nb\nc", "new_string": "a\nB\nc\n"}
    assert written_out(edit) == ("file_path: /a.py\nold_string and new_string, as a diff:\n a\n-b\n+B\n c\n+")
    forged = {"old_string": "x", "new_string": "y\nfile_path: /other"}
    assert written_out(forged).endswith("\n-x\n+y\n+file_path: /other")
    assert "as a diff" not in written_out({"old_string": 1, "new_string": "y"})
    # A diff of equal texts would have no line, and hide the text.
    assert written_out({"old_string": "rm x", "new_string": "rm x"}) == "new_string: rm x\nold_string: rm x"
    same = written_out({"old_string": "rm x\u200b", "new_string": "rm x\\u200b"})
    assert same == "new_string: rm x\\u200b\nold_string: rm x\\u200b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\u00a0b", "a\\u00a0b"),
        ("a\rb", "a\\u000db"),
        ("a\x1b[31mb", "a\\u001b[31mb"),
        ("\U000e0041", "\\U000e0041"),
        ("e\u0301", "e\\u0301"),
        ("\u212b", "\\u212b"),
        ("é ✓ → 😀 日本\t", "é ✓ → 😀 日本\t"),
    ],
)
def test_what_does_not_show_is_written_as_its_code_point(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4))
def test_the_normaliser_of_requests_changes_nothing_in_it(arguments: dict[str, str]) -> None:
    shown = written_out(arguments)
    assert prose(shown) == shown
    assert shown


def test_what_nobody_would_read_is_refused_before_it_takes_time() -> None:
    for arguments in (
        {"content": "x" * 10_001},
        {"a": {"b": ["x" * 5000, "y" * 5001]}},
        {"old_string": "x\n" * 5000, "new_string": "y\n" * 5000},
        {"list": list(range(5000))},
    ):
        with pytest.raises(InvalidRequestError, match="make it several calls"):
            written_out(arguments)


def test_the_gist_is_one_line() -> None:
    assert gist({"command": "git push", "path": "/x"}, 20) == "git push"
    assert gist({"command": "a\nb"}, 20) == "a…"
    assert gist({"command": "x" * 30}, 20) == "x" * 19 + "…"
    assert gist({"command": 5, "other": "x"}, 20) == ""
