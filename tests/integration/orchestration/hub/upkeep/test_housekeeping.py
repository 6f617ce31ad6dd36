"""What has ended is kept for the retention and then deleted with everything that belongs to it; what waits is kept."""

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from durabletask import entities, task
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub, SystemClock, main
from orchestration.hub.engine import purge
from orchestration.hub.service.clock_client import ClockClient
from orchestration.hub.storage import file
from orchestration.hub.storage.transaction import AfterCommit, Transaction
from orchestration.hub.upkeep import housekeeping
from orchestration.hub.upkeep.housekeeping import SweepPosition, parse_retention, step
from orchestration.runtime.connect import connect
from tests.support.core_world import SEAL_KEYS
from tests.support.hubs import HubUnderTest, eventually

LONG = timedelta(days=401)
RUNNING, COMPLETED = pb.ORCHESTRATION_STATUS_RUNNING, pb.ORCHESTRATION_STATUS_COMPLETED


def patient(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.wait_for_external_event("go"))


def brief(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


def parent(ctx: task.OrchestrationContext, child: str) -> Any:
    """Has a child named by its own ID, then waits."""
    yield ctx.call_sub_orchestrator(child, instance_id=f"{ctx.instance_id}-child")
    return (yield ctx.wait_for_external_event("go"))


def eternal(ctx: task.OrchestrationContext, round_: int) -> Any:
    """Starts one child in each execution."""
    yield ctx.call_sub_orchestrator(brief, instance_id=f"{ctx.instance_id}-{round_}")
    yield ctx.wait_for_external_event("again")
    ctx.continue_as_new(round_ + 1)


class Total(entities.DurableEntity):
    def add(self, number: int) -> None:
        self.set_state(self.get_state(int, 0) + number)

    def clear(self, _given: Any) -> None:
        self.set_state(None)


def known(tested_hub: HubUnderTest, instance_id: str) -> bool:
    return tested_hub.client.get_orchestration_state(instance_id) is not None


def test_what_has_ended_is_forgotten_in_time_and_what_waits_is_not(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(patient, brief)
    for name in ("waits", "ended"):
        ours.start(patient if name == "waits" else brief, 1, instance_id=name)
    ours.done("ended")
    ours.status("waits", "RUNNING")
    hub.advance(timedelta(days=399))
    ours.done(ours.start(brief, instance_id="later"))
    assert known(ours, "ended")
    hub.advance(timedelta(days=2))
    eventually(lambda: not known(ours, "ended"), "forgetting")
    assert known(ours, "later")
    ours.client.raise_orchestration_event("waits", "go", data=1)
    assert ours.done("waits").serialized_output == "1"


def test_a_sub_orchestration_is_kept_as_long_as_its_parent(hub: Hub, ours: HubUnderTest) -> None:
    """The witness ended after the child. So when the witness is deleted, the sweep has passed the child."""
    ours.work(parent, brief, patient)
    ours.start(parent, "brief", instance_id="one")
    eventually(lambda: known(ours, "one-child"))
    ours.done("one-child")
    ours.done(ours.start(brief, instance_id="witness"))
    hub.advance(LONG)
    eventually(lambda: not known(ours, "witness"))
    assert known(ours, "one-child")
    ours.client.raise_orchestration_event("one", "go")
    ours.done("one")
    hub.advance(LONG)
    eventually(lambda: not known(ours, "one"))
    assert not known(ours, "one-child")


def test_a_sub_orchestration_that_runs_outlives_its_parent(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(parent, patient)
    ours.start(parent, "patient", instance_id="one")
    eventually(lambda: known(ours, "one-child"))
    ours.status("one-child", "RUNNING")
    ours.client.terminate_orchestration("one", recursive=False)
    hub.advance(LONG)
    eventually(lambda: not known(ours, "one"))
    ours.client.raise_orchestration_event("one-child", "go", data=2)
    assert ours.done("one-child").serialized_output == "2"


def test_an_orchestration_that_never_ends_does_not_keep_all_it_ever_started(
    hub: Hub, ours: HubUnderTest
) -> None:
    ours.work(eternal, brief)
    ours.start(eternal, 0, instance_id="monitor")
    for child in ("monitor-0", "monitor-1"):
        eventually(lambda child=child: known(ours, child))
        ours.done(child)
        if child == "monitor-0":
            ours.client.raise_orchestration_event("monitor", "again")
    hub.advance(LONG)
    eventually(lambda: not known(ours, "monitor-0"))
    assert known(ours, "monitor")
    assert known(ours, "monitor-1"), "it belongs to the generation that waits"


def test_an_entity_of_which_nothing_is_left_is_forgotten(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(entities=(Total,))
    empty, full = entities.EntityInstanceId("total", "empty"), entities.EntityInstanceId("total", "full")
    for entity in (empty, full):
        ours.client.signal_entity(entity, "add", input=1)
    ours.client.signal_entity(empty, "clear")

    def states() -> dict[str, str | None]:
        request = pb.QueryEntitiesRequest(query=pb.EntityQuery(includeState=True, includeTransient=True))
        found = ours.stub.QueryEntities(request).entities
        return {
            one.instanceId: one.serializedState.value or None for one in found if not one.backlogQueueSize
        }

    eventually(lambda: states() == {"@total@empty": None, "@total@full": "1"}, "the signals")
    hub.advance(LONG)
    eventually(lambda: states() == {"@total@full": "1"}, "forgetting")


@contextmanager
def embedded(directory: Path) -> Iterator[str]:
    """The embedded hub with a retention of two days in its settings; its address."""
    connection = connect("embedded", directory, SEAL_KEYS, skippable_clock=True, retention=timedelta(days=2))
    assert connection.hub is not None
    try:
        yield connection.hub.address
    finally:
        connection.close()


@contextmanager
def process(directory: Path) -> Iterator[str]:
    """A hub process told to keep what ended for two days; its address."""
    command = [sys.executable, "-m", "orchestration.hub", "--skippable", "--retention", "2d", "--db"]
    with subprocess.Popen([*command, directory / "hub.db"], stdout=subprocess.PIPE, text=True) as hub:
        assert hub.stdout is not None
        try:
            yield hub.stdout.readline().strip()
        finally:
            hub.terminate()


@pytest.mark.parametrize("hub_of", [embedded, process])
def test_the_retention_is_what_was_set(
    hub_of: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    with hub_of(tmp_path) as address, ClockClient(address) as clock:
        tested_hub = HubUnderTest(address)
        for name in ("ended", "waits"):
            tested_hub.start("any", instance_id=name)
        tested_hub.client.terminate_orchestration("ended")
        clock.advance(timedelta(days=1))
        tested_hub.client.terminate_orchestration(tested_hub.start("any", instance_id="witness"))
        clock.advance(timedelta(days=1, hours=1))
        eventually(lambda: not known(tested_hub, "ended"), "forgetting")
        assert known(tested_hub, "witness")
        assert known(tested_hub, "waits")
        tested_hub.close()


@pytest.mark.parametrize("text", ["", "400", "1y", "0d", "-1d", "36501d", "1.5d", "12h"])
def test_a_retention_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number of days"):
        parse_retention(text)


def test_the_command_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="4"):
        main(["--db", str(tmp_path / "hub.db"), "--retention", "soon"])
    assert "--retention: 'soon' is not a number of days" in capsys.readouterr().err


# The steps themselves, on tables that the test fills.

FIRST = SweepPosition()


class Row(NamedTuple):
    key: int
    ended: int | None
    parent: int | None
    parent_execution: str | None


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = file.connect(tmp_path / "hub.db")
    db.execute("PRAGMA synchronous = OFF")
    yield db
    db.close()


def add(db: sqlite3.Connection, row: Row, pieces: int = 1) -> None:
    status = RUNNING if row.ended is None else COMPLETED
    db.execute(
        "INSERT INTO instance (key, id, execution, name, status, created_at, updated_at, completed_at, parent, "
        "parent_execution) VALUES (?, ?, 'now', 'any', ?, 0, 0, ?, ?, ?)",
        (row.key, f"one-{row.key}", status, row.ended, row.parent, row.parent_execution),
    )
    db.executemany(
        "INSERT INTO history VALUES (?, ?, ?)", [(row.key, turn, b"x" * 200) for turn in range(pieces)]
    )


def sweep(
    db: sqlite3.Connection, until: int, place: SweepPosition = FIRST
) -> tuple[SweepPosition, list[int]]:
    """Step until there is nothing more; returns the position, and how many rows each step changed."""
    changes = []
    more = True
    while more:
        before = db.total_changes
        place, more = step(Transaction(db, SystemClock(), AfterCommit()), until, place)
        changes.append(db.total_changes - before)
    return place, changes


def remaining(db: sqlite3.Connection) -> set[int]:
    return {key for (key,) in db.execute("SELECT key FROM instance")}


def kept(rows: dict[int, Row], row: Row, until: int) -> bool:
    """The rule as a recursion: what did not end long ago is kept, and so is what such an instance has started."""
    if row.ended is None or row.ended > until:
        return True
    above = rows.get(row.parent or 0)
    return above is not None and row.parent_execution == "now" and kept(rows, above, until)


@pytest.mark.parametrize("seed", range(15))
def test_any_family_is_forgotten_by_the_rule(db: sqlite3.Connection, seed: int) -> None:
    """Random families, swept at one time and, from the position of that sweep, at a later time."""
    chance = random.Random(seed)
    rows: dict[int, Row] = {}
    for key in range(1, 120):
        above = chance.choice([None, *rows])
        ended = chance.choice([None, *range(1, 20)])
        rows[key] = Row(key, ended, above, chance.choice(["now", "now", "before"]) if above else None)
        add(db, rows[key], chance.randrange(4))
    place = FIRST
    for until in (7, 15):
        place, _ = sweep(db, until, place)
        assert remaining(db) == {key for key, row in rows.items() if kept(rows, row, until)}
    owners = {key for (key,) in db.execute("SELECT DISTINCT instance FROM history")}
    assert owners <= remaining(db)


def test_a_step_is_small_however_much_there_is_to_forget(db: sqlite3.Connection) -> None:
    """Thousands of instances, one family of hundreds, and a chain of hundreds: calls do not wait for them."""
    for key in range(1, 2001):
        add(db, Row(key, 1, None, None), pieces=5)
    for key in range(2001, 2401):
        add(db, Row(key, 1, 2000, "now"))
    for key in range(2401, 2801):
        add(db, Row(key, 1, key - 1, "now"))
    _, changes = sweep(db, until=1)
    assert remaining(db) == set()
    assert max(changes) <= housekeeping._ROWS + 6
    assert len(changes) >= sum(changes) / housekeeping._ROWS


def test_large_payloads_make_a_step_shorter(db: sqlite3.Connection) -> None:
    """Pages that are freed are written once more: 100 MiB in one step would delay every call by a second."""
    for key in range(1, 7):
        add(db, Row(key, 1, None, None), pieces=0)
    db.execute("UPDATE instance SET input = ? WHERE key <= 3", ("x" * 400_000,))
    db.executemany("INSERT INTO history VALUES (?, 0, zeroblob(400000))", [(key,) for key in range(4, 7)])
    tx, place = Transaction(db, SystemClock(), AfterCommit()), FIRST
    for left in range(5, -1, -1):
        place, _ = step(tx, 1, place)
        assert len(remaining(db)) == left


def test_large_payloads_make_a_step_of_a_purge_shorter(db: sqlite3.Connection) -> None:
    for key in range(1, 5):
        add(db, Row(key, 1, None, None), pieces=0)
        db.execute("INSERT INTO history VALUES (?, 0, zeroblob(?))", (key, 10 if key < 3 else 500_000))
    tx = Transaction(db, SystemClock(), AfterCommit())
    assert purge.delete_ended(tx, [1, 2, 3, 4]) == (1, 3)
    assert purge.delete_ended(tx, [1, 2, 3]) == (1, 2)
    assert purge.delete_ended(tx, [1, 2]) == (2, 0)
    assert remaining(db) == set()


def test_what_runs_again_between_two_steps_is_left_alone(db: sqlite3.Connection) -> None:
    """As after a rewind: the family is half deleted when its head runs again."""
    add(db, Row(1, 1, None, None))
    for key in range(2, 500):
        add(db, Row(key, 1, 1, "now"))
    place, more = step(Transaction(db, SystemClock(), AfterCommit()), 1, FIRST)
    assert more
    assert 1 in remaining(db)
    db.execute("UPDATE instance SET completed_at = NULL WHERE key = 1")
    sweep(db, 1, place)
    assert remaining(db) == {1}


def test_an_entity_that_has_something_to_do_or_is_locked_is_left_alone(db: sqlite3.Connection) -> None:
    for key, name in enumerate(("@a@idle", "@a@busy", "@a@locked", "@a@recent"), 1):
        db.execute("INSERT INTO entity (key, id, updated_at) VALUES (?, ?, 1)", (key, name))
    db.execute("INSERT INTO entity_inbox (entity, at, event) VALUES (2, 1, x'')")
    db.execute("UPDATE entity SET lock_section = 's', lock_owner = 'one' WHERE key = 3")
    db.execute("UPDATE entity SET updated_at = 9 WHERE key = 4")
    sweep(db, until=1)
    assert {key for (key,) in db.execute("SELECT key FROM entity")} == {2, 3, 4}


def test_the_file_does_not_grow_where_as_much_ends_as_begins(db: sqlite3.Connection) -> None:
    """What is deleted makes room for what starts."""
    pages = []
    for generation in range(4):
        for key in range(generation * 500 + 1, generation * 500 + 501):
            add(db, Row(key, 1, None, None), pieces=10)
        pages.append(db.execute("PRAGMA page_count").fetchone()[0])
        sweep(db, until=1)
    assert pages[-1] <= pages[0] * 1.02
