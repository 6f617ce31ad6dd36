"""The hub's time follows the time since boot, and never jumps with the wall clock while the hub runs."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.hub import SkippableClock, SystemClock
from orchestration.hub.storage.clock import DAY, GRACE, HOUR, SECOND, ClockState
from orchestration.hub.storage.machine import MachineTime, boot_id
from tests.support.machine import FakeMachine

MINUTE = 60 * SECOND


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


def later(clock: SystemClock, machine: FakeMachine, **time: float) -> timedelta:
    """The hub time that passes while this much real time does."""
    before = clock.now()
    machine.runs(clock, **time)
    return clock.now() - before


def test_a_clock_that_was_ahead_for_a_moment_freezes_nothing(machine: FakeMachine) -> None:
    """The clock is two days ahead for 0.2 s. Once the hub's time jumped by two days, and then stood still for two."""
    clock = SystemClock(machine)
    before = clock.now()
    machine.set_wall(days=2)
    machine.goes_on(seconds=0.2)
    assert clock.now() - before < timedelta(seconds=0.25)
    machine.set_wall(days=-2)
    assert later(clock, machine, hours=40) == pytest.approx(timedelta(hours=40), abs=timedelta(seconds=1))
    assert clock.now() == pytest.approx(machine.time_of_day, abs=timedelta(seconds=1))


@pytest.mark.parametrize("minutes", [60, -60])
def test_the_time_follows_a_clock_that_was_set_by_three_minutes_an_hour(
    machine: FakeMachine, minutes: float
) -> None:
    clock = SystemClock(machine)
    machine.set_wall(minutes=minutes)
    towards = timedelta(minutes=3 if minutes > 0 else -3)
    assert later(clock, machine, hours=1) - timedelta(hours=1) == pytest.approx(
        towards, abs=timedelta(seconds=1)
    )
    assert clock.read().ahead == pytest.approx(minutes * 0.95 * MINUTE, abs=SECOND)
    later(clock, machine, hours=19, minutes=1)
    assert clock.read().ahead == 0
    assert clock.now() == machine.time_of_day


@given(
    moves=st.lists(
        st.tuples(st.floats(0, 7 * 86_400), st.floats(-4e8, 4e8), st.booleans()), min_size=1, max_size=20
    )
)
def test_it_never_stands_still_goes_back_or_jumps(moves: list[tuple[float, float, bool]]) -> None:
    machine = FakeMachine()
    clock = SystemClock(machine)
    for passed, set_by, is_set in moves:
        if is_set:
            machine.set_wall(seconds=set_by)
        before = clock.now()
        machine.goes_on(seconds=passed)
        moved, passed_for = clock.now() - before, timedelta(seconds=passed)
        slack = timedelta(microseconds=2)
        assert passed_for * 0.95 - slack <= moved <= passed_for * 1.05 + slack


def test_at_a_start_the_time_of_the_wall_clock_is_taken(machine: FakeMachine) -> None:
    seen = SystemClock(machine).state()
    machine.reboots(days=3)
    clock = SystemClock(machine)
    clock.resume(seen)
    assert clock.now() == machine.time_of_day
    assert not clock.held
    assert clock.read(take_jump=True).jumped == 3 * DAY
    assert clock.read().jumped == 0


@pytest.mark.parametrize("same_boot", [True, False])
def test_a_clock_behind_the_last_time_holds_timers_until_it_has_caught_up(
    machine: FakeMachine, same_boot: bool
) -> None:
    last = SystemClock(machine)
    seen, at = last.state(), last.now()
    if same_boot:
        machine.set_wall(hours=-2)
    else:
        machine.reboots(hours=-2)
    clock = SystemClock(machine)
    clock.resume(seen)
    assert clock.held
    assert clock.now() >= at, "it does not go back"
    assert later(clock, machine, hours=1) >= timedelta(hours=0.95), "it does not stand still"
    assert clock.held
    later(clock, machine, hours=1)
    assert not clock.held


def test_a_clock_that_is_set_right_after_the_start_is_a_start_that_came_late(machine: FakeMachine) -> None:
    """The machine was off for three days and woke in 1970; then the network told it the time."""
    seen = SystemClock(machine).state()
    right = machine.time_of_day + timedelta(days=3)
    machine.reboots(days=-20_000)
    clock = SystemClock(machine)
    clock.resume(seen)
    assert clock.held
    machine.set_wall(seconds=(right - machine.time_of_day).total_seconds())
    assert clock.now() == right
    assert not clock.held
    assert clock.read().jumped == 3 * DAY
    assert clock.delayed() == 3 * DAY


@pytest.mark.parametrize("hours", [-30 * 24, -1, 1, 30 * 24])
def test_an_operator_can_have_the_wall_clock_taken_at_once(machine: FakeMachine, hours: float) -> None:
    clock = SystemClock(machine)
    machine.set_wall(hours=hours)
    clock.accept()
    assert clock.now() == machine.time_of_day
    assert later(clock, machine, hours=1) == timedelta(hours=1)
    assert clock.delayed() == max(0, int(hours * HOUR))


def test_an_operator_can_accept_a_clock_that_is_behind(machine: FakeMachine) -> None:
    seen = SystemClock(machine).state()
    machine.reboots(days=-365)
    clock = SystemClock(machine)
    clock.resume(seen)
    clock.accept()
    assert clock.now() == machine.time_of_day
    assert not clock.held


def test_what_a_jump_made_old_is_kept_until_the_hub_has_run_for_a_day(machine: FakeMachine) -> None:
    seen = SystemClock(machine).state()
    machine.reboots(days=401)
    clock = SystemClock(machine)
    clock.resume(seen)
    assert clock.delayed() == 401 * DAY
    later(clock, machine, hours=23)
    seen = clock.state()
    machine.reboots(days=401)
    clock = SystemClock(machine)
    clock.resume(seen)
    assert clock.delayed() == 802 * DAY, "a jump is not a day that the hub has run"
    later(clock, machine, hours=1, minutes=1)
    assert clock.delayed() == 401 * DAY
    assert clock.delayed_for() == pytest.approx(GRACE - HOUR, abs=2 * MINUTE)
    later(clock, machine, hours=23)
    assert clock.delayed() == clock.delayed_for() == 0
    assert clock.state().delays == []


def test_a_machine_that_sleeps_every_night_still_forgets(machine: FakeMachine) -> None:
    clock = SystemClock(machine)
    for _ in range(30):
        machine.goes_on(hours=8)
        assert clock.read(take_jump=True).jumped == 8 * HOUR
        later(clock, machine, hours=16)
    assert clock.delayed() == 8 * HOUR, "what the last night made old"
    assert clock.now() == machine.time_of_day


def test_a_short_stop_is_no_jump(machine: FakeMachine) -> None:
    seen = SystemClock(machine).state()
    machine.goes_on(seconds=30)
    clock = SystemClock(machine)
    clock.resume(seen)
    assert clock.delayed() == 0


def test_skipped_time_counts_as_time_that_the_hub_has_run(machine: FakeMachine) -> None:
    clock = SkippableClock(machine)
    clock.resume(ClockState(machine.wall() - 10 * DAY))
    assert clock.delayed() == 10 * DAY
    clock.restore([(machine.wall(), machine.wall() + 2 * DAY)])
    assert clock.delayed() == 0


def test_a_clock_of_tests_holds_nothing(machine: FakeMachine) -> None:
    clock = SkippableClock(machine)
    clock.resume(ClockState(machine.wall() + HOUR))
    assert not clock.held


def test_the_machines_own_clocks() -> None:
    machine = MachineTime()
    assert abs(machine.wall() - time.time() * 1e6) < MINUTE
    counted = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    assert abs(machine.boot() - time.clock_gettime(counted) * 1e6) < MINUTE
    assert boot_id() == boot_id() != ""
