"""The contract of every durable task hub: restart and rewind."""

import json
import threading
from collections import Counter
from typing import Any

import grpc
import pytest
from durabletask import history, task
from durabletask.client import OrchestrationStatus

from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, eventually, refused


class BreakableActivities:
    """Activities that count their runs, and fail while `broken`."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.broken = True
        self.leave = threading.Event()

    def sound(self, _ctx: task.ActivityContext, number: int) -> int:
        self.runs["sound"] += 1
        return number + 1

    def faulty(self, _ctx: task.ActivityContext, number: int) -> int:
        self.runs["faulty"] += 1
        if self.broken:
            raise OSError("out of order")
        return number * 10

    def slow(self, _ctx: task.ActivityContext, number: int) -> int:
        self.runs["slow"] += 1
        assert self.leave.wait(PATIENCE_S)
        return number

    @property
    def activities(self) -> tuple[Any, ...]:
        """Under the names by which the orchestrators below call them."""

        def sound(ctx: task.ActivityContext, number: int) -> int:
            return self.sound(ctx, number)

        def faulty(ctx: task.ActivityContext, number: int) -> int:
            return self.faulty(ctx, number)

        def slow(ctx: task.ActivityContext, number: int) -> int:
            return self.slow(ctx, number)

        return sound, faulty, slow


def line(ctx: task.OrchestrationContext, number: int) -> Any:
    before = yield ctx.call_activity("sound", input=number)
    return (yield ctx.call_activity("faulty", input=before))


def over(ctx: task.OrchestrationContext, number: int) -> Any:
    """Two levels of sub-orchestrations above the line."""
    before = yield ctx.call_activity("sound", input=number)
    if before < 3:
        return (yield ctx.call_sub_orchestrator(over, input=before, instance_id=f"over-{before}"))
    return (yield ctx.call_sub_orchestrator(line, input=before, instance_id="line"))


def side_by_side(ctx: task.OrchestrationContext, number: int) -> Any:
    """Fails while its other activity still runs."""
    slow: task.Task[int] = ctx.call_activity("slow", input=number)
    fast = yield ctx.call_activity("faulty", input=1)
    return [(yield slow), fast]


def children(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Fails while its other sub-orchestration still runs."""
    slow = ctx.call_sub_orchestrator(waits, instance_id="waits")
    fast = yield ctx.call_sub_orchestrator(line, input=1, instance_id="line")
    return [(yield slow), fast]


def waits(ctx: task.OrchestrationContext, _given: Any) -> Any:
    ctx.set_custom_status("waiting")
    return (yield ctx.wait_for_external_event("go"))


def echo(ctx: task.OrchestrationContext, given: Any) -> Any:
    return [given, ctx.version, ctx.parent_instance_id]


def family(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.call_sub_orchestrator(echo, input=1, instance_id="child"))


def failed(tested_hub: HubUnderTest, orchestrator: Any, given: Any = None) -> str:
    """Start one and see it fail; its ID."""
    state = tested_hub.done(tested_hub.start(orchestrator, given))
    assert state.runtime_status is OrchestrationStatus.FAILED
    return state.instance_id


def events(tested_hub: HubUnderTest, instance_id: str) -> list[str]:
    return [type(event).__name__ for event in tested_hub.client.get_orchestration_history(instance_id)]


def test_what_failed_runs_again_and_what_succeeded_does_not(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(line, activities=breakable.activities)
    instance = failed(tested_hub, line, 1)
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance, reason="repaired")
    state = tested_hub.done(instance)
    assert (state.runtime_status.name, state.serialized_output) == ("COMPLETED", "20")
    assert state.failure_details is None
    assert breakable.runs == {"sound": 1, "faulty": 2}


def test_a_rewind_can_be_read_in_the_history(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(line, activities=breakable.activities)
    instance = failed(tested_hub, line, 1)
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance, reason="repaired")
    tested_hub.done(instance)
    told = tested_hub.client.get_orchestration_history(instance)
    assert [one.reason for one in told if isinstance(one, history.ExecutionRewoundEvent)] == ["repaired"]
    names = events(tested_hub, instance)
    assert "TaskFailedEvent" not in names
    assert names.count("ExecutionCompletedEvent") == names.count("ExecutionStartedEvent") == 1


def test_what_fails_again_can_be_rewound_again(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(line, activities=breakable.activities)
    instance = failed(tested_hub, line, 1)
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).runtime_status is OrchestrationStatus.FAILED
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == "20"
    assert breakable.runs == {"sound": 1, "faulty": 3}


def test_a_rewind_reaches_the_sub_orchestration_that_failed(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(over, line, activities=breakable.activities)
    instance = failed(tested_hub, over, 1)
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == "40"
    assert {name: tested_hub.state(name).runtime_status.name for name in ("over-2", "line")} == {
        "over-2": "COMPLETED",
        "line": "COMPLETED",
    }
    assert breakable.runs == {"sound": 3, "faulty": 2}


def test_a_sub_orchestration_that_still_runs_is_heard_after_the_rewind(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(children, line, waits, activities=breakable.activities)
    instance = failed(tested_hub, children)
    tested_hub.custom("waits", '"waiting"')
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    tested_hub.done("line")
    tested_hub.client.raise_orchestration_event("waits", "go", data="went")
    assert json.loads(tested_hub.done(instance).serialized_output or "") == ["went", 20]


def test_a_sub_orchestration_that_ended_unheard_is_heard_after_the_rewind(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(children, line, waits, activities=breakable.activities)
    instance = failed(tested_hub, children)
    tested_hub.client.raise_orchestration_event("waits", "go", data="went")
    tested_hub.done("waits")
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    assert json.loads(tested_hub.done(instance).serialized_output or "") == ["went", 20]


def test_a_sub_orchestration_that_was_purged_starts_anew(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(over, line, activities=breakable.activities)
    instance = failed(tested_hub, over, 2)
    assert tested_hub.client.purge_orchestration("line").deleted_instance_count == 1
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == "40"
    assert breakable.runs == {"sound": 3, "faulty": 2}


@pytest.mark.sdk_wrong("fails the parent again, with no cause")
def test_a_sub_orchestration_that_was_terminated_starts_anew(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()

    def stuck(ctx: task.OrchestrationContext, _given: Any) -> Any:
        if breakable.broken:
            yield ctx.wait_for_external_event("never")
        return "went"

    def above(ctx: task.OrchestrationContext, _given: Any) -> Any:
        return (yield ctx.call_sub_orchestrator(stuck, instance_id="stuck"))

    tested_hub.work(above, stuck)
    instance = tested_hub.start(above)
    eventually(lambda: tested_hub.client.get_orchestration_state("stuck"), "the sub-orchestration")
    tested_hub.status("stuck", "RUNNING")
    tested_hub.client.terminate_orchestration("stuck")
    assert tested_hub.done(instance).runtime_status is OrchestrationStatus.FAILED
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == '"went"'


def test_an_activity_that_still_runs_is_heard_after_the_rewind(tested_hub: HubUnderTest) -> None:
    breakable = BreakableActivities()
    tested_hub.work(side_by_side, activities=breakable.activities)
    instance = failed(tested_hub, side_by_side, 7)
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    eventually(lambda: breakable.runs["faulty"] == 2, "the second attempt")
    breakable.leave.set()
    assert tested_hub.done(instance, timeout=2).serialized_output == "[7, 10]"
    assert breakable.runs["slow"] == 1


def test_what_was_continued_as_new_is_rewound_to_its_last_execution(tested_hub: HubUnderTest) -> None:
    def rounds(ctx: task.OrchestrationContext, number: int) -> Any:
        before = yield ctx.call_activity("sound", input=number)
        if number == 0:
            ctx.continue_as_new(before)
            return None
        return (yield ctx.call_activity("faulty", input=before))

    breakable = BreakableActivities()
    tested_hub.work(rounds, activities=breakable.activities)
    instance = failed(tested_hub, rounds, 0)
    breakable.broken = False
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == "20"
    assert breakable.runs == {"sound": 2, "faulty": 2}


def test_only_what_failed_can_be_rewound(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, waits)
    ended, running = tested_hub.done(tested_hub.start(echo)).instance_id, tested_hub.start(waits)
    for instance in (ended, running):
        rewinding = lambda: tested_hub.client.rewind_orchestration(instance)  # noqa: B023, E731  # called at once
        assert refused(rewinding) is grpc.StatusCode.FAILED_PRECONDITION
    assert refused(lambda: tested_hub.client.rewind_orchestration("nobody")) is grpc.StatusCode.NOT_FOUND


def test_a_restart_does_the_same_work_under_the_same_id(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    tested_hub.done(tested_hub.start(echo, {"a": 1}, instance_id="one", version="1.2"))
    first = tested_hub.raw_state("one").executionId.value
    assert tested_hub.client.restart_orchestration("one") == "one"
    assert tested_hub.done("one").serialized_output == '[{"a": 1}, "1.2", null]'
    assert tested_hub.raw_state("one").executionId.value != first or not first
    assert events(tested_hub, "one").count("ExecutionStartedEvent") == 1


def test_a_restart_under_a_new_id_keeps_the_old_one(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    tested_hub.done(tested_hub.start(echo, 1, instance_id="one"))
    other = tested_hub.client.restart_orchestration("one", restart_with_new_instance_id=True)
    assert other != "one"
    assert tested_hub.done(other).serialized_output == tested_hub.state("one").serialized_output


def test_a_restarted_sub_orchestration_is_on_its_own(tested_hub: HubUnderTest) -> None:
    tested_hub.work(family, echo)
    tested_hub.done(tested_hub.start(family))
    tested_hub.client.restart_orchestration("child")
    assert tested_hub.done("child").serialized_output == "[1, null, null]"


def test_only_what_has_ended_can_be_restarted(tested_hub: HubUnderTest) -> None:
    tested_hub.work(waits)
    running = tested_hub.start(waits)
    again = lambda: tested_hub.client.restart_orchestration(running)  # noqa: E731  # one line says it
    assert refused(again) is grpc.StatusCode.FAILED_PRECONDITION
    assert refused(lambda: tested_hub.client.restart_orchestration("nobody")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.sdk_wrong("forgets tags")
def test_a_restart_keeps_the_tags(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    tested_hub.done(tested_hub.start(echo, instance_id="one", tags={"team": "blue"}))
    tested_hub.client.restart_orchestration("one")
    tested_hub.done("one")
    assert dict(tested_hub.raw_state("one").tags) == {"team": "blue"}
