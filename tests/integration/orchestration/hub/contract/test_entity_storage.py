"""The contract of every durable task hub: queries, locks and cleaning of entities."""

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
from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, eventually, refused

LARGE = 900_000


class Box(entities.DurableEntity):
    """Holds a number, or a large text."""

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
    """Counts in each of these entities while it holds all locks."""
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


def raw(tested_hub: HubUnderTest, key: str) -> pb.EntityMetadata:
    request = pb.GetEntityRequest(instanceId=str(box(key)), includeState=True)
    return tested_hub.stub.GetEntity(request).entity


def filled(tested_hub: HubUnderTest, *keys: str) -> None:
    """Put 1 into each of these boxes, one after the other."""
    for key in keys:
        tested_hub.client.signal_entity(box(key), "add", 1)
        eventually(lambda key=key: raw(tested_hub, key).serializedState.value == "1", key)


def emptied(tested_hub: HubUnderTest, key: str) -> None:
    """Make an entity that has got an operation and has no state."""
    tested_hub.client.signal_entity(box(key), "look")
    request = pb.GetEntityRequest(instanceId=str(box(key)))

    def looked_at() -> bool:
        response = tested_hub.stub.GetEntity(request)
        return response.exists and response.entity.backlogQueueSize == 0

    eventually(looked_at, key)


def listed(tested_hub: HubUnderTest, **filters: Any) -> list[str]:
    return [one.id.key for one in tested_hub.client.get_all_entities(EntityQuery(**filters))]


def test_entities_are_listed_by_when_they_changed(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Box,))
    filled(tested_hub, "a", "b", "c")
    middle, last = (raw(tested_hub, key).lastModifiedTime.ToDatetime(UTC) for key in "bc")
    assert listed(tested_hub, last_modified_from=middle) == ["b", "c"]
    assert listed(tested_hub, last_modified_to=last) == ["a", "b"]


def test_states_are_listed_only_where_they_are_asked_for(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Box,))
    filled(tested_hub, "a")
    (seen,) = tested_hub.client.get_all_entities(EntityQuery(include_state=True))
    (unseen,) = tested_hub.client.get_all_entities(EntityQuery(include_state=False))
    assert (seen.get_state(), unseen.get_state()) == ("1", None)
    known = tested_hub.client.get_entity(box("a"), include_state=False)
    assert known is not None
    assert known.get_state() is None


@pytest.mark.sdk_wrong("lists entities that remember nothing, whatever was asked")
def test_entities_that_remember_nothing_are_listed_where_they_are_asked_for(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Box,))
    filled(tested_hub, "a")
    emptied(tested_hub, "b")
    assert listed(tested_hub, include_transient=False) == ["a"]
    assert listed(tested_hub, include_transient=True) == ["a", "b"]


@pytest.mark.sdk_wrong("sends them all at once")
def test_large_states_come_in_pages_that_a_client_can_take(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Box,))
    for key in "abcde":
        tested_hub.client.signal_entity(box(key), "heap")
    for key in "abcde":
        request = pb.GetEntityRequest(instanceId=str(box(key)), includeState=True)
        eventually(
            lambda request=request: tested_hub.stub.GetEntity(request).entity.serializedState.value, key
        )
    query = pb.EntityQuery(includeState=True)
    sizes: list[int] = []
    while not sizes or query.continuationToken.value:
        page = tested_hub.stub.QueryEntities(pb.QueryEntitiesRequest(query=query))
        sizes.append(len(page.entities))
        query.continuationToken.value = page.continuationToken.value
    assert (sum(sizes), len(sizes)) == (5, 2)


KEYS = [
    "",
    "A",
    "z",
    "~",
    "\x7f",
    "\x80",
    "ä",
    "ö1",
    "\ud7ff",
    "\ue000",
    "日本",
    "\uffff",
    "\U0001f5f3",
    "\U0010ffff",
]
# The prefixes that are looked for. The keys are `x` followed by each of the above.
PREFIXES = ["", "x", "xä", "xö", "x\ud7ff", "x日", "x\uffff", "x\U0010ffff", "\U0010ffff", "y"]


def test_a_prefix_finds_ids_of_any_script_in_the_order_of_paging(ours: HubUnderTest) -> None:
    keys = sorted([*(f"x{key}" for key in KEYS), *KEYS[1:]])
    for key in keys:
        ours.stub.SignalEntity(pb.SignalEntityRequest(instanceId=f"@box@{key}", name="add"))
    for prefix in PREFIXES:
        found = listed(ours, instance_id_starts_with=f"@box@{prefix}", include_transient=True, page_size=3)
        assert found == [key for key in keys if key.startswith(prefix)], f"{prefix!r}"


def test_a_prefix_may_end_with_the_last_character_of_all(ours: HubUnderTest) -> None:
    """There is then no text after those with the prefix."""
    ours.stub.SignalEntity(pb.SignalEntityRequest(instanceId="@box@a", name="add"))
    query = pb.EntityQuery(includeTransient=True)
    query.instanceIdStartsWith.value = "\U0010ffff"
    assert not ours.stub.QueryEntities(pb.QueryEntitiesRequest(query=query)).entities


def test_entities_that_remember_nothing_are_removed(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Box,))
    filled(tested_hub, "a")
    emptied(tested_hub, "b")
    kept = tested_hub.client.clean_entity_storage(remove_empty_entities=False)
    assert (kept.empty_entities_removed, kept.orphaned_locks_released) == (0, 0)
    removed = tested_hub.client.clean_entity_storage()
    assert (removed.empty_entities_removed, removed.orphaned_locks_released) == (1, 0)
    assert tested_hub.client.get_entity(box("b")) is None
    assert tested_hub.client.get_entity(box("a")) is not None


def test_what_was_removed_can_be_signaled_again(ours: HubUnderTest) -> None:
    ours.work(entities=(Box,))
    emptied(ours, "a")
    ours.client.clean_entity_storage()
    filled(ours, "a")


@pytest.mark.sdk_wrong("removes an entity that is locked, for its being empty")
def test_a_lock_that_is_held_is_not_an_orphan(tested_hub: HubUnderTest) -> None:
    tested_hub.work(holds, takes, entities=(Box,))
    instance = tested_hub.start(holds, ["a", "b"])
    tested_hub.custom(instance, '"holding"')
    cleaned = tested_hub.client.clean_entity_storage()
    assert (cleaned.empty_entities_removed, cleaned.orphaned_locks_released) == (0, 0)
    assert raw(tested_hub, "a").lockedBy.value == instance


def test_an_orphaned_lock_is_released(tmp_path: Path) -> None:
    """Our hub leaves no such lock, so the test changes the file."""
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.work(entities=(Box,))
        filled(tested_hub, "a", "b")
        tested_hub.close()
    db = sqlite3.connect(tmp_path / "hub.db")
    db.execute("UPDATE entity SET lock_section = 's', lock_owner = 'gone', lock_owner_execution = 'x'")
    db.commit()
    db.close()
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.client.signal_entity(box("a"), "add", 1)
        assert (
            tested_hub.client.clean_entity_storage(release_orphaned_locks=False).orphaned_locks_released == 0
        )
        assert tested_hub.client.clean_entity_storage().orphaned_locks_released == 2
        tested_hub.work(entities=(Box,))
        eventually(lambda: raw(tested_hub, "a").serializedState.value == "2", "the signal that had to wait")
        tested_hub.close()


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
        tested_hub = HubUnderTest(hub.address)
        first = tested_hub.stub.CleanEntityStorage(pb.CleanEntityStorageRequest(removeEmptyEntities=True))
        assert (first.emptyEntitiesRemoved, bool(first.continuationToken.value)) == (250, True)
        assert tested_hub.client.clean_entity_storage().empty_entities_removed == 250
        assert len(listed(tested_hub, include_transient=True)) == 501
        tested_hub.close()


def test_locks_on_several_never_block_one_another(tested_hub: HubUnderTest) -> None:
    """Each takes two locks of three. If they were not taken in one order, all could wait for ever."""
    tested_hub.work(takes, entities=(Box,))
    pairs = [["a", "b"], ["b", "c"], ["c", "a"]] * 3
    instances = [tested_hub.start(takes, pair) for pair in pairs]
    assert {tested_hub.done(instance).serialized_output for instance in instances} == {'"alone"'}
    assert [raw(tested_hub, key).serializedState.value for key in "abc"] == ["6", "6", "6"]
    assert [raw(tested_hub, key).lockedBy.value for key in "abc"] == ["", "", ""]


def test_who_is_terminated_while_it_waits_for_a_lock_blocks_nobody(tested_hub: HubUnderTest) -> None:
    tested_hub.work(holds, takes, entities=(Box,))
    holders = [tested_hub.start(holds, [key]) for key in "bc"]
    for holder in holders:
        tested_hub.custom(holder, '"holding"')
    waiting = tested_hub.start(takes, ["a", "b", "c"])
    tested_hub.client.wait_for_orchestration_start(waiting, timeout=PATIENCE_S)
    tested_hub.client.terminate_orchestration(waiting)
    assert tested_hub.done(tested_hub.start(takes, ["a"]), timeout=1).serialized_output == '"alone"'
    tested_hub.client.raise_orchestration_event(holders[0], "go")
    tested_hub.done(holders[0])
    assert tested_hub.done(tested_hub.start(takes, ["a", "b"]), timeout=1).serialized_output == '"alone"'


@pytest.mark.sdk_wrong("leaves them locked by nobody")
def test_an_orchestration_that_replaces_another_frees_its_locks(tested_hub: HubUnderTest) -> None:
    tested_hub.work(holds, takes, entities=(Box,))
    tested_hub.start(holds, ["a"], instance_id="one")
    tested_hub.custom("one", '"holding"')
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_RUNNING])
    tested_hub.start(takes, ["a"], instance_id="one", reuse_id_policy=policy)
    assert tested_hub.done("one", timeout=1).serialized_output == '"alone"'


def test_an_orchestrations_delayed_signal_waits(tested_hub: HubUnderTest) -> None:
    tested_hub.work(sends, entities=(Box,))
    tested_hub.done(tested_hub.start(sends))
    eventually(lambda: raw(tested_hub, "a").serializedState.value == "1", "the earlier signal")


def test_an_entitys_delayed_signal_waits(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Box,))
    tested_hub.client.signal_entity(box("self"), "later", 50)
    eventually(lambda: raw(tested_hub, "self").serializedState.value == "1", "the earlier signal")


def test_a_delayed_signal_outlives_the_hub(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.client.signal_entity(
            box("a"), "add", 1, signal_time=datetime.now(UTC) + timedelta(milliseconds=50)
        )
        tested_hub.close()
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.work(entities=(Box,))
        eventually(lambda: raw(tested_hub, "a").serializedState.value == "1", "the signal")
        tested_hub.close()


def test_an_entity_can_start_an_orchestration(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, entities=(Box,))
    tested_hub.client.signal_entity(box("a"), "begin", 7)
    eventually(lambda: tested_hub.client.get_orchestration_state("begun-7"), "the orchestration")
    assert tested_hub.done("begun-7").serialized_output == "7"


@pytest.mark.sdk_wrong("takes a signal for anything")
def test_a_signal_for_what_is_no_entity_is_refused(tested_hub: HubUnderTest) -> None:
    request = pb.SignalEntityRequest(instanceId="one", name="add", requestId="1")
    assert refused(lambda: tested_hub.stub.SignalEntity(request)) is grpc.StatusCode.INVALID_ARGUMENT
