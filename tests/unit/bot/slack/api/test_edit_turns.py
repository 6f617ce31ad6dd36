"""The order of edits under Slack's rate limit, with a clock that the test moves."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import pytest

from bot.simulator.slack_api.rate_limits import MethodLimiter, RateLimits
from bot.slack.api.edit_turns import LIMIT, WINDOW, EditRank, EditTurns
from orchestration.domain.errors import ThrottledError

ENDED_HERE, ENDED, UNDER_WAY = EditRank

Edit = tuple[float, str, EditRank]


class LimitedSlack:
    """Takes fifty edits a minute. Processes bring their edits, and return when they are told to."""

    def __init__(self, processes: int = 1) -> None:
        self.now = 0.0
        self.processes = [EditTurns(clock=lambda: self.now) for _ in range(processes)]
        self._limiter = MethodLimiter(RateLimits.INTERNAL, clock=lambda: self.now)
        self.taken: dict[str, float] = {}
        self.refused = 0

    def edit(self, process: EditTurns, copy: str, rank: EditRank) -> float | None:
        """Seconds after which to come back; None where it was taken."""
        try:
            with process.turn(copy, rank):
                self._take(copy)
        except ThrottledError as error:
            return error.retry_after
        return None

    def _take(self, copy: str) -> None:
        if (wait := self._limiter.refuse("chat.update", "C0X")) is not None:
            self.refused += 1
            raise ThrottledError(float(wait))
        self.taken[copy] = self.now

    def run(self, edits: Iterable[Edit]) -> None:
        """Runs until all edits have been taken."""
        coming = [(at, number, copy, rank) for number, (at, copy, rank) in enumerate(edits)]
        heapq.heapify(coming)
        while coming:
            self.now, number, copy, rank = heapq.heappop(coming)
            wait = self.edit(self.processes[number % len(self.processes)], copy, rank)
            if wait is not None:
                heapq.heappush(coming, (self.now + wait, number, copy, rank))


def allowed(times: Iterable[float]) -> float:
    """The earliest time at which the last of the edits that come at these times can be taken."""
    taken: list[float] = []
    for at in sorted(times):
        taken.append(max(at, taken[-LIMIT] + WINDOW) if len(taken) >= LIMIT else at)
    return taken[-1]


def test_nobody_waits_before_slack_has_refused_one() -> None:
    slack = LimitedSlack()
    for _ in range(3):
        assert [slack.edit(slack.processes[0], f"{n}", UNDER_WAY) for n in range(LIMIT)] == [None] * LIMIT
        slack.now += WINDOW


@pytest.mark.parametrize("pause", [0.0, 0.3, 1.0], ids=["at once", "three a second", "one a second"])
def test_many_edits_are_done_about_as_soon_as_slack_allows(pause: float) -> None:
    times = [pause * number for number in range(300)]
    slack = LimitedSlack()
    slack.run((at, f"{at} {number}", ENDED_HERE) for number, at in enumerate(times))
    assert len(slack.taken) == 300
    assert max(slack.taken.values()) <= allowed(times) * 1.02 + 1
    assert slack.refused <= 5


def test_two_processes_that_know_nothing_of_each_other_both_get_on() -> None:
    slack = LimitedSlack(processes=2)
    slack.run((0.0, str(number), ENDED_HERE) for number in range(300))
    assert max(slack.taken.values()) <= allowed([0.0] * 300) * 1.5
    assert slack.refused <= 150


def test_how_a_request_ended_goes_ahead_of_what_changes_again() -> None:
    """An edit that shows the outcome goes first even where it comes later, and the pressed copy before the others."""
    slack = LimitedSlack()
    busy = [(number * 0.7, f"busy {number}", UNDER_WAY) for number in range(LIMIT + 20)]
    late = [(52.0, f"other {number}", ENDED) for number in range(3)]
    pressed = [(53.0, f"pressed {number}", ENDED_HERE) for number in range(3)]
    slack.run([*busy, *late, *pressed])
    order = sorted(slack.taken, key=slack.taken.__getitem__)
    assert [copy.split()[0] for copy in order[LIMIT : LIMIT + 6]] == ["pressed"] * 3 + ["other"] * 3


def test_the_edit_of_a_copy_that_says_more_now_takes_a_better_turn() -> None:
    slack, copies = LimitedSlack(), [str(number) for number in range(LIMIT + 120)]
    [turns] = slack.processes
    waits = [slack.edit(turns, copy, UNDER_WAY) for copy in copies]
    assert waits[-1] is not None
    assert waits[-1] > 2 * WINDOW
    assert slack.edit(turns, copies[-1], ENDED_HERE) == pytest.approx(WINDOW, abs=1.1)


def test_who_never_comes_back_keeps_nobody_waiting() -> None:
    slack = LimitedSlack()
    [turns] = slack.processes
    for number in range(LIMIT + 30):
        slack.edit(turns, str(number), ENDED_HERE)
    slack.now += WINDOW + 5
    assert slack.edit(turns, "another", UNDER_WAY) is None


def test_what_failed_counts_as_taken() -> None:
    """A failed edit uses up the limit: only its answer may be lost, and Slack may have counted it."""
    slack = LimitedSlack()
    [turns] = slack.processes
    for number in range(LIMIT):
        with pytest.raises(ConnectionResetError), turns.turn(str(number), UNDER_WAY):
            raise ConnectionResetError
    with pytest.raises(ThrottledError), turns.turn("refused", UNDER_WAY):
        raise ThrottledError(1.0)
    slack.now += 2
    with pytest.raises(ThrottledError), turns.turn("another", UNDER_WAY):
        raise AssertionError("it is not its turn")
