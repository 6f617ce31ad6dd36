"""What a hub remembers of workers that have left, for how long, and how much of it the file keeps."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.hub.engine import known_work
from orchestration.hub.engine.known_work import MOST_NAMES, REMEMBERED, KnownWork
from orchestration.hub.engine.workers import WorkName
from orchestration.hub.storage import file
from orchestration.hub.storage.transaction import AfterCommit, Transaction, WorkItemKind

MINE = WorkName(WorkItemKind.TURN, "mine", "1")
LONG = timedelta(microseconds=REMEMBERED)
MOMENT = timedelta(seconds=1)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 27, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def tx(tmp_path: Path, clock: Hand) -> Iterator[Transaction]:
    db = file.connect(tmp_path / "hub.db")
    yield Transaction(db, clock, AfterCommit())
    db.close()


def turn(name: str, version: str | None = "") -> WorkName:
    return WorkName(WorkItemKind.TURN, name, version)


def next_hub(tx: Transaction, clock: Hand, record: str) -> KnownWork:
    known_work.write_down(tx, record)
    known = KnownWork(clock)
    known.recall(Transaction(tx._db, clock, AfterCommit()))
    return known


def test_it_is_remembered_for_a_time(clock: Hand) -> None:
    known = KnownWork(clock)
    assert not known.was_there_lately(MINE)
    known.was_there(MINE)
    clock.at += LONG - MOMENT
    assert known.was_there_lately(MINE)
    clock.at += MOMENT
    assert not known.was_there_lately(MINE)


def test_a_version_is_known_where_it_or_every_one_was(clock: Hand) -> None:
    known = KnownWork(clock)
    known.was_there(turn("one", "1"))
    known.was_there(turn("every", None))
    assert [known.was_there_lately(turn("one", version)) for version in ("1", "2", "")] == [
        True,
        False,
        False,
    ]
    assert [known.was_there_lately(turn("every", version)) for version in ("1", "2", "")] == [True] * 3
    assert not known.was_there_lately(WorkName(WorkItemKind.ACTIVITY, "every", ""))


def test_what_was_there_last_is_remembered_where_there_is_too_much(clock: Hand) -> None:
    known = KnownWork(clock)
    known.was_there(MINE)
    for number in range(MOST_NAMES - 1):
        known.was_there(turn(f"other {number}"))
    assert known.was_there_lately(MINE)
    known.was_there(MINE)
    known.was_there(turn("one more"))
    assert known.was_there_lately(MINE)
    assert not known.was_there_lately(turn("other 0"))


def test_time_in_which_the_hub_did_not_run_does_not_count(clock: Hand, tx: Transaction) -> None:
    record = KnownWork(clock).record([MINE])
    clock.at += 3 * LONG
    known = next_hub(tx, clock, record)
    clock.at += LONG - MOMENT
    assert known.was_there_lately(MINE)
    clock.at += MOMENT
    assert not known.was_there_lately(MINE)


def test_a_hub_that_is_started_often_forgets_all_the_same(clock: Hand, tx: Transaction) -> None:
    record = KnownWork(clock).record([MINE])
    for _ in range(5):
        clock.at += LONG / 4
        record = next_hub(tx, clock, record).record([])
    assert json.loads(record) == []


def test_the_file_keeps_a_part_of_what_clients_have_named(clock: Hand) -> None:
    known = KnownWork(clock)
    known.was_there(turn("x" * 201))
    for number in range(1_001):
        known.was_there(turn(f"{number}"))
    kept = [name for _, name, _, _ in json.loads(known.record([MINE]))]
    assert len(kept) == 1_000
    assert kept[-1] == "mine"
    assert "0" not in kept
