"""What an operator does to a hub's file: check it, back it up while the hub serves, and restore it."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub, HubError, main
from orchestration.hub.protocol import wire
from orchestration.hub.storage import file
from orchestration.hub.upkeep.backup import backup
from orchestration.hub.upkeep.check import check
from tests.support.hubs import HubUnderTest, RawWorker, complete, eventually, schedule


def patient(ctx: task.OrchestrationContext, given: Any) -> Any:
    ctx.set_custom_status("waiting")
    went = yield ctx.wait_for_external_event("go")
    return [given, went]


@contextmanager
def served(path: Path) -> Iterator[tuple[subprocess.Popen[str], HubUnderTest]]:
    """A hub process on this file, as in production; its process, and a client on it."""
    command = [sys.executable, "-m", "orchestration.hub", "--db", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        tested_hub = HubUnderTest(process.stdout.readline().strip())
        try:
            yield process, tested_hub
        finally:
            tested_hub.close()
            process.send_signal(signal.SIGTERM)


def busy(path: Path) -> Path:
    """A hub's file with instances that ended or wait for an event, an activity, a timer and a child."""
    with Hub(path) as hub, RawWorker(hub.address) as worker:
        tested_hub = HubUnderTest(hub.address)
        for name in ("ended", "waits"):
            tested_hub.start("any", instance_id=name)
            worker.answer(worker.take())
        tested_hub.client.raise_orchestration_event("ended", "go")
        worker.answer(worker.take(), complete())
        tested_hub.start("any", instance_id="open")
        worker.answer(worker.take(), schedule(1), timer(2), child(3))
        worker.take()
        tested_hub.close()
    return path


def timer(task_id: int) -> pb.OrchestratorAction:
    action = pb.OrchestratorAction(id=task_id, createTimer=pb.CreateTimerAction())
    action.createTimer.fireAt.FromJsonString("2100-01-01T00:00:00Z")
    return action


def child(task_id: int) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(
        id=task_id, createSubOrchestration=pb.CreateSubOrchestrationAction(name="any", instanceId="child")
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy(tmp_path_factory.mktemp("sound") / "hub.db")


def change(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def test_a_sound_file_is_summed_up(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sound.read_bytes()
    path = tmp_path / "hub.db"
    path.write_bytes(before)
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"{path}: schema {len(file.MIGRATIONS)}, " in said
    assert "4 instances: 3 run or wait, 1 ended" in said
    assert "1 timer, 1 event, 1 activity, 0 messages to 0 entities" in said
    assert "sound" in said
    assert path.read_bytes() == before


RAISED = wire.event(1, eventRaised=pb.EventRaisedEvent(name="go"))
STARTED = wire.event(2, executionStarted=pb.ExecutionStartedEvent(name="any"))
TURN = wire.event(2, orchestratorStarted=pb.OrchestratorStartedEvent())
DAMAGE = [
    ("DELETE FROM timer", "timer: 'open' waits for its timer 2, which is gone"),
    ("DELETE FROM activity", "activity: 'open' waits for its activity 1, which is gone"),
    (
        "DELETE FROM instance WHERE id = 'child'",
        "sub-orchestration: 'open' waits for its sub-orchestration 3",
    ),
    ("DELETE FROM inbox", "instance: 'child' has neither a history nor an event that would start it"),
    ("DELETE FROM history WHERE turn = 0", "history: that of 'ended' begins with eventRaised, at turn 1"),
    (
        f"UPDATE history SET events = x'{wire.history([RAISED, STARTED]).hex()}' WHERE turn = 0",  # noqa: S608
        "history: that of 'ended' begins with eventRaised, at turn 0",
    ),
    (
        f"UPDATE history SET events = x'{wire.history([STARTED, RAISED, STARTED]).hex()}' WHERE turn = 0",  # noqa: S608
        "history: that of 'ended' starts twice, at turn 0",
    ),
    (
        f"UPDATE history SET events = CAST(events || x'{wire.history([RAISED]).hex()}' AS BLOB) WHERE turn = 1",  # noqa: S608
        "history: that of 'ended' goes on after its end, with eventRaised, at turn 1",
    ),
    (
        f"INSERT INTO inbox SELECT 99, key, 1, 0, x'{STARTED.hex()}' FROM instance WHERE id = 'waits'",  # noqa: S608
        "inbox: that of 'waits' starts twice",
    ),
    (
        f"INSERT INTO inbox SELECT -1, key, 1, 0, x'{RAISED.hex()}' FROM instance WHERE id = 'child'",  # noqa: S608
        "inbox: that of 'child' begins with eventRaised",
    ),
    (
        f"INSERT INTO inbox SELECT 99, key, 1, 0, x'{STARTED.hex()}' FROM instance WHERE id = 'child'",  # noqa: S608
        "inbox: that of 'child' starts twice",
    ),
    (
        f"UPDATE history SET events = x'{wire.history([TURN]).hex()}'",  # noqa: S608
        "history: that of 'waits' does not start",
    ),
    ("DELETE FROM instance WHERE id = 'waits'", "history: 1 pieces belong to instance"),
    ("DELETE FROM instance WHERE id = 'open'", "timer: 1 belong to instance"),
    ("UPDATE history SET turn = turn + 7 WHERE turn = 1", "history: 'ended' has 2 pieces, from turn 0 to 8"),
    ("UPDATE history SET events = x'ff'", "history: turn 0 of 'ended' cannot be read"),
    ("UPDATE inbox SET event = x'ff'", "inbox: event 1 cannot be read"),
    ("UPDATE activity SET request = x'ff'", "activity: the request of activity 1 cannot be read"),
    ("UPDATE instance SET status = 0 WHERE id = 'ended'", "instance: 'ended' has status 0"),
    ("UPDATE instance SET turns = turns + 1 WHERE id = 'waits'", "history: 'waits' has 1 pieces"),
    (
        "INSERT INTO timer SELECT key, 9, 1 FROM instance WHERE id = 'ended'",
        "timer: 1 of 'ended', which has ended",
    ),
    (
        "INSERT INTO inbox SELECT 99, key, 1, 0, x'' FROM instance WHERE id = 'ended'",
        "inbox: 1 events for 'ended', which has ended",
    ),
    (
        "INSERT INTO entity VALUES (1, '@a@b', 0, 0, NULL, 's', 'ended', 'e')",
        "entity: '@a@b' is locked by 'ended'",
    ),
    (
        "INSERT INTO entity_inbox VALUES (1, 7, 0, NULL, NULL, NULL, x'')",
        "entity_inbox: 1 are for entity 7",
    ),
    ("INSERT INTO entity_later VALUES (1, 0, '@a@b', x'ff')", "entity_later: message 1 cannot be read"),
]


@pytest.mark.parametrize(("statement", "words"), DAMAGE)
def test_what_breaks_a_rule_is_named(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str, words: str
) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(sound.read_bytes())
    change(path, statement)
    assert main(["check", str(path)]) == 1
    said = capsys.readouterr().out
    assert words in said
    assert "Restore it from a backup: stop the hub, move hub.db, hub.db-wal and hub.db-shm away" in said


def test_of_many_faults_the_first_are_named_and_the_others_counted(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(sound.read_bytes())
    change(path, *(f"INSERT INTO timer VALUES ({key}, 1, 1)" for key in range(100, 130)))  # noqa: S608  # our own
    said = check(path).text()
    assert "30 faults" in said
    assert "and 20 more" in said


def test_a_damaged_page_is_found(sound: Path, tmp_path: Path) -> None:
    """Every page, one after the other: damage to any of them is found."""
    whole = sound.read_bytes()
    path = tmp_path / "hub.db"
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + os.urandom(4096) + whole[(page + 1) * 4096 :])
        report = check(path)
        assert report.count, f"page {page + 1}"


def test_a_check_of_a_torn_table_comes_to_an_end(sound: Path, tmp_path: Path) -> None:
    """Its last row got the key 0, after which a loop over all instances would start again."""
    path = tmp_path / "hub.db"
    whole = bytearray(sound.read_bytes())
    path.write_bytes(whole)
    db = file.reader(path)
    root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'instance'").fetchone()[0]
    db.close()
    start = (root - 1) * 4096
    pointers = start + 8 + 2 * int.from_bytes(whole[start + 3 : start + 5], "big")
    assert whole[pointers : pointers + 200] == bytes(200)
    whole[pointers - 2 : pointers] = (pointers - start + 100).to_bytes(2, "big")
    path.write_bytes(whole)
    assert any("out of range" in fault for fault in check(path).faults)


def test_an_index_that_disagrees_with_its_table_is_found(sound: Path, tmp_path: Path) -> None:
    """Each page is well-formed, but an instance could no longer be found by its ID."""
    path = tmp_path / "hub.db"
    whole = sound.read_bytes()
    path.write_bytes(whole)
    db = file.reader(path)
    root = db.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_instance_1'"
    ).fetchone()[0]
    db.close()
    start, end = (root - 1) * 4096, root * 4096
    assert whole[start:end].count(b"waits") == 1
    path.write_bytes(whole[:start] + whole[start:end].replace(b"waits", b"waitz") + whole[end:])
    report = check(path)
    assert any("missing from index sqlite_autoindex_instance_1" in fault for fault in report.faults)


def test_a_schema_that_is_no_text_is_refused_in_words(sound: Path, tmp_path: Path) -> None:
    """SQLite's message quotes it, and Python cannot decode the quotation."""
    path = tmp_path / "hub.db"
    whole = sound.read_bytes()
    assert whole.count(b"tabletimertimer") == 1
    path.write_bytes(whole.replace(b"tabletimertimer", b"tabletim\xffrtim\xffr"))
    assert "its schema is damaged" in check(path).text()
    with pytest.raises(HubError, match="schema is damaged"):
        file.connect(path)


@pytest.mark.parametrize("content", [b"", b"Dear diary, " * 100])
def test_what_is_no_hubs_file_is_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(content)
    assert main(["check", str(path)]) == 4
    assert "hub's file" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_a_file_that_is_missing_or_newer_is_not_judged(tmp_path: Path, sound: Path) -> None:
    with pytest.raises(HubError, match="There is no file"):
        check(tmp_path / "none.db")
    path = tmp_path / "hub.db"
    path.write_bytes(sound.read_bytes())
    change(path, "PRAGMA user_version = 999")
    with pytest.raises(HubError, match="schema 999"):
        check(path)


def until_stopped(tested_hub: HubUnderTest, started: list[str], stop: threading.Event) -> threading.Thread:
    """Starts instances as fast as they are acknowledged."""

    def load() -> None:
        while not stop.is_set():
            started.append(tested_hub.start("any", "x" * 2000, instance_id=f"load-{len(started)}"))

    thread = threading.Thread(target=load)
    thread.start()
    return thread


def present(path: Path, names: list[str]) -> list[bool]:
    db = file.reader(path)
    found = [
        db.execute("SELECT 1 FROM instance WHERE id = ?", (name,)).fetchone() is not None for name in names
    ]
    db.close()
    return found


def test_a_hub_under_load_is_copied_whole_and_goes_on(tmp_path: Path) -> None:
    """The copy has everything that was acknowledged before it began; the hub keeps its lock and loses nothing."""
    path, copy = tmp_path / "hub.db", tmp_path / "copy.db"
    with served(path) as (_, tested_hub):
        started: list[str] = []
        stop = threading.Event()
        thread = until_stopped(tested_hub, started, stop)
        eventually(lambda: len(started) >= 600, "the load")
        acknowledged = list(started)
        report = backup(path, copy)
        eventually(lambda: len(started) > report.counts["instances"], "the load during the backup")
        stop.set()
        thread.join()
        with pytest.raises(HubError, match="Another hub"):
            Hub(path).start()
        assert check(path).count == 0, "while it is served"
    assert all(present(copy, acknowledged))
    assert all(present(path, started))
    assert check(path).counts["instances"] == len(started)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".copy*")), "nothing is left behind"


def test_a_backup_overwrites_nothing(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"mine")
    assert main(["backup", str(sound), str(copy)]) == 4
    assert "overwrites nothing" in capsys.readouterr().err
    assert copy.read_bytes() == b"mine"


def test_a_damaged_file_is_not_passed_on_as_a_backup(sound: Path, tmp_path: Path) -> None:
    path, copy = tmp_path / "hub.db", tmp_path / "copy.db"
    path.write_bytes(sound.read_bytes())
    change(path, "DELETE FROM timer")
    with pytest.raises(HubError, match="damaged"):
        backup(path, copy)
    assert sorted(one.name for one in tmp_path.iterdir() if "copy" in one.name) == []


@pytest.mark.parametrize("target", ["nowhere/copy.db", "hub.db/copy.db"])
def test_a_place_that_cannot_be_written_is_named(sound: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "hub.db").write_bytes(sound.read_bytes())
    with pytest.raises(HubError, match="cannot be written to"):
        backup(tmp_path / "hub.db", tmp_path / target)


def test_what_was_acknowledged_before_the_backup_is_there_after_a_restore(tmp_path: Path) -> None:
    """The hub is killed and leaves its log, which belongs to the lost file and must not be read with the copy."""
    path, copy = tmp_path / "hub.db", tmp_path / "copy.db"
    with served(path) as (process, tested_hub):
        tested_hub.work(patient)
        for name in ("ended", "waits"):
            tested_hub.start(patient, name, instance_id=name)
            tested_hub.custom(name, '"waiting"')
        tested_hub.client.raise_orchestration_event("ended", "go", data=1)
        tested_hub.done("ended")
        backup(path, copy)
        tested_hub.start(patient, instance_id="too late")
        tested_hub.client.raise_orchestration_event("waits", "go", data="lost")
        tested_hub.done("waits")
        process.kill()
        process.wait()
    copy.replace(path)
    restored = path.read_bytes()
    with pytest.raises(HubError, match="the log of the file that was there before"):
        Hub(path).start()
    assert path.read_bytes() == restored
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).rename(tmp_path / f"away{suffix}")
    with served(path) as (_, tested_hub):
        tested_hub.work(patient)
        assert tested_hub.state("ended").serialized_output == '["ended", 1]'
        assert tested_hub.client.get_orchestration_state("too late") is None
        assert tested_hub.state("waits").runtime_status.name == "RUNNING"
        tested_hub.client.raise_orchestration_event("waits", "go", data="again")
        assert tested_hub.done("waits").serialized_output == '["waits", "again"]'


def test_a_killed_hubs_log_is_part_of_its_file(tmp_path: Path) -> None:
    """What was only in the log when the hub was killed is checked, copied, and there at the next start."""
    path = tmp_path / "hub.db"
    with served(path) as (process, tested_hub):
        tested_hub.start("any", instance_id="one")
        process.kill()
        process.wait()
    assert file.log_of(path).stat().st_size
    assert check(path).counts["instances"] == 1
    assert backup(path, tmp_path / "copy.db").counts["instances"] == 1
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        assert tested_hub.raw_state("one").instanceId == "one"
        tested_hub.close()
