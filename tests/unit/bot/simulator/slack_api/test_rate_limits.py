"""Slack's limits, by a clock that the test moves."""

from __future__ import annotations

from bot.simulator.slack_api.methods import METHODS
from bot.simulator.slack_api.rate_limits import TIERS, MethodLimiter, RateLimits


class LimiterClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def internal(clock: LimiterClock) -> MethodLimiter:
    return MethodLimiter(RateLimits.INTERNAL, clock=clock)


def test_every_method_has_a_limit() -> None:
    assert set(TIERS) == set(METHODS)


def test_without_limits_nothing_is_refused() -> None:
    limiter = MethodLimiter(clock=LimiterClock())
    assert {limiter.refuse("chat.update", "C0X") for _ in range(1000)} == {None}


def test_a_channel_takes_one_message_a_second_and_the_workspace_hundreds_a_minute() -> None:
    clock = LimiterClock()
    limiter = internal(clock)
    assert limiter.refuse("chat.postMessage", "C0X") is None
    assert limiter.refuse("chat.postMessage", "C0Y") is None
    clock.now += 0.4
    assert limiter.refuse("chat.postMessage", "C0X") == "1"
    clock.now += 0.6
    assert limiter.refuse("chat.postMessage", "C0X") is None
    others = [limiter.refuse("chat.postMessage", f"C{number}") for number in range(400)]
    assert (others.count(None), others[-1]) == (297, "59")


def test_edits_are_counted_over_the_last_minute_and_apart_from_messages() -> None:
    clock = LimiterClock()
    limiter = internal(clock)
    for _ in range(50):
        assert limiter.refuse("chat.update", "C0X") is None
        clock.now += 0.5
    assert limiter.refuse("chat.update", "C0Y") == "35", "the limit is the workspace's"
    assert limiter.refuse("chat.postMessage", "C0X") is None
    clock.now += 35
    assert limiter.refuse("chat.update", "C0Y") is None, "what was refused has not counted"
    assert limiter.refuse("chat.update", "C0Y") == "1"


def test_an_app_that_is_distributed_outside_the_marketplace_reads_once_a_minute() -> None:
    clock = LimiterClock()
    limiter = MethodLimiter(RateLimits.DISTRIBUTED, clock=clock)
    assert [limiter.refuse("conversations.replies", "C0X") for _ in range(2)] == [None, "60"]
    assert limiter.longest_page("conversations.history") == 15
    assert limiter.longest_page("users.list") is None
    assert internal(clock).longest_page("conversations.history") is None


def test_a_minute_that_is_shorter_is_told_in_parts_of_a_second() -> None:
    limiter = MethodLimiter(RateLimits.INTERNAL, 6.0, LimiterClock())
    assert [limiter.refuse("chat.postMessage", "C0X") for _ in range(2)] == [None, "0.100"]
