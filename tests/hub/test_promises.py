"""The page of promises names tests that exist, and every long proof."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "orchestration/hub/README.md").read_text(encoding="utf-8")


def names_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/\w+/test_\w+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 30
    assert len(named) == PAGE.count("`tests/"), "each is written as a file, or as file::name"
    for file, test in named:
        assert names_in(ROOT / file) >= ({test} if test else set()), f"{file}::{test}"


def test_every_row_of_promises_names_a_test() -> None:
    rows = re.search(r"## Promises\n+((?:\|.*\n)+)", PAGE)
    assert rows is not None
    assert [row for row in rows[1].splitlines()[2:] if "`tests/" not in row] == []


def test_every_proof_is_on_the_page() -> None:
    for file in (ROOT / "tests/hub").glob("test_*.py"):
        if "COUNTERSIGN_PROOF" in file.read_text(encoding="utf-8") and file != Path(__file__):
            assert f"tests/hub/{file.name}" in PAGE
