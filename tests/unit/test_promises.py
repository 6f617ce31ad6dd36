"""The page "What is promised" names tests that exist, and at least one in each row."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.support import ROOT

PAGE = (ROOT / "docs/explanation/promises.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")  # a path from the folder of tests: file or file::name


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_exists() -> None:
    for file, test in NAMED.findall(PAGE):
        assert names_in(file) >= ({test} if test else set()), f"{file}::{test}"


def test_each_promise_has_a_test_and_each_name_of_one_is_looked_up() -> None:
    tables = re.findall(r"\| promise \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE)
    promises = [row for table in tables for row in table.splitlines()]
    assert len(promises) > 30
    assert [row for row in promises if not NAMED.search(row)] == []
    written = sum(1 + bool(test) for _, test in NAMED.findall(PAGE))
    assert written == len(re.findall(r"\btest_", PAGE)), "each is written as a file, or as file::name"
