"""Instances that ended a while ago are packed into a fraction of the bytes, and read the same as before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import DecodeError

from orchestration.hub import Hub, SystemClock
from orchestration.hub.engine import instances
from orchestration.hub.protocol import packing
from orchestration.hub.storage import file
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import AfterCommit, Transaction
from orchestration.hub.upkeep import history_packer
from orchestration.hub.upkeep.check import check
from tests.support.hubs import HubUnderTest, eventually

LONG_TEXT = "the same words again and again, " * 40
MANY = 200  # this many times the text is more than is packed on the event loop


def echo(_ctx: task.ActivityContext, given: Any) -> Any:
    return given


def steps(ctx: task.OrchestrationContext, given: int) -> Any:
    """So many turns, each with a long text."""
    for _ in range(4):
        yield ctx.call_activity(echo, input=LONG_TEXT * given)
    return "done"


def failing(ctx: task.OrchestrationContext, given: int) -> Any:
    yield ctx.call_activity(echo, input=given)
    yield ctx.call_activity("nobody_has_this")


def patient(ctx: task.OrchestrationContext, given: int) -> Any:
    yield ctx.call_activity(echo, input=given)
    return (yield ctx.wait_for_external_event("go"))


def pieces(path: Path) -> dict[str, list[int]]:
    """By instance: the numbers of the turns that its history has pieces of."""
    found: dict[str, list[int]] = {}
    with closing(sqlite3.connect(path)) as db:
        for name, turn in db.execute(
            "SELECT i.id, h.turn FROM history AS h JOIN instance AS i ON i.key = h.instance ORDER BY h.turn"
        ):
            found.setdefault(name, []).append(turn)
    return found


def weight(path: Path, instance_id: str) -> int:
    """The bytes of a history, as stored."""
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute(
            "SELECT sum(length(events)) FROM history JOIN instance ON key = instance WHERE id = ?",
            (instance_id,),
        ).fetchone()[0]
    return found


def test_what_ended_is_packed_after_an_hour_and_reads_as_before(
    hub: Hub, ours: HubUnderTest, tmp_path: Path
) -> None:
    path = tmp_path / "hub.db"
    ours.work(steps, failing, patient, activities=(echo,))
    for name, orchestrator in (("ended", steps), ("long", steps), ("failed", failing), ("stopped", patient)):
        ours.start(orchestrator, MANY if name == "long" else 1, instance_id=name)
    ours.start(patient, instance_id="waits")
    for name in ("ended", "long", "failed"):
        ours.done(name)
    eventually(lambda: len(pieces(path).get("stopped", [])) == 2 == len(pieces(path).get("waits", [])))
    ours.client.terminate_orchestration("stopped")
    ours.done("stopped")
    names = ("ended", "long", "failed", "stopped", "waits")
    before = {name: ours.client.get_orchestration_history(name) for name in names}
    turns, size = pieces(path), weight(path, "ended")
    hub.advance(timedelta(minutes=59))
    ours.done(ours.start(steps, 1, instance_id="later"))
    assert pieces(path) == turns | {"later": pieces(path)["later"]}
    hub.advance(timedelta(minutes=2))
    packed = (
        turns
        | {"later": pieces(path)["later"]}
        | {name: [packing.PACKED] for name in ("ended", "long", "stopped")}
    )
    eventually(lambda: pieces(path) == packed, "the packing")
    assert {name: ours.client.get_orchestration_history(name) for name in names} == before
    assert weight(path, "ended") < size / 4
    report = check(path)
    assert not report.count, report.text()
    ours.client.purge_orchestration("ended")
    ours.client.restart_orchestration("stopped")
    ours.client.raise_orchestration_event("stopped", "go", data=1)
    assert ours.done("stopped").serialized_output == "1"
    ours.client.rewind_orchestration("failed")
    assert ours.done("failed").runtime_status.name == "FAILED"


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-5], lambda whole: b"\x00" + whole[1:], lambda _whole: b""]
)
def test_a_packed_history_that_is_damaged_says_so(damage: Any) -> None:
    whole = packing.pack([b"one", b"two"])
    assert packing.plain(packing.PACKED, whole) == b"onetwo"
    assert packing.plain(0, b"one") == b"one"
    with pytest.raises(DecodeError, match="cannot be unpacked"):
        packing.plain(packing.PACKED, damage(whole))


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "UPDATE history SET events = x'00'",
            "history: turn -1 of 'one' cannot be read: it cannot be unpacked",
        ),
        (
            "UPDATE instance SET completed_at = NULL, status = 0",
            "history: 'one' has 1 pieces, from turn -1 to -1",
        ),
        ("INSERT INTO history VALUES (1, 5, x'')", "history: 'one' has 2 pieces, from turn -1 to 5"),
    ],
)
def test_a_check_finds_what_cannot_be_so(tmp_path: Path, statement: str, fault: str) -> None:
    path = tmp_path / "hub.db"
    with closing(file.connect(path)) as db:
        tx = Transaction(db, SystemClock(), AfterCommit())
        instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any"))
        db.execute("DELETE FROM inbox")
        db.execute("UPDATE instance SET completed_at = 1, turns = 1, status = 1")
        tx.do(Q.history_add, 1, packing.PACKED, packing.pack([]))
        db.execute(statement)
    assert fault in check(path).text()


def test_what_changed_since_it_was_read_is_left_alone(tmp_path: Path) -> None:
    with closing(file.connect(tmp_path / "hub.db")) as db:
        tx = Transaction(db, SystemClock(), AfterCommit())
        for name in ("one", "gone"):
            instances.start(tx, pb.CreateInstanceRequest(instanceId=name, name="any"))
        db.execute("UPDATE instance SET completed_at = 1, turns = 1, status = 1")
        for key in (1, 2):
            tx.do(Q.history_add, key, 0, b"turn 0")
        found, position = history_packer._next(tx, 1, (-1, ""))
        packed = history_packer._pack(found)
        assert position == (1, "one")
        tx.do(Q.history_add, 1, 1, b"turn 1")
        db.execute("DELETE FROM instance WHERE key = 2")
        history_packer._replace(tx, packed)
        assert [row["turn"] for row in tx.all(Q.history_of, 1)] == [0, 1]
        assert [row["turn"] for row in tx.all(Q.history_of, 2)] == [0]
