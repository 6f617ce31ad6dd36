"""The contract of every durable task hub: entities."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import entities, task
from durabletask.client import EntityQuery
from durabletask.entities import EntityInstanceId

from tests.support.hubs import HubUnderTest, eventually


class Counter(entities.DurableEntity):
    """Adds up what it is given."""

    def add(self, number: int) -> int:
        self.set_state(self.get_state(int, 0) + number)
        return self.get_state(int, 0)

    def get(self) -> int:
        return self.get_state(int, 0)

    def fail(self) -> None:
        self.set_state(-1)
        raise ValueError("no")

    def forward(self, number: int) -> None:
        self.signal_entity(EntityInstanceId("Counter", "other"), "add", number)


ONE = EntityInstanceId("Counter", "one")
OTHER = EntityInstanceId("Counter", "other")


def calls(ctx: task.OrchestrationContext, number: int) -> Any:
    yield ctx.call_entity(ONE, "add", number)
    return (yield ctx.call_entity(ONE, "add", number))


def calls_failure(ctx: task.OrchestrationContext, _given: Any) -> Any:
    try:
        yield ctx.call_entity(ONE, "fail")
    except task.TaskFailedError as error:
        return str(error)


def signals(ctx: task.OrchestrationContext, number: int) -> Any:
    ctx.signal_entity(ONE, "add", number)
    return (yield ctx.call_entity(ONE, "get"))


def holds(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Reads, waits for an event, and writes, while it holds the lock."""
    with (yield ctx.lock_entities([ONE, OTHER])):
        before = yield ctx.call_entity(ONE, "get")
        ctx.set_custom_status("holding")
        yield ctx.wait_for_external_event("go")
        after = yield ctx.call_entity(ONE, "add", 1)
    return [before, after]


def state(tested_hub: HubUnderTest, entity: EntityInstanceId) -> str | None:
    found = tested_hub.client.get_entity(entity)
    return found.get_state() if found is not None else None


def test_a_signal_changes_the_state(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Counter,))
    for number in (1, 2, 3):
        tested_hub.client.signal_entity(ONE, "add", number)
    eventually(lambda: state(tested_hub, ONE) == "6", "the sum")
    assert tested_hub.client.get_entity(EntityInstanceId("Counter", "nobody")) is None


def test_a_call_returns_the_result(tested_hub: HubUnderTest) -> None:
    tested_hub.work(calls, entities=(Counter,))
    assert tested_hub.done(tested_hub.start(calls, 5)).serialized_output == "10"


def test_a_signal_comes_before_the_call_that_was_made_after_it(tested_hub: HubUnderTest) -> None:
    tested_hub.work(signals, entities=(Counter,))
    assert tested_hub.done(tested_hub.start(signals, 7)).serialized_output == "7"


def test_a_failed_operation_changes_nothing_and_tells_its_caller(tested_hub: HubUnderTest) -> None:
    tested_hub.work(calls_failure, calls, entities=(Counter,))
    tested_hub.done(tested_hub.start(calls, 1))
    assert "no" in (tested_hub.done(tested_hub.start(calls_failure)).serialized_output or "")
    assert state(tested_hub, ONE) == "2"


def test_an_entity_can_signal_another(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Counter,))
    tested_hub.client.signal_entity(ONE, "forward", 4)
    eventually(lambda: state(tested_hub, OTHER) == "4", "the forwarded signal")


def test_a_delayed_signal_waits(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Counter,))
    tested_hub.client.signal_entity(ONE, "add", 1, signal_time=datetime.now(UTC) + timedelta(days=1))
    tested_hub.client.signal_entity(
        ONE, "add", 10, signal_time=datetime.now(UTC) + timedelta(milliseconds=50)
    )
    eventually(lambda: state(tested_hub, ONE) == "10", "the earlier signal")


@pytest.mark.sdk_wrong("lets signals through to a locked entity")
def test_a_lock_keeps_everybody_else_out(tested_hub: HubUnderTest) -> None:
    tested_hub.work(holds, entities=(Counter,))
    instance = tested_hub.start(holds)
    tested_hub.custom(instance, '"holding"')
    tested_hub.client.signal_entity(ONE, "add", 100)
    tested_hub.client.signal_entity(EntityInstanceId("Counter", "free"), "add", 1)
    eventually(lambda: state(tested_hub, EntityInstanceId("Counter", "free")) == "1", "a free entity's turn")
    tested_hub.client.raise_orchestration_event(instance, "go")
    assert tested_hub.done(instance).serialized_output == "[0, 1]"
    eventually(lambda: state(tested_hub, ONE) == "101", "the signal that had to wait")


def test_locks_are_granted_one_after_the_other(tested_hub: HubUnderTest) -> None:
    tested_hub.work(holds, entities=(Counter,))
    both = [tested_hub.start(holds) for _ in range(2)]
    for instance in both:
        tested_hub.client.raise_orchestration_event(instance, "go")
    outputs = sorted(tested_hub.done(instance).serialized_output or "" for instance in both)
    assert outputs == ["[0, 1]", "[1, 2]"]


def test_a_terminated_orchestration_releases_its_locks(tested_hub: HubUnderTest) -> None:
    tested_hub.work(holds, entities=(Counter,))
    first = tested_hub.start(holds)
    tested_hub.custom(first, '"holding"')
    second = tested_hub.start(holds)
    tested_hub.client.raise_orchestration_event(second, "go")
    tested_hub.client.terminate_orchestration(first)
    assert tested_hub.done(second, timeout=3).serialized_output == "[0, 1]"


def test_entities_are_listed(tested_hub: HubUnderTest) -> None:
    tested_hub.work(entities=(Counter,))
    for key in ("b", "a", "c"):
        tested_hub.client.signal_entity(EntityInstanceId("Counter", key), "add", 1)
    eventually(
        lambda: all(state(tested_hub, EntityInstanceId("Counter", key)) == "1" for key in "abc"), "the states"
    )
    query = EntityQuery(instance_id_starts_with="@counter@", page_size=2)
    found = tested_hub.client.get_all_entities(query)
    assert [one.id.key for one in found] == ["a", "b", "c"]
