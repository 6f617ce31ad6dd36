import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.slack.api import pace as pace_module
from bot.slack.api.pace import Pace
from orchestration.domain.errors import ThrottledError


def until_taken(pace: Pace, channel: str, name: str) -> None:
    """Retries at the times it is told, as the outbox does."""
    while True:
        try:
            pace.wait(channel, name)
        except ThrottledError as error:
            time.sleep(error.retry_after)
        else:
            return


def test_messages_to_one_channel_keep_their_distance_and_each_gets_its_turn() -> None:
    pace, interval = Pace(0.02), 0.02
    taken: list[float] = []
    lock = threading.Lock()

    def one(number: int) -> None:
        until_taken(pace, "C0A", f"message {number}")
        with lock:
            taken.append(time.monotonic())

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(one, range(30)))
    taken.sort()
    assert len(taken) == 30
    assert taken[-1] - taken[0] >= 29 * interval * 0.9


def test_a_far_turn_is_kept_and_is_the_same_when_asked_for_again() -> None:
    pace = Pace(10.0)
    pace.hold("C0A", 20)
    waits = []
    for name in ("one", "two", "one", "three"):
        with pytest.raises(ThrottledError) as told:
            pace.wait("C0A", name)
        waits.append(told.value.retry_after)
    assert waits == [pytest.approx(after, abs=0.1) for after in (20, 30, 20, 40)]


def test_another_channel_does_not_wait() -> None:
    pace = Pace(10.0)
    pace.wait("C0A", "first")
    began = time.monotonic()
    pace.wait("C0B", "first")
    assert time.monotonic() - began < 1


def test_what_slack_asks_for_moves_every_turn_of_that_channel() -> None:
    pace = Pace(0.01)
    pace.hold("C0A", 30)
    waits = []
    for name in ("one", "two"):
        with pytest.raises(ThrottledError) as told:
            pace.wait("C0A", name)
        waits.append(told.value.retry_after)
    assert waits == [pytest.approx(30, abs=0.1), pytest.approx(30.01, abs=0.1)]
    assert waits[0] < waits[1]
    pace.wait("C0B", "free")


class _Clock:
    """A clock that the test moves. It records the requested sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_whoever_comes_late_goes_to_the_end_instead_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that fall due while no worker runs fire together, so late callers have to queue."""
    clock = _Clock()
    monkeypatch.setattr(pace_module, "time", clock)
    pace, told = Pace(1.0), []

    def come(*numbers: int) -> None:
        for number in numbers:
            try:
                pace.wait("C0A", number)
            except ThrottledError as throttled:
                told.append(throttled.retry_after)

    come(0, 1, 2, 3, 4, 5)
    assert (clock.slept, told) == ([], [1.0, 2.0, 3.0, 4.0, 5.0])
    clock.now = 60.0  # every reserved turn has passed
    told.clear()
    come(2, 3, 4, 5)
    assert (clock.slept, told) == ([], [1.0, 2.0, 3.0])  # 2 went at once


def test_those_who_all_come_back_late_go_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, callers that were sent to the end of the queue come back late again."""
    clock = _Clock()
    monkeypatch.setattr(pace_module, "time", clock)
    pace = Pace(1.0)
    coming, gone = dict.fromkeys(range(10), 0.0), []
    while coming and clock.now < 60:
        number = min(coming, key=coming.__getitem__)
        clock.now = coming.pop(number)
        try:
            pace.wait("C0A", number)
        except ThrottledError as error:
            coming[number] = clock.now + error.retry_after + 1.5
        else:
            gone.append(clock.now)
    assert gone == [0.0, *(number + 1.5 for number in range(1, 10))]


def test_whoever_comes_back_a_little_late_goes_at_once_and_puts_nobody_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = _Clock()
    monkeypatch.setattr(pace_module, "time", clock)
    pace = Pace(1.0)
    pace.wait("C0A", 0)
    for number in (1, 2, 3):
        with pytest.raises(ThrottledError):
            pace.wait("C0A", number)
    for number in (1, 2, 3):
        clock.now = number + 0.3
        pace.wait("C0A", number)
    assert clock.slept == []
    with pytest.raises(ThrottledError) as told:
        pace.wait("C0A", 4)
    assert told.value.retry_after == pytest.approx(0.7)


def test_a_card_takes_the_first_turn_that_a_line_was_to_have() -> None:
    pace = Pace(10.0)
    pace.hold("C0A", 20)

    def waits(name: str, *, urgent: bool = False) -> float:
        with pytest.raises(ThrottledError) as told:
            pace.wait("C0A", name, urgent=urgent)
        return told.value.retry_after

    assert waits("line 1") == pytest.approx(20, abs=0.1)
    assert waits("line 2") == pytest.approx(30, abs=0.1)
    assert waits("card 1", urgent=True) == pytest.approx(20, abs=0.1)
    assert waits("card 2", urgent=True) == pytest.approx(30, abs=0.1)
    assert waits("card 1", urgent=True) == pytest.approx(20, abs=0.1)
    assert waits("line 1") == pytest.approx(40, abs=0.1)
    assert waits("line 2") == pytest.approx(50, abs=0.1)
