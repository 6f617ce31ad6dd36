"""An orchestration that stays in memory between two turns does what its replay would do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.domain.commands import EVENT_COMMENT, EVENT_DECISION, Comment, Decision
from orchestration.domain.request import Choice, RemarkKind, Status, Via
from orchestration.sealing import envelope
from orchestration.sealing.history import HistoryReader
from orchestration.sealing.kept import KeptOrchestration, KeptOrchestrations
from orchestration.sealing.keys import SealKeys
from tests.support.core_world import SEAL_KEYS
from tests.support.hub_in_hand import NOON, AnsweredTurn, Event, HubInHand, identity_of, raised

ME = "request-1"


class ComparingHub(HubInHand):
    """Has each turn taken by a worker that replays everything too, and compares. `begun` counts the replays."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = self.begun = 0
        registered = self.worker._registry.orchestrators
        workflow = registered["approval"]

        @wraps(workflow)
        def counted(ctx: Any, given: Any) -> Any:
            self.begun += 1
            return workflow(ctx, given)

        registered["approval"] = counted

    def turn(
        self, instance_id: str, past: Iterable[Event], new: Iterable[Event], at: datetime = NOON
    ) -> AnsweredTurn:
        past, new = list(past), list(new)
        self.turns += 1
        answered = super().turn(instance_id, past, new, at)
        replayed = HubInHand().turn(instance_id, past, new, at)
        assert answered.answers == replayed.answers
        return answered


@pytest.fixture
def hub() -> ComparingHub:
    return ComparingHub()


def vote(
    hub: HubInHand, start: Event, actor: str, *, round: int = 1, choice: Choice = Choice.APPROVE
) -> Event:
    given = Decision(
        command_id=f"{actor} {round}",
        actor=actor,
        via=Via.CHAT,
        round=round,
        choice=choice,
        comment="Because.",
        **identity_of(start).model_dump(),
    )
    return hub.raised(ME, EVENT_DECISION, given)


def question(hub: HubInHand, start: Event, actor: str) -> Event:
    given = Comment(
        command_id=f"{actor} asks",
        actor=actor,
        via=Via.CHAT,
        kind=RemarkKind.QUESTION,
        text="Why?",
        **identity_of(start).model_dump(),
    )
    return hub.raised(ME, EVENT_COMMENT, given)


def approved(hub: HubInHand) -> AnsweredTurn:
    """A request of two levels, with a question between."""
    start = hub.asked(ME, "budget", amount="500", fields={"team": "ops"})
    waiting = hub.play(ME, start)
    asked = hub.play(ME, question(hub, start, "U0ADA"), history=waiting.history())
    second = hub.play(ME, vote(hub, start, "U0ADA"), history=asked.history())
    once = hub.play(ME, vote(hub, start, "U0FIN", round=2), history=second.history())
    return hub.play(ME, vote(hub, start, "U0FRANK", round=2), history=once.history())


def test_each_turn_is_as_its_replay_and_nothing_is_replayed(hub: ComparingHub) -> None:
    done = approved(hub)
    assert done.progress.status is Status.APPROVED
    assert done.done is not None
    assert hub.turns > 10
    assert hub.begun == 1


def test_what_was_answered_again_is_replayed(hub: ComparingHub) -> None:
    """The hub did not take the answer to a turn, and sends the turn again with more events."""
    start = hub.asked(ME)
    waiting = hub.play(ME, start)
    hub.turn(ME, waiting.history(), [question(hub, start, "U0ADA")])
    before = hub.begun
    again = hub.play(ME, question(hub, start, "U0ADA"), vote(hub, start, "U0ADA"), history=waiting.history())
    assert again.progress.status is Status.APPROVED
    assert hub.begun == before + 1


def test_a_hub_that_goes_back_in_time_gets_what_it_got_then(hub: ComparingHub) -> None:
    """The hub leaves out a rejection that the orchestration in memory has seen; the answer must not show it."""
    start = hub.asked(ME, "purchase", amount="4200")
    waiting = hub.play(ME, start)
    no = hub.play(ME, vote(hub, start, "U0FIN", choice=Choice.REJECT), history=waiting.history())
    assert no.progress.status is Status.REJECTED
    back = hub.play(ME, question(hub, start, "U0ADA"), history=waiting.history())
    assert back.progress.status is Status.PENDING


@pytest.mark.parametrize("at", [0, 3])
def test_one_changed_event_of_the_past_has_all_replayed(hub: ComparingHub, at: int) -> None:
    start = hub.asked(ME)
    history = hub.play(ME, start).history()
    before = hub.begun
    history[at].timestamp.FromDatetime((NOON + timedelta(days=1)).replace(tzinfo=None))
    hub.turn(ME, history, [vote(hub, start, "U0ADA")])
    assert hub.begun == before + 1


def test_a_forged_vote_in_the_past_of_what_is_in_memory_does_not_count(hub: ComparingHub) -> None:
    start = hub.asked(ME)
    waiting = hub.play(ME, start)
    sealed = vote(hub, start, "U0ADA").eventRaised.input.value
    forged = raised(EVENT_DECISION, envelope.take(sealed)[1])
    turn = hub.turn(ME, [*waiting.history(), forged], [question(hub, start, "U0RITA")])
    assert turn.progress.status is Status.PENDING


def test_a_key_that_is_not_held_leaves_the_turn_and_the_next_one_is_replayed(hub: ComparingHub) -> None:
    start = hub.asked(ME)
    waiting = hub.play(ME, start)
    theirs = vote(HubInHand(SealKeys([b"the next key, of thirty-two bytes", b"k" * 32])), start, "U0ADA")
    assert hub.turn(ME, waiting.history(), [theirs]).abandoned
    before = hub.begun
    ours = hub.play(ME, vote(hub, start, "U0ADA"), history=waiting.history())
    assert ours.progress.status is Status.APPROVED
    assert hub.begun == before + 1


def test_what_follows_a_turn_that_failed_is_as_its_replay(hub: ComparingHub) -> None:
    """A hub passes over the failure, and so over the rejection that came with what failed."""
    start = hub.asked(ME)
    waiting = hub.play(ME, start)
    failed = hub.turn(ME, waiting.history(), [vote(hub, start, "U0ADA", choice=Choice.REJECT), start])
    again = hub.turn(ME, failed.history(), [vote(hub, start, "U0ADA")])
    assert [turn.done and turn.done.orchestrationStatus for turn in (failed, again)] == [
        pb.ORCHESTRATION_STATUS_FAILED
    ] * 2


def test_two_deliveries_of_one_turn_do_not_share_what_is_in_memory(hub: ComparingHub) -> None:
    """Where a lease runs out, the same turn is dealt again while the first is under way."""
    start = hub.asked(ME)
    waiting = hub.play(ME, start)
    request = pb.OrchestratorRequest(instanceId=ME, pastEvents=waiting.history())
    first, second = hub.worker._kept.take(request), hub.worker._kept.take(request)
    assert first is not None
    assert second is None


def test_who_waits_longest_makes_room(hub: ComparingHub) -> None:
    kept, sent = KeptOrchestrations(most=2), {}
    for name in ("first", "second", "third"):
        start = hub.asked(name)
        sent[name] = pb.OrchestratorRequest(instanceId=name, pastEvents=[start])
        one = KeptOrchestration(
            HistoryReader(SEAL_KEYS, hub.worker._ours, name, "approval"),
            {
                "registry": hub.worker._registry,
                "logger": hub.worker._logger,
                "data_converter": hub.worker._data_converter,
            },
        )
        one.turn(pb.OrchestratorRequest(instanceId=name, newEvents=[start]))
        kept.put(name, one)
    found = [name for name, request in sent.items() if kept.take(request) is not None]
    assert found == ["second", "third"]
