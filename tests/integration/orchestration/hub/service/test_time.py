"""The hub's time on a machine whose clock is set, stands wrong, or goes on while the hub is stopped."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub, SkippableClock, SystemClock, main
from orchestration.hub.storage.clock import HOUR
from orchestration.hub.upkeep import clock_acceptance
from tests.support.hubs import HubUnderTest, eventually, sound
from tests.support.machine import FakeMachine


def alarm(ctx: task.OrchestrationContext, seconds: float) -> Any:
    yield ctx.create_timer(timedelta(seconds=seconds))


def two_events(ctx: task.OrchestrationContext, _given: Any) -> Any:
    first = yield ctx.wait_for_external_event("go")
    second = yield ctx.wait_for_external_event("go")
    return [first, second]


def brief(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The hub's file; it is checked at the end."""
    yield tmp_path / "hub.db"
    sound(tmp_path / "hub.db")


@contextmanager
def served(path: Path, machine: FakeMachine, **options: Any) -> Iterator[tuple[Hub, HubUnderTest]]:
    """A hub on that machine, with a client."""
    with Hub(path, clock=SystemClock(machine), **options) as hub:
        tested_hub = HubUnderTest(hub.address)
        try:
            yield hub, tested_hub
        finally:
            tested_hub.close()


def known(tested_hub: HubUnderTest, instance_id: str) -> bool:
    return tested_hub.client.get_orchestration_state(instance_id) is not None


def asleep(hub: Hub, tested_hub: HubUnderTest, seconds: float, name: str) -> datetime:
    """Has an instance that sleeps so long; returns when it is due."""
    tested_hub.start(alarm, seconds, instance_id=name)
    due: datetime = eventually(hub.next_timer, "the timer")
    return due


def test_a_clock_that_is_ahead_for_a_moment_freezes_no_timer(path: Path, machine: FakeMachine) -> None:
    """The clock is two days ahead for 0.2 s. A hub that kept that time would stand still for two days."""
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(alarm)
        asleep(hub, tested_hub, 120, "code")
        machine.set_wall(days=2)
        machine.runs(hub.clock, seconds=0.2)
        tested_hub.start(brief, instance_id="noticed")
        machine.set_wall(days=-2)
        assert tested_hub.state("code").runtime_status.name == "RUNNING"
        machine.goes_on(seconds=121)
        assert tested_hub.done("code").runtime_status.name == "COMPLETED"


def test_a_clock_that_is_set_right_while_the_hub_runs_moves_no_timer(
    path: Path, machine: FakeMachine
) -> None:
    """The clock is a minute ahead at first. A hub that kept that time would fire a short timer a minute late."""
    machine.set_wall(minutes=1)
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(alarm)
        asleep(hub, tested_hub, 0.5, "soon")
        machine.set_wall(minutes=-1)
        machine.goes_on(seconds=0.6)
        assert tested_hub.done("soon").runtime_status.name == "COMPLETED"


def test_what_fell_due_while_the_hub_was_stopped_is_done(path: Path, machine: FakeMachine) -> None:
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(alarm)
        asleep(hub, tested_hub, 86_400, "day")
    machine.reboots(days=3)
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(alarm)
        assert tested_hub.done("day").runtime_status.name == "COMPLETED"
        assert hub.warnings() == []


def test_events_count_in_the_order_they_came_whatever_the_clock_said(
    path: Path, machine: FakeMachine
) -> None:
    """Started, stopped, the clock set back an hour and accepted, two events raised; only then a worker comes."""
    with served(path, machine) as (_, tested_hub):
        tested_hub.start(two_events, instance_id="one")
    machine.set_wall(hours=-1)
    clock_acceptance.ask(path, machine.wall())
    with served(path, machine) as (_, tested_hub):
        for number in (1, 2):
            machine.set_wall(minutes=-number)
            tested_hub.client.raise_orchestration_event("one", "go", data=number)
        sound(path)
        tested_hub.work(two_events)
        assert tested_hub.done("one").serialized_output == "[1, 2]"
        history = tested_hub.client.get_orchestration_history("one")
        assert [type(event).__name__ for event in history[:2]] == [
            "OrchestratorStartedEvent",
            "ExecutionStartedEvent",
        ]


@contextmanager
def behind(path: Path, machine: FakeMachine, **by: float) -> Iterator[tuple[Hub, HubUnderTest]]:
    """A hub that was started on a clock that is behind the last time it saw; with an instance due in ten seconds."""
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(alarm)
        asleep(hub, tested_hub, 10, "ten")
    machine.reboots(**by)
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(alarm, brief)
        yield hub, tested_hub


def test_timers_wait_where_the_clock_is_behind_the_last_time_seen(path: Path, machine: FakeMachine) -> None:
    """The hub serves, and says what is wrong. When the clock has caught up, timers go on."""
    with behind(path, machine, hours=-1) as (hub, tested_hub):
        assert tested_hub.done(tested_hub.start(brief, 5)).serialized_output == "5"
        (warning,) = hub.warnings()
        assert "is 1:00:00 behind the last time that the hub saw" in warning
        assert "countersign hub accept-clock FILE" in warning
        machine.runs(hub.clock, minutes=59)
        asleep(hub, tested_hub, 0, "at once")
        with pytest.raises(TimeoutError):
            tested_hub.client.wait_for_orchestration_completion("ten", timeout=1.2)
        assert tested_hub.state("at once").runtime_status.name == "RUNNING"
        machine.runs(hub.clock, minutes=2)
        for name in ("ten", "at once"):
            assert tested_hub.done(name).runtime_status.name == "COMPLETED"
        eventually(lambda: len(hub.warnings()) < 1 or "behind the hub's time" in hub.warnings()[0])


def test_an_operator_accepts_a_clock_that_is_behind(path: Path, machine: FakeMachine) -> None:
    """The hub's time is the clock's from then on, and what was due by the clock fires."""
    with behind(path, machine, hours=-1) as (hub, tested_hub):
        said = clock_acceptance.accept(path, machine)
        assert said == f"The hub's time is now {machine.time_of_day:%Y-%m-%d %H:%M:%S} UTC."
        assert hub.clock.now() == machine.time_of_day
        assert hub.warnings() == []
        asleep(hub, tested_hub, 0.3, "soon")
        machine.goes_on(seconds=0.5)
        assert tested_hub.done("soon").runtime_status.name == "COMPLETED"
        assert tested_hub.state("ten").runtime_status.name == "RUNNING", "it is due in an hour by this clock"
    with served(path, machine) as (hub, _):
        assert hub.warnings() == [], "the accepted time is the last time seen"


def test_an_orchestration_goes_on_by_the_accepted_time(path: Path, machine: FakeMachine) -> None:
    """It has seen a later time. Its next timer is not a year late because of that."""
    with served(path, machine) as (hub, tested_hub):
        tested_hub.work(two_events)
        tested_hub.start(two_events, instance_id="one")
        tested_hub.status("one", "RUNNING")
        machine.set_wall(days=-365)
        clock_acceptance.ask(path, machine.wall())
        eventually(lambda: hub.clock.now() == machine.time_of_day, "the acceptance")
        tested_hub.client.raise_orchestration_event("one", "go", data=1)

        def seen() -> bool:
            events = tested_hub.client.get_orchestration_history("one")
            return events[-1].timestamp.replace(tzinfo=None) == machine.time_of_day.replace(tzinfo=None)

        eventually(seen, "the second turn")


def no_time(asked: Path, _: FakeMachine) -> None:
    asked.write_text("soon")


def of_another_time(asked: Path, machine: FakeMachine) -> None:
    asked.write_text(str(machine.wall() + 2 * HOUR))


def a_pipe(asked: Path, _: FakeMachine) -> None:
    asked.unlink()
    os.mkfifo(asked)


def a_link(asked: Path, _: FakeMachine) -> None:
    asked.symlink_to(asked.rename(f"{asked}.x"))


@pytest.mark.parametrize("spoil", [no_time, of_another_time, a_pipe, a_link])
def test_an_acceptance_that_is_not_the_operators_is_not_taken(
    path: Path, machine: FakeMachine, spoil: Callable[[Path, FakeMachine], None]
) -> None:
    with served(path, machine):
        pass
    machine.reboots(hours=-1)
    clock_acceptance.ask(path, machine.wall())
    spoil(path.with_name(path.name + ".accept-clock"), machine)
    with served(path, machine) as (hub, _):
        assert not clock_acceptance.is_asked(path)
        assert len(hub.warnings()) == 1


def test_where_no_hub_runs_the_next_one_takes_the_clock(path: Path, machine: FakeMachine) -> None:
    with served(path, machine):
        pass
    machine.reboots(days=-300)
    assert "No hub is running" in clock_acceptance.accept(path, machine, patience_s=0.1)
    with served(path, machine) as (hub, _):
        assert hub.clock.now() == machine.time_of_day
        assert hub.warnings() == []


def test_the_command_says_what_became_of_it(
    path: Path, machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to accept, a clock of tests, and no file."""
    with Hub(path):
        assert main(["accept-clock", str(path)]) == 0
        assert "The hub's time is now" in capsys.readouterr().out
    other = path.with_name("other.db")
    with Hub(other, clock=SkippableClock(machine)) as hub:
        hub.advance(timedelta(days=5))
        now = hub.clock.now()
        assert main(["accept-clock", str(other)]) == 4
        assert "did not take the machine's time" in capsys.readouterr().err
        assert hub.clock.now() >= now
    assert main(["accept-clock", str(path.with_name("none.db"))]) == 4
    assert "There is no file" in capsys.readouterr().err


# Deletions.


def ended(tested_hub: HubUnderTest, *names: str) -> None:
    for name in names:
        tested_hub.start(brief, instance_id=name)
        tested_hub.client.terminate_orchestration(name)


def test_a_jump_of_the_clock_deletes_nothing_for_a_day(
    path: Path, machine: FakeMachine, caplog: pytest.LogCaptureFixture
) -> None:
    """A hub that starts with its clock 401 days ahead must not delete a record that is a minute old."""
    with served(path, machine) as (hub, tested_hub):
        ended(tested_hub, "one", "two")
    machine.reboots(days=401)
    with served(path, machine) as (hub, tested_hub):
        (warning,) = eventually(hub.warnings, "the announcement")
        assert "2 ended instances became old enough to delete at once" in warning
        assert warning.removeprefix("retention: ")[:40] in caplog.text
        assert "went on by 401 days" in caplog.text
        assert known(tested_hub, "one")
        ended(tested_hub, "later")
        machine.runs(hub.clock, hours=23)
        machine.goes_on(minutes=2)  # a jump, so that everything is looked at
        threading.Event().wait(1.2)
        assert known(tested_hub, "two")
        machine.runs(hub.clock, hours=1, minutes=1)
        machine.goes_on(minutes=2)
        eventually(lambda: not known(tested_hub, "two"), "deleting")
        assert not known(tested_hub, "one")
        assert known(tested_hub, "later")
        assert hub.warnings() == []


def test_a_shorter_retention_deletes_nothing_for_a_day(path: Path, machine: FakeMachine) -> None:
    with served(path, machine) as (hub, tested_hub):
        ended(tested_hub, "one")
        machine.runs(hub.clock, days=3)
    for _ in range(2):
        with served(path, machine, retention=timedelta(days=1)) as (hub, tested_hub):
            assert "1 ended instances became old enough" in eventually(hub.warnings, "the announcement")[0]
            assert known(tested_hub, "one")
    with served(path, machine, retention=timedelta(days=1)) as (hub, tested_hub):
        machine.runs(hub.clock, days=1)
        machine.goes_on(minutes=2)
        eventually(lambda: not known(tested_hub, "one"), "deleting")


def test_a_purge_by_age_leaves_what_only_a_jump_made_old(path: Path, machine: FakeMachine) -> None:
    """A program that purges what is older than thirty days reckons by the same wrong clock."""
    with served(path, machine) as (_, tested_hub):
        ended(tested_hub, "old")
    machine.reboots(days=400)
    clock_acceptance.ask(path, machine.wall())
    with served(path, machine, retention=timedelta(days=4000)) as (hub, tested_hub):
        ended(tested_hub, "older than a jump")
        machine.runs(hub.clock, days=40)
        ended(tested_hub, "young")
    machine.reboots(days=200)

    def purge(tested_hub: HubUnderTest) -> int:
        asked = pb.PurgeInstancesRequest(purgeInstanceFilter=pb.PurgeInstanceFilter())
        asked.purgeInstanceFilter.createdTimeTo.FromDatetime(machine.time_of_day - timedelta(days=30))
        return tested_hub.stub.PurgeInstances(asked).deletedInstanceCount

    with served(path, machine, retention=timedelta(days=4000)) as (hub, tested_hub):
        assert purge(tested_hub) == 2
        assert not known(tested_hub, "older than a jump")
        assert known(tested_hub, "young")
        machine.runs(hub.clock, days=1, minutes=1)
        assert purge(tested_hub) == 1
