"""Slack's time: the machine's clock, corrected by Slack's answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.slack.api.slack_time import FRESH, SlackTime
from tests.support.machine import FakeMachine


class AtSlack:
    """A machine, and Slack with the right clock. `ahead` is how far the machine's clock is ahead."""

    def __init__(self, ahead: float) -> None:
        self.machine = FakeMachine()
        self.time = SlackTime(self.machine)
        self._started = self.machine.time_of_day - timedelta(seconds=ahead)
        self._boot = self.machine.boot()

    @property
    def now(self) -> datetime:
        return self._started + timedelta(microseconds=self.machine.boot() - self._boot)

    def call(self, there: float = 0.1, back: float = 0.1, header: str = "Date") -> None:
        """Calls Slack; the call and its answer take so long each."""
        called = self.time.since_boot()
        self.machine.goes_on(seconds=there)
        date = format_datetime(self.now.replace(microsecond=0), usegmt=True)
        self.machine.goes_on(seconds=back)
        self.time.heard({header: date}, called)

    @property
    def error(self) -> float:
        """Seconds by which the estimated time is ahead of Slack's."""
        return self.time.now() - self.now.timestamp()


@pytest.mark.parametrize("ahead", [-3600, -90, -5, 0, 5, 90, 3600])
def test_however_wrong_the_machines_clock_is_slacks_is_known_to_about_a_second(ahead: float) -> None:
    slack = AtSlack(ahead)
    assert slack.error == ahead, "nothing is known yet"
    slack.call()
    assert abs(slack.error) <= 1.2
    slack.machine.goes_on(hours=3)
    slack.machine.set_wall(hours=-1)
    assert abs(slack.error) <= 1.2, "its clock is set, and it slept: the time since boot goes on"


def test_a_clock_that_is_right_is_believed_to_the_fraction() -> None:
    slack = AtSlack(0)
    slack.machine.goes_on(seconds=0.7)
    slack.call()
    assert slack.error == pytest.approx(0, abs=1e-5)


def test_a_slow_answer_spoils_no_better_one_until_that_is_old() -> None:
    slack = AtSlack(90)
    slack.call()
    slack.call(there=4, back=5)
    assert abs(slack.error) <= 1.2
    slack.machine.goes_on(seconds=FRESH)
    slack.call(there=4, back=5, header="date")
    assert 1.2 < abs(slack.error) <= 10


@pytest.mark.parametrize("date", ["", "soon", "Fri, 99 Foo 2026 99:99:99 GMT", "0"])
def test_an_answer_that_has_no_date_says_nothing(date: str) -> None:
    slack = AtSlack(90)
    slack.time.heard({"Date": date}, slack.time.since_boot())
    slack.time.heard({}, slack.time.since_boot())
    assert slack.error == 90
    assert slack.time.age() is None
