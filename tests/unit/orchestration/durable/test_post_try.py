"""When a try first looks for an earlier post, and when it does not post at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestration.domain.errors import HubUnavailableError, TryFailedError
from orchestration.durable.post_try import LONGEST, PostTry
from tests.support.machine import FakeMachine


class FixedIntents:
    """A stand-in for the hub's answer; None where the hub cannot be reached."""

    def __init__(self, begun: bool | None) -> None:
        self._begun = begun
        self.asked: list[tuple[str, int, str]] = []

    def begun_before(self, instance_id: str, task_id: int, what: str) -> bool:
        self.asked.append((instance_id, task_id, what))
        if self._begun is None:
            raise HubUnavailableError
        return self._begun


def look_in_vain() -> bool:
    return False


def no_look() -> bool:
    raise AssertionError("it was looked for")


def a_try(said: FixedIntents, *, maybe_done: bool = False, machine: FakeMachine | None = None) -> PostTry:
    return PostTry(said, "deploy-1", 3, "card", maybe_done=maybe_done, clock=machine or FakeMachine())


def test_the_first_to_begin_posts_without_a_look() -> None:
    said = FixedIntents(begun=False)
    attempt = a_try(said)
    assert attempt.begin(no_look)
    assert (attempt.unsure, said.asked) == (False, [("deploy-1", 3, "card")])


def test_whoever_comes_second_looks_and_posts_what_is_not_there() -> None:
    attempt = a_try(FixedIntents(begun=True))
    assert attempt.begin(look_in_vain)
    assert attempt.unsure


def test_whoever_comes_second_posts_nothing_that_is_there() -> None:
    attempt = a_try(FixedIntents(begun=True))
    assert not attempt.begin(lambda: True)
    assert attempt.unsure


def test_what_an_earlier_try_may_have_posted_is_looked_for_without_asking_the_hub() -> None:
    said = FixedIntents(begun=False)
    assert not a_try(said, maybe_done=True).begin(lambda: True)
    assert not said.asked


def test_nothing_is_posted_while_the_hub_cannot_say() -> None:
    attempt = a_try(FixedIntents(begun=None))
    with pytest.raises(TryFailedError) as failed:
        attempt.begin(no_look)
    assert failed.value.maybe_done
    assert attempt.unsure


@pytest.mark.parametrize(("begun", "unsure"), [(False, False), (True, True), (None, True)])
def test_a_try_that_is_put_off_before_it_begins_hands_on_what_an_earlier_holder_may_have_posted(
    begun: bool | None, unsure: bool
) -> None:
    said = FixedIntents(begun)
    attempt = a_try(said)
    attempt.put_off()
    assert (attempt.unsure, len(said.asked)) == (unsure, 1)


def test_the_hub_is_asked_once_a_try() -> None:
    said = FixedIntents(begun=False)
    attempt = a_try(said)
    attempt.begin(no_look)
    attempt.put_off()
    assert len(said.asked) == 1


def test_nothing_is_posted_on_knowledge_that_is_old() -> None:
    """After a machine was suspended while it looked, another process may have posted."""
    machine = FakeMachine()

    def slow_look() -> bool:
        machine.goes_on(seconds=(LONGEST + timedelta(seconds=1)).total_seconds())
        return False

    with pytest.raises(TryFailedError) as failed:
        a_try(FixedIntents(begun=True), machine=machine).begin(slow_look)
    assert not failed.value.maybe_done
