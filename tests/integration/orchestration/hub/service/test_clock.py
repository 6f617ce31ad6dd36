"""Skipping time: deterministic, durable, and for orchestrations as if the time had passed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import task

from orchestration.hub import Hub, HubError, SkippableClock
from orchestration.hub.service.clock_client import ClockClient
from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, eventually

HOUR = timedelta(hours=1)


def act(_ctx: task.ActivityContext, given: Any) -> Any:
    return given


def reminders(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Reminds every twelve hours, by an activity, until the deadline of two days; returns the hours that it saw."""
    began = ctx.current_utc_datetime
    deadline = ctx.create_timer(48 * HOUR)
    hours: list[float] = []
    while True:
        reminder = ctx.create_timer(12 * HOUR)
        ctx.set_custom_status(len(hours))
        first = yield task.when_any([deadline, reminder])
        hours.append((ctx.current_utc_datetime - began) / HOUR)
        if first is deadline:
            return [round(hour, 3) for hour in hours]
        yield ctx.call_activity(act, input="remind")


def nested(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Sleeps a day, has a child sleep another, and sleeps a third; returns the hours that it saw."""
    began = ctx.current_utc_datetime
    hours: list[float] = []
    yield ctx.create_timer(24 * HOUR)
    hours.append(round((ctx.current_utc_datetime - began) / HOUR, 3))
    yield ctx.call_sub_orchestrator(day)
    hours.append(round((ctx.current_utc_datetime - began) / HOUR, 3))
    yield ctx.create_timer(24 * HOUR)
    hours.append(round((ctx.current_utc_datetime - began) / HOUR, 3))
    return hours


def day(ctx: task.OrchestrationContext, _given: Any) -> Any:
    yield ctx.create_timer(24 * HOUR)


def alarm(ctx: task.OrchestrationContext, hours: int) -> Any:
    due = ctx.current_utc_datetime + hours * HOUR
    yield ctx.create_timer(due)
    return ctx.current_utc_datetime >= due


def test_what_was_due_within_a_skip_happens_as_if_time_had_passed(hub: Hub, ours: HubUnderTest) -> None:
    """Each reminder sees its own hour, although all fire within milliseconds."""
    ours.work(reminders, activities=(act,))
    instance = ours.start(reminders)
    eventually(hub.next_timer, "the first reminder's timer")
    hub.advance(timedelta(days=3))
    assert json.loads(ours.done(instance).serialized_output or "") == pytest.approx(
        [12, 24, 36, 48], abs=0.02
    )


def test_one_skip_or_many_come_to_the_same(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(reminders, activities=(act,))
    instance = ours.start(reminders)
    for reminded in range(4):
        ours.custom(instance, str(reminded))
        hub.advance(12 * HOUR)
    assert json.loads(ours.done(instance).serialized_output or "") == pytest.approx(
        [12, 24, 36, 48], abs=0.02
    )


def test_children_live_in_their_parents_time(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(nested, day)
    instance = ours.start(nested)
    eventually(hub.next_timer, "the first timer")
    hub.advance(timedelta(days=4))
    assert json.loads(ours.done(instance).serialized_output or "") == pytest.approx([24, 48, 72], abs=0.02)


def test_timers_of_many_instances_fire_in_their_order(hub: Hub, ours: HubUnderTest) -> None:
    hours = [5, 1, 4, 2, 3]
    names = {f"at-{hour}": hour for hour in hours}
    for name, hour in names.items():
        ours.start(alarm, hour, instance_id=name)
    ours.work(alarm)
    for name in names:
        ours.client.wait_for_orchestration_start(name, timeout=PATIENCE_S)
    hub.advance(timedelta(days=1))
    for name in names:
        assert ours.done(name).serialized_output == "true"
    assert ours.client.list_instance_ids().items == [f"at-{hour}" for hour in sorted(hours)]


def test_a_timer_is_not_fired_before_it_is_due(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(alarm)
    instance = ours.start(alarm, 2)
    eventually(hub.next_timer, "the timer")
    hub.advance(HOUR)
    with pytest.raises(TimeoutError):
        ours.client.wait_for_orchestration_completion(instance, timeout=0.2)
    hub.advance(HOUR)
    assert ours.done(instance).serialized_output == "true"


def test_next_timer_forgets_what_has_ended(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(alarm)
    instance = ours.start(alarm, 2)
    due = eventually(hub.next_timer, "the timer")
    assert timedelta(hours=1.9) < due - datetime.now(UTC) < timedelta(hours=2.1)
    assert hub.next_timer(HOUR) == due
    assert hub.next_timer(3 * HOUR) is None
    ours.client.terminate_orchestration(instance)
    assert hub.next_timer() is None


def test_a_scheduled_start_can_be_skipped_to(hub: Hub, ours: HubUnderTest) -> None:
    ours.work(day)
    ours.start(day, instance_id="later", start_at=datetime.now(UTC) + timedelta(days=1))
    hub.advance(timedelta(days=2.5))
    assert ours.done("later").runtime_status.name == "COMPLETED"


def test_a_skip_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with Hub(path, clock=SkippableClock()) as hub:
        moved = hub.advance(timedelta(days=5))
    with Hub(path, clock=SkippableClock()) as hub:
        assert moved <= hub.clock.now() < moved + timedelta(minutes=5)


def test_a_file_whose_clock_was_moved_is_refused_by_the_machines_clock(tmp_path: Path) -> None:
    """Time would go backwards for every instance in it."""
    path = tmp_path / "hub.db"
    with Hub(path, clock=SkippableClock()) as hub:
        hub.advance(HOUR)
    with pytest.raises(HubError, match="skippable"):
        Hub(path).start()


def test_time_only_moves_forward(hub: Hub) -> None:
    with pytest.raises(HubError, match="forward"):
        hub.advance(-HOUR)


def test_the_clock_can_be_moved_from_another_process(hub: Hub) -> None:
    with ClockClient(hub.address) as clock:
        before = clock.now()
        moved = clock.advance(HOUR)
        assert (
            before + HOUR <= moved <= clock.now() == pytest.approx(hub.clock.now(), abs=timedelta(seconds=5))
        )
        assert clock.next_timer() is None
        with pytest.raises(HubError, match="forward"):
            clock.advance(-HOUR)


def test_the_machines_clock_cannot_be_moved(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db") as hub:
        with pytest.raises(HubError, match="cannot be moved"):
            hub.advance(HOUR)
        with ClockClient(hub.address) as clock, pytest.raises(HubError, match="cannot be moved") as refusal:
            clock.now()
        cause = refusal.value.__cause__
        assert isinstance(cause, grpc.Call)
        assert cause.code() is grpc.StatusCode.UNIMPLEMENTED
