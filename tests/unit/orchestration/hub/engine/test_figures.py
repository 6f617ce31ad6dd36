"""What has not ended, in groups: the oldest by what they say, the rest by their ID."""

import json
import sqlite3
from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any

import pytest

from orchestration.hub.engine.figures import LOOKED_AT, FiguresRequest, Unfinished
from orchestration.hub.errors import InvalidError
from orchestration.hub.storage import file

WANTED = FiguresRequest(["$.policy", "$.status"], ["$.deadline"], 9)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = file.connect(tmp_path / "hub.db")
    yield found
    found.close()


def add(
    db: sqlite3.Connection, *, at: int, ended: int | None = None, status: str | None = None, **what: Any
) -> None:
    given = {"id": f"p-{at:08}", "name": "approval", **what}
    db.execute(
        "INSERT INTO instance (id, execution, name, status, created_at, updated_at, completed_at, turns,"
        " custom_status) VALUES (?, 'e', ?, 0, ?, ?, ?, 1, ?)",
        (given["id"], given["name"], at, at, ended, status),
    )


def said(policy: str, status: str, **more: str) -> str:
    return json.dumps({"policy": policy, "status": status, **more})


def test_groups_have_their_number_their_oldest_and_the_earliest_time(db: sqlite3.Connection) -> None:
    add(db, at=3, status=said("p", "pending", deadline="2026-11-03"))
    add(db, at=1, status=said("p", "pending", deadline="2026-11-05"))
    add(db, at=2, status=said("p", "approved"))
    add(db, at=4, status=said("p", "pending"), ended=9)
    add(db, at=5, status="no JSON", name="x" * 500)
    groups = Unfinished().read(db, WANTED)
    assert groups[0] == {
        "name": "approval",
        "said": ["p", "pending"],
        "count": 2,
        "created_at": 1,
        "times": ["2026-11-03"],
    }
    assert {tuple(group["said"]) for group in groups[1:]} == {("p", "approved"), (None, None)}
    assert {len(group["name"]) for group in groups} == {len("approval"), 100}


def test_what_another_program_says_that_is_no_text_hides_nobody_else(db: sqlite3.Connection) -> None:
    add(db, at=1, status=said("p", "pending", deadline="2026-11-05"))
    add(db, at=2, status='{"policy": "\\ud800", "status": 7, "deadline": "\\ud800"}', name="other")
    ours, other = sorted(Unfinished().read(db, WANTED), key=lambda group: str(group["name"]))
    assert (ours["said"], ours["times"]) == (["p", "pending"], ["2026-11-05"])
    assert (other["said"][1], other["count"]) == ("7", 1)


def test_of_what_is_beyond_the_oldest_the_id_says_the_policy(db: sqlite3.Connection) -> None:
    with db:
        for at in range(LOOKED_AT):
            add(db, at=at, status=said("p", "approved"))
        for at in range(LOOKED_AT, LOOKED_AT + 3):
            add(db, at=at, id=f"big-order-{at:08}", status=said("never read", "approved"))
        add(db, at=LOOKED_AT + 5, id="short")
    groups = {tuple(group["said"]): group["count"] for group in Unfinished().read(db, WANTED)}
    assert groups == {("p", "approved"): LOOKED_AT, ("big-order", None): 3, ("", None): 1}


def test_what_was_read_serves_for_a_while_and_for_longer_where_it_took_long(db: sqlite3.Connection) -> None:
    add(db, at=1)
    # The count takes 2 s by this clock, so it is reused for 40 s.
    times = chain([0.0, 2.0], [41.0], count(43.0, 0.0))
    unfinished = Unfinished(lambda: next(times))
    assert unfinished.read(db, WANTED)[0]["count"] == 1
    add(db, at=2)
    assert unfinished.read(db, WANTED)[0]["count"] == 1
    assert unfinished.read(db, WANTED)[0]["count"] == 2


def test_another_question_is_answered_anew(db: sqlite3.Connection) -> None:
    add(db, at=1, status=said("p", "pending"))
    unfinished = Unfinished(lambda: 0.0)
    assert unfinished.read(db, WANTED)[0]["said"] == ["p", "pending"]
    assert unfinished.read(db, WANTED._replace(said=["$.status"]))[0]["said"] == ["pending"]
    with pytest.raises(InvalidError, match="JSON paths"):
        unfinished.read(db, WANTED._replace(said=["status"]))


def test_no_more_groups_are_told_than_somebody_may_read(db: sqlite3.Connection) -> None:
    with db:
        for at in range(1200):
            add(db, at=at, name=f"of somebody {at}")
    assert len(Unfinished().read(db, WANTED)) == 1000


WRONG: list[dict[str, object]] = [
    {"said": []},
    {"said": list(repeat("$.a", 4))},
    {"said": [1]},
    {"times": "$.b"},
    {"suffix": -1},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_request_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    right = {"said": ["$.a"], "times": ["$.b"], "suffix": 9}
    assert FiguresRequest.of(json.dumps(right).encode()) == FiguresRequest(["$.a"], ["$.b"], 9)
    with pytest.raises(InvalidError):
        FiguresRequest.of(json.dumps(right | wrong).encode())


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b"[]"])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidError, match="not a JSON object"):
        FiguresRequest.of(text)
