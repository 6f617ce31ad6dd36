"""What every durable task hub owes those who look at its entities, lock several, and tidy up."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import entities, task
from durabletask.client import EntityQuery
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub
from tests.support.hubs import Bench, eventually, refused

LARGE = 900_000


class Box(entities.DurableEntity):
    """Holds a number, or a heap."""

    def add(self, number: int) -> int:
        self.set_state(self.get_state(int, 0) + number)
        return self.get_state(int, 0)

    def look(self) -> int:
        return self.get_state(int, 0)

    def heap(self) -> None:
        self.set_state("x" * LARGE)

    def later(self, milliseconds: int) -> None:
        """Signals itself, soon and in a day."""
        for delay, number in ((timedelta(milliseconds=milliseconds), 1), (timedelta(days=1), 10)):
            self.signal_entity(box("self"), "add", number, signal_time=datetime.now(UTC) + delay)

    def begin(self, number: int) -> None:
        self.schedule_new_orchestration("echo", input=number, instance_id=f"begun-{number}")


def box(key: str) -> EntityInstanceId:
    return EntityInstanceId("Box", key)


def echo(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


def takes(ctx: task.OrchestrationContext, keys: list[str]) -> Any:
    """Counts in each of these, with nobody in between."""
    with (yield ctx.lock_entities([box(key) for key in keys])):
        for key in keys:
            before = yield ctx.call_entity(box(key), "look")
            after = yield ctx.call_entity(box(key), "add", 1)
            if after != before + 1:
                return "somebody was in between"
    return "alone"


def holds(ctx: task.OrchestrationContext, keys: list[str]) -> Any:
    with (yield ctx.lock_entities([box(key) for key in keys])):
        ctx.set_custom_status("holding")
        yield ctx.wait_for_external_event("go")


def sends(ctx: task.OrchestrationContext, _given: Any) -> Any:
    now = ctx.current_utc_datetime
    ctx.signal_entity(box("a"), "add", 1, signal_time=now + timedelta(milliseconds=50))
    ctx.signal_entity(box("a"), "add", 10, signal_time=now + timedelta(days=1))
    return "sent"
    yield  # a generator: signals need no answer, and so no turn


def raw(bench: Bench, key: str) -> pb.EntityMetadata:
    request = pb.GetEntityRequest(instanceId=str(box(key)), includeState=True)
    return bench.stub.GetEntity(request).entity


def filled(bench: Bench, *keys: str) -> None:
    """Put 1 into each of these boxes, one after the other."""
    for key in keys:
        bench.client.signal_entity(box(key), "add", 1)
        eventually(lambda key=key: raw(bench, key).serializedState.value == "1", key)


def emptied(bench: Bench, key: str) -> None:
    """Have an entity that was asked something, and remembers nothing."""
    bench.client.signal_entity(box(key), "look")
    request = pb.GetEntityRequest(instanceId=str(box(key)))

    def looked_at() -> bool:
        response = bench.stub.GetEntity(request)
        return response.exists and response.entity.backlogQueueSize == 0

    eventually(looked_at, key)


def listed(bench: Bench, **filters: Any) -> list[str]:
    return [one.id.key for one in bench.client.get_all_entities(EntityQuery(**filters))]


def test_entities_are_listed_by_when_they_changed(bench: Bench) -> None:
    bench.work(entities=(Box,))
    filled(bench, "a", "b", "c")
    middle, last = (raw(bench, key).lastModifiedTime.ToDatetime(UTC) for key in "bc")
    assert listed(bench, last_modified_from=middle) == ["b", "c"]
    assert listed(bench, last_modified_to=last) == ["a", "b"]


def test_states_are_listed_only_where_they_are_asked_for(bench: Bench) -> None:
    bench.work(entities=(Box,))
    filled(bench, "a")
    (seen,) = bench.client.get_all_entities(EntityQuery(include_state=True))
    (unseen,) = bench.client.get_all_entities(EntityQuery(include_state=False))
    assert (seen.get_state(), unseen.get_state()) == ("1", None)
    known = bench.client.get_entity(box("a"), include_state=False)
    assert known is not None
    assert known.get_state() is None


@pytest.mark.sdk_wrong("lists entities that remember nothing, whatever was asked")
def test_entities_that_remember_nothing_are_listed_where_they_are_asked_for(bench: Bench) -> None:
    bench.work(entities=(Box,))
    filled(bench, "a")
    emptied(bench, "b")
    assert listed(bench, include_transient=False) == ["a"]
    assert listed(bench, include_transient=True) == ["a", "b"]


@pytest.mark.sdk_wrong("sends them all at once")
def test_large_states_come_in_pages_that_a_client_can_take(bench: Bench) -> None:
    bench.work(entities=(Box,))
    for key in "abcde":
        bench.client.signal_entity(box(key), "heap")
    for key in "abcde":
        request = pb.GetEntityRequest(instanceId=str(box(key)), includeState=True)
        eventually(lambda request=request: bench.stub.GetEntity(request).entity.serializedState.value, key)
    query = pb.EntityQuery(includeState=True)
    sizes = []
    while not sizes or query.continuationToken.value:
        page = bench.stub.QueryEntities(pb.QueryEntitiesRequest(query=query))
        sizes.append(len(page.entities))
        query.continuationToken.value = page.continuationToken.value
    assert (sum(sizes), len(sizes)) == (5, 2)


def test_entities_that_remember_nothing_are_removed(bench: Bench) -> None:
    bench.work(entities=(Box,))
    filled(bench, "a")
    emptied(bench, "b")
    kept = bench.client.clean_entity_storage(remove_empty_entities=False)
    assert (kept.empty_entities_removed, kept.orphaned_locks_released) == (0, 0)
    removed = bench.client.clean_entity_storage()
    assert (removed.empty_entities_removed, removed.orphaned_locks_released) == (1, 0)
    assert bench.client.get_entity(box("b")) is None
    assert bench.client.get_entity(box("a")) is not None


def test_what_was_removed_can_be_signaled_again(ours: Bench) -> None:
    ours.work(entities=(Box,))
    emptied(ours, "a")
    ours.client.clean_entity_storage()
    filled(ours, "a")


@pytest.mark.sdk_wrong("removes an entity that is locked, for its being empty")
def test_a_lock_that_is_held_is_not_an_orphan(bench: Bench) -> None:
    bench.work(holds, takes, entities=(Box,))
    instance = bench.start(holds, ["a", "b"])
    bench.custom(instance, '"holding"')
    cleaned = bench.client.clean_entity_storage()
    assert (cleaned.empty_entities_removed, cleaned.orphaned_locks_released) == (0, 0)
    assert raw(bench, "a").lockedBy.value == instance


def test_an_orphaned_lock_is_released(tmp_path: Path) -> None:
    """A hub of ours leaves none behind; this file was changed by hand."""
    with Hub(tmp_path / "hub.db") as hub:
        bench = Bench(hub.address)
        bench.work(entities=(Box,))
        filled(bench, "a", "b")
        bench.close()
    db = sqlite3.connect(tmp_path / "hub.db")
    db.execute("UPDATE entity SET lock_section = 's', lock_owner = 'gone', lock_owner_execution = 'x'")
    db.commit()
    db.close()
    with Hub(tmp_path / "hub.db") as hub:
        bench = Bench(hub.address)
        bench.client.signal_entity(box("a"), "add", 1)
        assert bench.client.clean_entity_storage(release_orphaned_locks=False).orphaned_locks_released == 0
        assert bench.client.clean_entity_storage().orphaned_locks_released == 2
        bench.work(entities=(Box,))
        eventually(lambda: raw(bench, "a").serializedState.value == "2", "the signal that had to wait")
        bench.close()


def test_a_thousand_entities_are_cleaned_in_several_steps(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db"):
        pass
    db = sqlite3.connect(tmp_path / "hub.db")
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    rows = [(f"@box@{number:04}", now, None if number % 2 else "1") for number in range(1001)]
    db.executemany("INSERT INTO entity (id, updated_at, state) VALUES (?, ?, ?)", rows)
    db.commit()
    db.close()
    with Hub(tmp_path / "hub.db") as hub:
        bench = Bench(hub.address)
        first = bench.stub.CleanEntityStorage(pb.CleanEntityStorageRequest(removeEmptyEntities=True))
        assert (first.emptyEntitiesRemoved, bool(first.continuationToken.value)) == (250, True)
        assert bench.client.clean_entity_storage().empty_entities_removed == 250
        assert len(listed(bench, include_transient=True)) == 501
        bench.close()


def test_locks_on_several_never_block_one_another(bench: Bench) -> None:
    """Each takes two of three; were they not taken in one order, all would wait for ever."""
    bench.work(takes, entities=(Box,))
    pairs = [["a", "b"], ["b", "c"], ["c", "a"]] * 3
    instances = [bench.start(takes, pair) for pair in pairs]
    assert {bench.done(instance).serialized_output for instance in instances} == {'"alone"'}
    assert [raw(bench, key).serializedState.value for key in "abc"] == ["6", "6", "6"]
    assert [raw(bench, key).lockedBy.value for key in "abc"] == ["", "", ""]


def test_who_is_terminated_while_it_waits_for_a_lock_blocks_nobody(bench: Bench) -> None:
    bench.work(holds, takes, entities=(Box,))
    holders = [bench.start(holds, [key]) for key in "bc"]
    for holder in holders:
        bench.custom(holder, '"holding"')
    waiting = bench.start(takes, ["a", "b", "c"])
    bench.client.wait_for_orchestration_start(waiting, timeout=10)
    bench.client.terminate_orchestration(waiting)
    assert bench.done(bench.start(takes, ["a"]), timeout=1).serialized_output == '"alone"'
    bench.client.raise_orchestration_event(holders[0], "go")
    bench.done(holders[0])
    assert bench.done(bench.start(takes, ["a", "b"]), timeout=1).serialized_output == '"alone"'


@pytest.mark.sdk_wrong("leaves them locked by nobody")
def test_an_orchestration_that_replaces_another_frees_its_locks(bench: Bench) -> None:
    bench.work(holds, takes, entities=(Box,))
    bench.start(holds, ["a"], instance_id="one")
    bench.custom("one", '"holding"')
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_RUNNING])
    bench.start(takes, ["a"], instance_id="one", reuse_id_policy=policy)
    assert bench.done("one", timeout=1).serialized_output == '"alone"'


def test_an_orchestrations_delayed_signal_waits(bench: Bench) -> None:
    bench.work(sends, entities=(Box,))
    bench.done(bench.start(sends))
    eventually(lambda: raw(bench, "a").serializedState.value == "1", "the earlier signal")


def test_an_entitys_delayed_signal_waits(bench: Bench) -> None:
    bench.work(entities=(Box,))
    bench.client.signal_entity(box("self"), "later", 50)
    eventually(lambda: raw(bench, "self").serializedState.value == "1", "the earlier signal")


def test_a_delayed_signal_outlives_the_hub(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db") as hub:
        bench = Bench(hub.address)
        bench.client.signal_entity(
            box("a"), "add", 1, signal_time=datetime.now(UTC) + timedelta(milliseconds=50)
        )
        bench.close()
    with Hub(tmp_path / "hub.db") as hub:
        bench = Bench(hub.address)
        bench.work(entities=(Box,))
        eventually(lambda: raw(bench, "a").serializedState.value == "1", "the signal")
        bench.close()


def test_an_entity_can_start_an_orchestration(bench: Bench) -> None:
    bench.work(echo, entities=(Box,))
    bench.client.signal_entity(box("a"), "begin", 7)
    eventually(lambda: bench.client.get_orchestration_state("begun-7"), "the orchestration")
    assert bench.done("begun-7").serialized_output == "7"


@pytest.mark.sdk_wrong("takes a signal for anything")
def test_a_signal_for_what_is_no_entity_is_refused(bench: Bench) -> None:
    request = pb.SignalEntityRequest(instanceId="one", name="add", requestId="1")
    assert refused(lambda: bench.stub.SignalEntity(request)) is grpc.StatusCode.INVALID_ARGUMENT
