"""The longest time that a delivery may have waited unread, where it has no time of sending."""

from __future__ import annotations

from bot.slack.api.pulse import BEAT, CATCHING_UP, Pulse
from tests.support.machine import FakeMachine


def running(seconds: float) -> tuple[FakeMachine, Pulse]:
    machine = FakeMachine()
    pulse = Pulse(machine)
    for _ in range(int(seconds / BEAT)):
        machine.goes_on(seconds=BEAT)
        pulse.beat()
    return machine, pulse


def test_while_it_runs_nothing_has_waited_for_longer_than_a_beat() -> None:
    machine, pulse = running(60)
    machine.set_wall(hours=5)
    machine.goes_on(seconds=BEAT / 2)
    assert pulse.unread_for() <= BEAT


def test_what_is_read_before_the_first_beat_may_have_waited_since_the_last_one() -> None:
    machine, pulse = running(60)
    machine.goes_on(seconds=30)
    assert pulse.unread_for() == 30


def test_what_is_read_soon_after_it_went_on_may_have_waited_since_it_stood_still() -> None:
    machine, pulse = running(60)
    machine.goes_on(seconds=30)
    pulse.beat()
    machine.goes_on(seconds=BEAT)
    pulse.beat()
    assert pulse.unread_for() == 30 + BEAT
    machine.goes_on(seconds=CATCHING_UP)
    pulse.beat()
    assert pulse.unread_for() <= CATCHING_UP, "that has been read by now"
