"""The hub itself is the stranger: it makes up histories, and keeps for another time what our processes sealed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.challenge.models import EVENT_CANCELLED, EVENT_RESPONSE, Response
from orchestration.domain.commands import (
    EVENT_DECISION,
    Decision,
    Progress,
)
from orchestration.domain.request import Choice, Factor, Status, Via
from orchestration.runtime.ours import OURS
from orchestration.sealing import envelope, scope
from orchestration.sealing.history import HistoryReader
from orchestration.sealing.keys import SealKeys
from tests.support.core_world import SEAL_KEYS
from tests.support.hub_in_hand import AnsweredTurn, Event, HubInHand, identity_of, raised, started

ME = "request-1"


def sealed_decision(
    hub: HubInHand, start: Event, actor: str, choice: Choice = Choice.APPROVE, round: int = 1
) -> Event:
    """A vote that its person gave, as the service sealed it."""
    given = Decision(
        command_id=f"{actor} {choice} {round}",
        actor=actor,
        via=Via.CHAT,
        round=round,
        choice=choice,
        comment="Because.",
        **identity_of(start).model_dump(),
    )
    return hub.raised(ME, EVENT_DECISION, given)


def votes(progress: Progress) -> list[tuple[str, Factor | None]]:
    return [(vote.actor, vote.factor) for level in progress.levels for vote in level.decisions]


def created_in(history: list[Event]) -> list[Event]:
    return [event for event in history if event.HasField("subOrchestrationInstanceCreated")]


def without(history: list[Event], *kinds: str) -> list[Event]:
    return [event for event in history if event.WhichOneof("eventType") not in kinds]


def child_done(number: int, result: str) -> Event:
    done = pb.SubOrchestrationInstanceCompletedEvent(taskScheduledId=number, result=StringValue(value=result))
    return Event(subOrchestrationInstanceCompleted=done)


@pytest.fixture
def hub() -> HubInHand:
    return HubInHand()


def confirmed(hub: HubInHand, created: Event, person: str) -> str:
    """The output of that challenge, once its person has sent the right code."""
    child = created.subOrchestrationInstanceCreated
    waiting = hub.play(child.instanceId, started(child.name, child.input.value))
    answer = hub.codes.answer(child.instanceId, hub.phones.code(person))
    response = hub.raised(child.instanceId, EVENT_RESPONSE, Response(command_id="c", answer=answer))
    done = hub.play(child.instanceId, response, history=waiting.history()).done
    assert done is not None
    return done.result.value


# ---- what is told in the wrong place -----------------------------------------------------------------------


def test_a_vote_from_before_the_start_needs_its_seal(hub: HubInHand) -> None:
    start = hub.asked(ME)
    body = {"command_id": "x", "actor": "U0ADA", "via": "chat", "round": 1, "choice": "approve"}
    forged = raised(EVENT_DECISION, json.dumps(body | identity_of(start).model_dump()))
    assert hub.play(ME, forged, start).progress.status is Status.PENDING
    ours = hub.play(ME, sealed_decision(hub, start, "U0ADA"), start)
    assert ours.progress.status is Status.APPROVED


def test_a_group_is_not_answered_in_the_guise_of_a_child(hub: HubInHand) -> None:
    start = hub.asked(ME, "purchase", amount="4200")
    asked = hub.play(ME, start)
    looking = hub.turn(ME, asked.history(), [sealed_decision(hub, start, "U0MAL")])
    forged = child_done(looking.called("members").eventId, '{"groups":{"S0MANAGERS":["U0MAL"]}}')
    assert votes(hub.play(ME, forged, history=looking.history()).progress) == []


def test_no_code_is_confirmed_where_the_hub_keeps_silent_that_it_was_asked_for(hub: HubInHand) -> None:
    start = hub.asked(ME, "wire", amount="20000")
    waiting = hub.play(ME, sealed_decision(hub, start, "U0ADA"), history=hub.play(ME, start).history())
    (created,) = created_in(waiting.history())
    silent = without(waiting.history(), "subOrchestrationInstanceCreated")
    forged = child_done(created.eventId, '{"challenge_id":"x","status":"verified"}')
    assert votes(hub.play(ME, forged, history=silent).progress) == []


# ---- what was sealed, for something else -------------------------------------------------------------------


def test_a_code_counts_for_the_press_that_it_was_sent_for(hub: HubInHand) -> None:
    """Fin confirms his own vote. Ada pressed too, and never sent a code: in another history hers is the first."""
    start = hub.asked(ME, "transfer", amount="20000")
    asked = hub.play(ME, start).history()
    his = hub.play(ME, sealed_decision(hub, start, "U0FIN"), history=asked)
    (created,) = created_in(his.history())
    output = confirmed(hub, created, "U0FIN")
    right = hub.play(ME, child_done(created.eventId, output), history=his.history())
    assert votes(right.progress) == [("U0FIN", Factor.SMS)]

    hers = hub.play(ME, sealed_decision(hub, start, "U0ADA"), history=asked)
    (own,) = created_in(hers.history())
    assert own.eventId == created.eventId
    for told in (own, created):
        history = [*without(hers.history(), "subOrchestrationInstanceCreated"), told]
        assert votes(hub.play(ME, child_done(told.eventId, output), history=history).progress) == []


def test_two_codes_of_one_turn_are_not_exchanged(hub: HubInHand) -> None:
    start = hub.asked(ME, "transfer", amount="20000")
    pressed = [sealed_decision(hub, start, who) for who in ("U0ADA", "U0FIN")]
    both = hub.play(ME, *pressed, history=hub.play(ME, start).history())
    hers, his = created_in(both.history())
    output = confirmed(hub, his, "U0FIN")
    exchanged = Event()
    exchanged.CopyFrom(his)
    exchanged.eventId = hers.eventId
    history = [exchanged if event is hers else event for event in both.history()]
    assert votes(hub.play(ME, child_done(hers.eventId, output), history=history).progress) == []
    right = hub.play(ME, child_done(his.eventId, output), history=both.history())
    assert votes(right.progress) == [("U0FIN", Factor.SMS)]


def test_who_is_in_a_group_is_looked_up_for_this_vote(hub: HubInHand) -> None:
    """Mal was a manager when somebody else voted. In another history her own vote is looked up under that number."""
    hub.board.groups["S0MANAGERS"] = ["U0MAL"]
    start = hub.asked(ME, "purchase", amount="4200")
    asked = hub.play(ME, start).history()
    others = hub.turn(ME, asked, [sealed_decision(hub, start, "U0SAM")])
    old = hub.work(ME, others.called("members"))
    assert old.HasField("taskCompleted")
    hers = hub.turn(ME, asked, [sealed_decision(hub, start, "U0MAL")])
    assert hers.called("members").eventId == others.called("members").eventId
    assert votes(hub.turn(ME, hers.history(), [old]).progress) == []
    again = [
        others.called("members") if event == hers.called("members") else event for event in hers.history()
    ]
    assert votes(hub.turn(ME, again, [old]).progress) == []
    assert votes(
        hub.play(ME, *(hub.work(ME, call) for call in hers.calls()), history=hers.history()).progress
    )


def test_an_entity_that_was_not_called_answers_nothing(hub: HubInHand) -> None:
    """The hub says that a stranger's entity was called, which says that Ada is away and Bob decides."""
    start = hub.asked(ME, "transfer", amount="5")
    first = hub.turn(ME, [], [start])
    (call,) = first.calls()
    away = {"delegate": "U0BOB", "away": {"from": "2020-01-01", "until": "2099-01-01"}}
    said = StringValue(value=json.dumps(away))
    for target in ("@theirs@x", call.entityOperationCalled.targetInstanceId.value):
        told = Event()
        told.CopyFrom(call)
        told.entityOperationCalled.targetInstanceId.value = target
        answer = pb.EntityOperationCompletedEvent(requestId=call.entityOperationCalled.requestId, output=said)
        history = [*without(first.history(), "entityOperationCalled"), told]
        asked = hub.play(ME, Event(entityOperationCompleted=answer), history=history)
        assert asked.progress.levels[-1].delegates == {}


def test_an_entity_answers_for_itself(hub: HubInHand) -> None:
    """Ada says that she is away and names Dan. The hub gives that out as Fin's word too."""
    said = {"entry": {"delegate": "U0DAN", "away": {"from": "2020-01-01", "until": "2099-01-01"}}}
    text = json.dumps(said)
    away = envelope.put(SEAL_KEYS.seal(scope.state("@person@U0ADA"), text), text)
    turn = hub.turn(ME, [], [hub.asked(ME, "vote")])
    word = Event()
    while calls := turn.calls():
        answers = []
        for call in calls:
            called = call.entityOperationCalled
            if called.targetInstanceId.value == "@person@U0ADA":
                word = hub.operate(call, away)
                answers.append(word)
            elif called.targetInstanceId.value == "@person@U0FIN":
                forged = Event()
                forged.CopyFrom(word)
                forged.entityOperationCompleted.requestId = called.requestId
                answers.append(forged)
            else:
                answers.append(hub.honest(ME, call))
        turn = hub.turn(ME, turn.history(), answers)
    delegates = turn.progress.levels[-1].delegates
    assert delegates["U0ADA"] == "U0DAN"
    assert "U0FIN" not in delegates


def test_a_code_is_not_found_by_turning_the_hub_back(hub: HubInHand) -> None:
    """Somebody has Ada's session and the hub: each of their tries is the first one, as far as the history says."""
    start = hub.asked(ME, "wire", amount="20000")
    pressed = hub.play(ME, sealed_decision(hub, start, "U0ADA"), history=hub.play(ME, start).history())
    (created,) = created_in(pressed.history())
    child = created.subOrchestrationInstanceCreated
    waiting = hub.play(child.instanceId, started(child.name, child.input.value))
    right = hub.phones.code("U0ADA")
    wrong = [digits for digits in ("000000", "000001", "000002", "000003") if digits != right][:3]

    def tried(digits: str) -> str:
        answer = Response(command_id=digits, answer=hub.codes.answer(child.instanceId, digits))
        sent = hub.raised(child.instanceId, EVENT_RESPONSE, answer)
        after = hub.play(child.instanceId, sent, history=waiting.history())
        return envelope.take(after.response.customStatus.value)[1]

    assert '"verified"' in tried(right)
    for digits in wrong:
        assert '"attempts_left":2' in tried(digits)
    assert '"verified"' not in tried(right)


# ---- what our own code could be made to seal ---------------------------------------------------------------


@pytest.mark.parametrize("target", ["other-sms-1", "request-2"])
def test_an_orchestration_commands_its_own_children_alone(hub: HubInHand, target: str) -> None:
    """Were one of ours to send an event to whom a request names, no command would come of it."""
    action = pb.OrchestratorAction(
        id=1,
        sendEvent=pb.SendEventAction(
            instance=pb.OrchestrationInstance(instanceId=target),
            name=EVENT_CANCELLED,
            data=StringValue(value="{}"),
        ),
    )
    response = pb.OrchestratorResponse(instanceId=ME, actions=[action])
    hub.sealer.turn(response, HistoryReader(SEAL_KEYS, OURS, ME, "approval"))
    assert response.actions[0].sendEvent.data.value == "{}"


def test_a_code_that_is_not_needed_any_more_is_withdrawn_under_seal(hub: HubInHand) -> None:
    start = hub.asked(ME, "wire", amount="20000")
    waiting = hub.play(ME, sealed_decision(hub, start, "U0ADA"), history=hub.play(ME, start).history())
    (created,) = created_in(waiting.history())
    ended = hub.play(ME, sealed_decision(hub, start, "U0ADA", Choice.REJECT), history=waiting.history())
    (sent,) = (event.eventSent for event in ended.history() if event.HasField("eventSent"))
    child = created.subOrchestrationInstanceCreated
    begun = hub.play(child.instanceId, started(child.name, child.input.value))
    done = hub.play(child.instanceId, raised(sent.name, sent.input.value), history=begun.history()).done
    assert done is not None
    assert '"cancelled"' in done.result.value


def test_a_request_is_not_run_again_from_where_it_failed(hub: HubInHand) -> None:
    """Rewinding has the worker write a history anew, of what it has unsealed."""
    start = hub.asked(ME, "vote")
    ended = Event(executionCompleted=pb.ExecutionCompletedEvent())
    history = [
        *hub.play(ME, sealed_decision(hub, start, "U0ADA"), history=hub.play(ME, start).history()).history(),
        ended,
    ]
    turn = hub.turn(ME, history, [Event(executionRewound=pb.ExecutionRewoundEvent())])
    assert not turn.response.actions


# ---- rotation ----------------------------------------------------------------------------------------------


def test_a_history_goes_on_under_a_new_key_and_replays_the_same() -> None:
    """The key changes between any two turns, with calls under way, and comes to every process in two steps."""
    old, new = b"o" * 32, b"n" * 32
    steps = ([old], [old, new], [new, old], [new, old])
    for change in range(4):
        hubs = [HubInHand(SealKeys(keys)) for keys in steps]
        start = hubs[0].asked(ME, "quick")
        turn = hubs[0].turn(ME, [], [start])
        count = 0
        told = ["U0ADA", "U0FIN"]
        while turn.done is None:
            count += 1
            hub = hubs[min(max(count - change, 0), 3)]
            answers = [hub.honest(ME, call) for call in turn.calls()]
            if not answers:
                answers = [sealed_decision(hub, start, told.pop(0))]
            again = hubs[min(max(count - change + 1, 0), 3)]
            history = turn.history()
            turn = again.turn(ME, history, answers)
            assert not turn.abandoned
            replayed = hubs[3].turn(ME, history, answers)
            assert _without_seals(replayed) == _without_seals(turn)
        assert turn.progress.status is Status.APPROVED
        assert turn.progress.outcome is not None
        assert turn.progress.outcome.receipt


def _without_seals(turn: AnsweredTurn) -> list[Any]:
    return [
        (event.WhichOneof("eventType"), event.eventId, event.taskScheduled.name) for event in turn.confirmed()
    ]


def test_a_key_that_is_not_held_leaves_the_turn_to_another_process() -> None:
    hub, other = HubInHand(SealKeys([b"o" * 32])), HubInHand(SealKeys([b"n" * 32]))
    start = hub.asked(ME)
    assert other.turn(ME, [], [start]).abandoned
    assert other.turn(ME, hub.play(ME, start).history(), [sealed_decision(hub, start, "U0ADA")]).abandoned
