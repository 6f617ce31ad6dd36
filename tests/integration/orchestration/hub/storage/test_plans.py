"""No statement that the hub runs while it serves reads a whole table, however large the file has grown."""

import re
import sqlite3
from collections.abc import Iterator

import pytest

from orchestration.hub.storage import file, sql

# At a start the hub reads what is unfinished, and the skips of its clock. An operator who accepts the machine's clock
# has everything that runs looked at.
AT_START = {"inbox_waking", "activity_all", "entity_waking", "skip_all", "turned_at_limit"}
# The hub's figures count all that has not ended, but so seldom that this takes at most 5 % of one processor.
NOW_AND_THEN = {"unfinished"}
STATEMENTS = {name: one for name, one in vars(sql.Q).items() if name not in AT_START | NOW_AND_THEN}
LISTS = {
    "what waits": "AND completed_at IS NULL AND status IN (SELECT value FROM json_each(:x))",
    "created since": "AND created_at >= :x",
    "prefix": "AND id >= :x AND id < :y",
}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    db = file.connect(tmp_path_factory.mktemp("plans") / "hub.db")
    yield db
    db.close()


def plan(db: sqlite3.Connection, statement: str) -> list[str]:
    values = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
    numbered = set(re.findall(r"\?\d+", statement))
    parameters = values or (1,) * (len(numbered) or statement.count("?"))
    return [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def scans(steps: list[str]) -> list[str]:
    """What reads a whole table. A statement without one of its own has a constant row."""
    harmless = ("json_each", "CONSTANT ROW")
    return [step for step in steps if step.startswith("SCAN") and not any(one in step for one in harmless)]


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_scans(db: sqlite3.Connection, name: str) -> None:
    assert scans(plan(db, STATEMENTS[name] % {"filters": ""})) == []


@pytest.mark.parametrize("clause", LISTS)
def test_no_list_scans(db: sqlite3.Connection, clause: str) -> None:
    steps = plan(db, sql.Q.list_instances % {"filters": LISTS[clause]})
    assert scans(steps) == []
    if clause == "what waits":
        assert any("instance_live" in step for step in steps), "not through what has ended"


def test_the_figures_are_read_without_what_has_ended(db: sqlite3.Connection) -> None:
    of_the_table = [step for step in plan(db, sql.Q.unfinished) if " instance " in f"{step} "]
    assert of_the_table
    assert all("instance_live" in step for step in of_the_table), of_the_table


def test_a_scan_would_be_seen(db: sqlite3.Connection) -> None:
    assert scans(plan(db, "SELECT id FROM instance WHERE name = ?"))
