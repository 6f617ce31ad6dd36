"""What every durable task hub owes its entities."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import entities, task
from durabletask.client import EntityQuery
from durabletask.entities import EntityInstanceId

from tests.support.hubs import Bench, eventually


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
        self.schedule_new_orchestration("reads", input="other", options=None) if number < 0 else None


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
    """Reads, waits for leave, and writes, with nobody in between."""
    with (yield ctx.lock_entities([ONE, OTHER])):
        before = yield ctx.call_entity(ONE, "get")
        ctx.set_custom_status("holding")
        yield ctx.wait_for_external_event("go")
        after = yield ctx.call_entity(ONE, "add", 1)
    return [before, after]


def state(bench: Bench, entity: EntityInstanceId) -> str | None:
    found = bench.client.get_entity(entity)
    return found.get_state() if found is not None else None


def test_a_signal_changes_the_state(bench: Bench) -> None:
    bench.work(entities=(Counter,))
    for number in (1, 2, 3):
        bench.client.signal_entity(ONE, "add", number)
    eventually(lambda: state(bench, ONE) == "6", "the sum")
    assert bench.client.get_entity(EntityInstanceId("Counter", "nobody")) is None


def test_a_call_returns_the_result(bench: Bench) -> None:
    bench.work(calls, entities=(Counter,))
    assert bench.done(bench.start(calls, 5)).serialized_output == "10"


def test_a_signal_comes_before_the_call_that_was_made_after_it(bench: Bench) -> None:
    bench.work(signals, entities=(Counter,))
    assert bench.done(bench.start(signals, 7)).serialized_output == "7"


def test_a_failed_operation_changes_nothing_and_tells_its_caller(bench: Bench) -> None:
    bench.work(calls_failure, calls, entities=(Counter,))
    bench.done(bench.start(calls, 1))
    assert "no" in (bench.done(bench.start(calls_failure)).serialized_output or "")
    assert state(bench, ONE) == "2"


def test_an_entity_can_signal_another(bench: Bench) -> None:
    bench.work(entities=(Counter,))
    bench.client.signal_entity(ONE, "forward", 4)
    eventually(lambda: state(bench, OTHER) == "4", "the forwarded signal")


def test_a_delayed_signal_waits(bench: Bench) -> None:
    bench.work(entities=(Counter,))
    bench.client.signal_entity(ONE, "add", 1, signal_time=datetime.now(UTC) + timedelta(days=1))
    bench.client.signal_entity(ONE, "add", 10, signal_time=datetime.now(UTC) + timedelta(milliseconds=50))
    eventually(lambda: state(bench, ONE) == "10", "the earlier signal")


@pytest.mark.sdk_wrong("lets signals through to a locked entity")
def test_a_lock_keeps_everybody_else_out(bench: Bench) -> None:
    bench.work(holds, entities=(Counter,))
    instance = bench.start(holds)
    bench.custom(instance, '"holding"')
    bench.client.signal_entity(ONE, "add", 100)
    bench.client.signal_entity(EntityInstanceId("Counter", "free"), "add", 1)
    eventually(lambda: state(bench, EntityInstanceId("Counter", "free")) == "1", "a free entity's turn")
    bench.client.raise_orchestration_event(instance, "go")
    assert bench.done(instance).serialized_output == "[0, 1]"
    eventually(lambda: state(bench, ONE) == "101", "the signal that had to wait")


def test_locks_are_granted_one_after_the_other(bench: Bench) -> None:
    bench.work(holds, entities=(Counter,))
    both = [bench.start(holds) for _ in range(2)]
    for instance in both:
        bench.client.raise_orchestration_event(instance, "go")
    outputs = sorted(bench.done(instance).serialized_output or "" for instance in both)
    assert outputs == ["[0, 1]", "[1, 2]"]


def test_a_terminated_orchestration_releases_its_locks(bench: Bench) -> None:
    bench.work(holds, entities=(Counter,))
    first = bench.start(holds)
    bench.custom(first, '"holding"')
    second = bench.start(holds)
    bench.client.raise_orchestration_event(second, "go")
    bench.client.terminate_orchestration(first)
    assert bench.done(second, timeout=3).serialized_output == "[0, 1]"


def test_entities_are_listed(bench: Bench) -> None:
    bench.work(entities=(Counter,))
    for key in ("b", "a", "c"):
        bench.client.signal_entity(EntityInstanceId("Counter", key), "add", 1)
    eventually(
        lambda: all(state(bench, EntityInstanceId("Counter", key)) == "1" for key in "abc"), "the states"
    )
    query = EntityQuery(instance_id_starts_with="@counter@", page_size=2)
    found = bench.client.get_all_entities(query)
    assert [one.id.key for one in found] == ["a", "b", "c"]
