"""The group commit: operations that arrive together share it, and an operation that fails harms only itself."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import HubError, SystemClock
from orchestration.hub.engine import instances, timers
from orchestration.hub.errors import AlreadyExistsError
from orchestration.hub.storage import file
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction
from tests.support import PATIENCE_S

_TIMERS = "SELECT count(*) FROM timer"


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    return file.connect(tmp_path / "hub.db")


@pytest.fixture
async def store(db: sqlite3.Connection) -> AsyncIterator[GroupCommitStore]:
    store = GroupCommitStore(db, SystemClock())
    yield store
    await store.close()
    db.close()


async def start(store: GroupCommitStore, name: str) -> str:
    return await store.run(
        lambda tx: instances.start(tx, pb.CreateInstanceRequest(instanceId=name, name="any"))
    )


def exists(db: sqlite3.Connection, name: str) -> bool:
    return db.execute("SELECT 1 FROM instance WHERE id = ?", (name,)).fetchone() is not None


async def test_operations_that_arrive_together_share_a_commit(
    db: sqlite3.Connection, store: GroupCommitStore
) -> None:
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    await asyncio.gather(*(start(store, f"one-{number}") for number in range(100)))
    assert statements.count("COMMIT") <= 2
    assert all(exists(db, f"one-{number}") for number in range(100))


async def test_an_operation_that_breaks_harms_only_itself(
    db: sqlite3.Connection, store: GroupCommitStore
) -> None:
    def breaks(tx: Transaction) -> None:
        instances.start(tx, pb.CreateInstanceRequest(instanceId="half", name="any"))
        raise ValueError("after a change")

    answers = await asyncio.gather(
        start(store, "a"), store.run(breaks), start(store, "b"), start(store, "a"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [str, ValueError, str, AlreadyExistsError]
    assert (exists(db, "a"), exists(db, "half"), exists(db, "b")) == (True, False, True)


async def test_an_answer_comes_after_the_commit(tmp_path: Path, store: GroupCommitStore) -> None:
    """When the answer comes, another connection sees the change; it sees only what was committed."""
    await start(store, "one")
    other = file.reader(tmp_path / "hub.db")
    assert exists(other, "one")
    other.close()


async def test_what_was_dispatched_early_is_taken_back_where_the_commit_fails(
    db: sqlite3.Connection, store: GroupCommitStore
) -> None:
    """A COMMIT can fail after every statement succeeded: on a full disk, or here on a deferred constraint."""
    taken_back: list[str] = []
    store.before_commit = lambda _tx: lambda: taken_back.append("once")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("CREATE TABLE father (key INTEGER PRIMARY KEY)")
    db.execute("CREATE TABLE child (father REFERENCES father (key) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError):
        await store.run(lambda tx: tx.do("INSERT INTO child VALUES (1)"))
    assert taken_back == ["once"]
    await start(store, "one")
    assert exists(db, "one")
    assert taken_back == ["once"]


async def test_a_store_that_is_closing_takes_nothing_more(store: GroupCommitStore) -> None:
    await store.close()
    with pytest.raises(HubError, match="shutting down"):
        await start(store, "one")
    with pytest.raises(HubError, match="shutting down"):
        store.read(lambda tx: instances.find(tx, "one"))


async def test_a_timer_set_in_the_very_transaction_of_the_look_is_not_overlooked(
    db: sqlite3.Connection, store: GroupCommitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer loop looks, finds nothing, and later in that same transaction a turn sets the next timer."""
    timer_loop = timers.TimerLoop(store, SystemClock())
    store.on_commit = lambda after_commit: (
        timer_loop.no_later_than(after_commit.first_timer) if after_commit.first_timer else None
    )

    def set_timer(tx: Transaction) -> None:
        tx.do(Q.timer_add, 1, len(set_by), tx.now + 20_000)
        tx.timer_set(tx.now + 20_000)
        set_by.append("a turn")

    set_by: list[str] = []
    run = store.run

    async def run_with_a_turn(operation: Callable[[Transaction], Any]) -> Any:
        looked = asyncio.ensure_future(run(operation))
        if operation is timers.next_due and len(set_by) < 2 and not db.execute(_TIMERS).fetchone()[0]:
            await asyncio.gather(looked, run(set_timer))
        return await looked

    monkeypatch.setattr(store, "run", run_with_a_turn)
    serving = asyncio.create_task(timer_loop.serve())
    async with asyncio.timeout(PATIENCE_S):
        while len(set_by) < 2 or db.execute(_TIMERS).fetchone()[0]:
            await asyncio.sleep(0.01)
    serving.cancel()


async def test_an_answer_that_cannot_be_given_keeps_nobody_from_theirs(store: GroupCommitStore) -> None:
    def breaks(_outcome: Any) -> None:
        raise ValueError("nobody listens")

    store.submit(lambda tx: tx.now, breaks)
    assert await start(store, "after it") == "after it"
