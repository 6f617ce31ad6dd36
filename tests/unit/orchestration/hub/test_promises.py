"""The page of promises names tests that exist, and every long proof."""

import ast
import re
from pathlib import Path

from tests.support import ROOT

TESTS = ROOT / "tests/integration/orchestration/hub"
PAGE = (ROOT / "orchestration/hub/README.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")  # from TESTS: a file, or file::name


def names_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def rows_of_promises() -> list[str]:
    table = re.search(r"## Promises\n+((?:\|.*\n)+)", PAGE)
    assert table is not None
    return table[1].splitlines()[2:]


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall("\n".join(rows_of_promises()))
    assert len(named) > 30
    written = sum(1 + bool(test) for _, test in named)
    assert written == len(re.findall(r"\btest_", PAGE)), "each is written as a file, or as file::name"
    for file, test in named:
        assert names_in(TESTS / file) >= ({test} if test else set()), f"{file}::{test}"


def test_every_row_of_promises_names_a_test() -> None:
    assert [row for row in rows_of_promises() if not NAMED.search(row)] == []


def test_every_proof_is_on_the_page() -> None:
    for file in TESTS.rglob("test_*.py"):
        if "COUNTERSIGN_PROOF" in file.read_text(encoding="utf-8"):
            assert f"`{file.relative_to(TESTS)}" in PAGE
