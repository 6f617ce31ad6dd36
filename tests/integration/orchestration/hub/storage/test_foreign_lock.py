"""Another program locks the hub's file for a while, as some backup tools do: the hub waits, and then says why."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub, HubError, SystemClock
from orchestration.hub.engine import instances
from orchestration.hub.errors import LockedError
from orchestration.hub.storage import file
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.transaction import Transaction
from orchestration.hub.upkeep.check import check
from tests.support.hubs import HubUnderTest, RawWorker, complete

HOLD_S = 0.4


@contextmanager
def locked(path: Path, how: str = "BEGIN EXCLUSIVE") -> Iterator[sqlite3.Connection]:
    """Another connection holds the file, until it ends what it began or the context is left."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(how)
    try:
        yield other
    finally:
        other.close()


@contextmanager
def locked_for_a_while(path: Path) -> Iterator[None]:
    """Another connection holds the file for HOLD_S."""
    with locked(path) as other:
        timer = threading.Timer(HOLD_S, lambda: other.execute("ROLLBACK"))
        timer.start()
        yield
        timer.join()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[GroupCommitStore]:
    db = file.connect(tmp_path / "hub.db")
    store = GroupCommitStore(db, SystemClock())
    yield store
    await store.close()
    db.close()


def starting(store: GroupCommitStore, name: str, patience_s: float = 10.0) -> asyncio.Future[object]:
    """What becomes of the start of an instance that waits for so long."""
    reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    request = pb.CreateInstanceRequest(instanceId=name, name="any")
    store.submit(lambda tx: instances.start(tx, request), reply.set_result, patience_s)
    return reply


async def test_what_is_asked_meanwhile_is_done_in_its_order_once_the_file_is_free(
    tmp_path: Path, store: GroupCommitStore
) -> None:
    order: list[object] = []
    with locked(tmp_path / "hub.db") as other:
        asked = [starting(store, f"{number:03}") for number in range(300)]
        for one in asked:
            one.add_done_callback(lambda one: order.append(one.result()))
        await asyncio.sleep(0.2)
        assert store.read(lambda tx: instances.find(tx, "000")) is None, (
            "what only reads is answered meanwhile"
        )
        assert not any(one.done() for one in asked)
        other.execute("ROLLBACK")
        await asyncio.gather(*asked)
    assert order == [f"{number:03}" for number in range(300)]
    rows = store.read(lambda tx: tx.all("SELECT id FROM instance ORDER BY key"))
    assert [row["id"] for row in rows] == order


async def test_whoever_has_waited_for_too_long_is_told_why_and_the_others_go_on_waiting(
    tmp_path: Path, store: GroupCommitStore, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(tmp_path / "hub.db"):
        patient, hasty = starting(store, "patient"), starting(store, "hasty", 0.1)
        error = await hasty
        assert isinstance(error, LockedError)
        assert "Another program has the hub's file locked" in str(error)
        assert not patient.done()
    assert await patient == "patient"
    assert store.read(lambda tx: instances.find(tx, "hasty")) is None, "nothing was recorded"
    assert await starting(store, "hasty") == "hasty"
    assert [one.levelname for one in caplog.records] == ["WARNING", "WARNING"], "the lock, and its end"


async def test_no_work_is_begun_while_its_result_could_not_be_written(
    tmp_path: Path, store: GroupCommitStore
) -> None:
    begun: list[bool] = []

    def begin() -> bool:
        begun.append(True)
        return False

    with locked(tmp_path / "hub.db"):
        assert isinstance(await starting(store, "hasty", 0.1), LockedError)
        store.after_batch = begin
        store.wake()
        await asyncio.sleep(0.1)
        assert not begun
    assert await starting(store, "next") == "next"
    assert begun


async def test_an_operation_that_breaks_is_told_apart_from_one_that_waits(
    tmp_path: Path, store: GroupCommitStore
) -> None:
    """The lock comes while a batch of which one operation is broken is run again one by one."""

    def breaks(_tx: Transaction) -> None:
        broken.append(sqlite3.connect(tmp_path / "hub.db", isolation_level=None))
        if len(broken) == 2:
            broken[1].execute("BEGIN EXCLUSIVE")
        raise ValueError("broken")

    broken: list[sqlite3.Connection] = []
    reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    store.submit(breaks, reply.set_result)
    others = [starting(store, name) for name in "abc"]
    assert isinstance(await reply, ValueError)
    for one in broken:
        one.close()
    assert await asyncio.gather(*others) == ["a", "b", "c"]
    assert [row["id"] for row in store.read(lambda tx: tx.all("SELECT id FROM instance ORDER BY key"))] == [
        *"abc"
    ]


def test_clients_and_workers_wait_for_the_file(ours: HubUnderTest, tmp_path: Path) -> None:
    with RawWorker(ours.address) as worker:
        ours.start("any", instance_id="one")
        turn = worker.take()
        with locked_for_a_while(tmp_path / "hub.db"):
            assert ours.state("one").runtime_status.name == "PENDING"
            assert ours.client.list_instance_ids().items == []
            ours.start("any", instance_id="two")
            worker.answer(turn, complete())
        assert ours.done("one").serialized_output == '"end"'
        assert worker.take().orchestratorRequest.instanceId == "two"


@pytest.mark.parametrize("exists", [False, True])
def test_a_start_waits_for_the_file(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "hub.db"
    if exists:
        with Hub(path):
            pass
    with locked_for_a_while(path), Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.start("any", instance_id="one")
        tested_hub.close()
    assert not check(path).count


def test_a_start_that_has_waited_for_too_long_says_why(tmp_path: Path) -> None:
    words = r"database is locked. Another program has it locked"
    with locked(tmp_path / "new.db"), pytest.raises(HubError, match=words):
        file.connect(tmp_path / "new.db", lock_s=0.1)


def test_a_file_that_another_program_has_to_itself_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with Hub(path):
        pass
    with locked(path, "PRAGMA locking_mode = EXCLUSIVE") as other:
        other.execute("UPDATE clock SET run = run")
        with pytest.raises(HubError, match="Another program has it locked"):
            file.connect(path, lock_s=0.1)
        with pytest.raises(HubError, match="Another program has it locked"):
            file.snapshot(path, lock_s=0.1)
    assert not check(path).count
