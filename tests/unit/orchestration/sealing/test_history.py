"""What a history may tell one of our orchestrations: answers to the very calls that it made, and what is sealed."""

from __future__ import annotations

import json

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.runtime.ours import OURS
from orchestration.sealing import envelope, scope
from orchestration.sealing.history import HistoryReader, StartRefusedError, started_as
from orchestration.sealing.keys import SealKeys

KEYS = SealKeys([b"k" * 32])
ME = "deploy-k7m2x9qd"
CHILD = f"{ME}-sms-1"

Event = pb.HistoryEvent


def sealed(place: scope.Place, text: str, call: str = "") -> StringValue:
    return StringValue(value=envelope.put(KEYS.seal(place, text, call), text))


def start(given: str = "{}", name: str = "approval") -> Event:
    text = sealed(scope.start(ME, name), given)
    return Event(executionStarted=pb.ExecutionStartedEvent(name=name, input=text))


def reader(*before: Event) -> HistoryReader:
    """One that has read a start, and then these."""
    found = HistoryReader(KEYS, OURS, ME, "approval")
    for event in before or (start(),):
        assert found.read(event)
    return found


def scheduled(number: int, name: str) -> Event:
    return Event(eventId=number, taskScheduled=pb.TaskScheduledEvent(name=name))


def created(number: int, child: str = CHILD, name: str = "sms_challenge") -> Event:
    return Event(
        eventId=number,
        subOrchestrationInstanceCreated=pb.SubOrchestrationInstanceCreatedEvent(instanceId=child, name=name),
    )


def called(number: int, target: str = "@person@U0ADA", request_id: str = "r1") -> Event:
    call = pb.EntityOperationCalledEvent(
        requestId=request_id, operation="entry", targetInstanceId=StringValue(value=target)
    )
    return Event(eventId=number, entityOperationCalled=call)


def completed(number: int, result: StringValue) -> Event:
    return Event(taskCompleted=pb.TaskCompletedEvent(taskScheduledId=number, result=result))


def child_completed(number: int, result: StringValue) -> Event:
    done = pb.SubOrchestrationInstanceCompletedEvent(taskScheduledId=number, result=result)
    return Event(subOrchestrationInstanceCompleted=done)


def replied(request_id: str, output: StringValue) -> Event:
    return Event(
        entityOperationCompleted=pb.EntityOperationCompletedEvent(requestId=request_id, output=output)
    )


def turn(seconds: int) -> Event:
    return Event(timestamp=Timestamp(seconds=seconds), orchestratorStarted=pb.OrchestratorStartedEvent())


def test_an_answer_counts_in_the_history_that_led_to_its_call() -> None:
    """Each of these histories makes a call of the same number. The answer is that of the first."""
    fired = Event(timerFired=pb.TimerFiredEvent(timerId=7))
    first = (start('{"state":1}'), turn(1))
    call = reader(*first).digest.call(1)
    answer = sealed(scope.result(ME, "members", 1), '{"groups":{}}', call)
    others = [
        (start('{"state":2}'), turn(1)),
        (*first, fired),
        (start('{"state":1}'), turn(2)),
        (*first, turn(1)),
    ]
    for history in (first, *others):
        found = reader(*history, scheduled(1, "members"))
        event = completed(1, answer)
        assert found.read(event)
        assert event.HasField("taskCompleted") is (history is first)
        assert event.HasField("taskFailed") is (history is not first)


def test_what_does_not_count_is_not_told() -> None:
    """So the same call is made with it and without it."""
    found = reader()
    call = found.digest.call(1)
    assert not found.read(Event(eventRaised=pb.EventRaisedEvent(name="ApprovalDecision")))
    assert not found.read(completed(1, StringValue(value="true")))
    assert found.digest.call(1) == call


def test_an_answer_to_another_question_is_a_failure() -> None:
    found = reader()
    call = found.digest.call(1)
    found.read(scheduled(1, "check_code"))
    for place, made_for in (
        (scope.result(ME, "members", 1), call),
        (scope.result(ME, "check_code", 2), call),
        (scope.result("other", "check_code", 1), call),
        (scope.output(ME, "check_code"), call),
        (scope.result(ME, "check_code", 1), ""),
        (scope.result(ME, "check_code", 1), found.digest.call(2)),
    ):
        event = completed(1, sealed(place, "true", made_for))
        assert found.read(event)
        assert event.HasField("taskFailed")


def test_a_child_answers_the_call_that_started_it() -> None:
    found = reader()
    right, other = found.digest.call(1), found.digest.call(2)
    found.read(created(1))
    found.read(created(2))
    output = sealed(scope.output(CHILD, "sms_challenge"), '{"status":"verified"}', right)
    assert right != other
    for number in (1, 2):
        event = child_completed(number, output)
        assert found.read(event)
        assert event.HasField("subOrchestrationInstanceCompleted") is (number == 1)


def test_an_entity_answers_as_the_one_that_was_called() -> None:
    """The hub says that somebody else was called: Ada's word is not theirs."""
    for target in ("@person@U0ADA", "@Person@U0ADA", "@person@u0ada", "@person@U0MAL", "@theirs@U0ADA"):
        found = reader()
        output = sealed(scope.reply("@person@U0ADA", "entry", "r1"), "{}", found.digest.call(1))
        found.read(called(1, target))
        event = replied("r1", output)
        assert found.read(event)
        assert event.HasField("entityOperationCompleted") is target.endswith("erson@U0ADA")


@pytest.mark.parametrize(
    "event",
    [
        child_completed(1, StringValue(value='{"groups":{"S0MANAGERS":["U0MAL"]}}')),
        replied("r1", StringValue(value="{}")),
        completed(2, StringValue(value="true")),
        Event(taskFailed=pb.TaskFailedEvent(taskScheduledId=2)),
        Event(subOrchestrationInstanceFailed=pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=1)),
        Event(entityOperationFailed=pb.EntityOperationFailedEvent(requestId="r1")),
        Event(entityLockGranted=pb.EntityLockGrantedEvent(criticalSectionId="1")),
        Event(entityUnlockSent=pb.EntityUnlockSentEvent(criticalSectionId="1")),
        Event(executionRewound=pb.ExecutionRewoundEvent()),
        Event(genericEvent=pb.GenericEvent()),
        Event(historyState=pb.HistoryStateEvent()),
        Event(eventRaised=pb.EventRaisedEvent(name="r1", input=StringValue(value='{"result":"{}"}'))),
        Event(),
    ],
    ids=lambda event: event.WhichOneof("eventType") or "nothing",
)
def test_what_answers_no_call_and_what_is_unknown_does_not_count(event: Event) -> None:
    """A call is answered by its own kind: else the hub would answer the first one in the guise of another."""
    found = reader()
    assert found.read(scheduled(1, "members"))
    assert not found.read(event)


@pytest.mark.parametrize(
    ("first", "then"), [("approval", "approval"), ("theirs", "approval"), ("approval", "theirs")]
)
def test_there_is_one_start(first: str, then: str) -> None:
    """What another orchestration was told, without a seal, would be told to ours too."""
    events = [start(name=first), start(name=then)]
    found = HistoryReader(KEYS, OURS, ME, started_as(events))
    assert found.read(events[0])
    with pytest.raises(StartRefusedError):
        found.read(events[1])


def test_what_came_before_the_start_is_read_as_ours() -> None:
    forged = Event(eventRaised=pb.EventRaisedEvent(name="ApprovalDecision", input=StringValue(value="{}")))
    found = HistoryReader(KEYS, OURS, ME, started_as([forged, start()]))
    assert not found.read(forged)


def test_a_start_without_a_seal_begins_a_generation_of_its_own() -> None:
    calls = set()
    for title in ("a", "b"):
        given = StringValue(value=json.dumps({"request": {"title": title}}))
        found = reader(Event(executionStarted=pb.ExecutionStartedEvent(name="approval", input=given)))
        calls.add(found.digest.call(1))
    assert len(calls) == 2


def test_nothing_stays_absent() -> None:
    found = reader()
    answer = sealed(scope.result(ME, "alert_lock", 1), "null", found.digest.call(1))
    found.read(scheduled(1, "alert_lock"))
    event = completed(1, answer)
    found.read(event)
    assert not event.taskCompleted.HasField("result")
