"""An answer counts in the generation that asked, whatever else the hub has kept for the same place."""

from __future__ import annotations

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.runtime.ours import OURS
from orchestration.sealing import envelope, scope
from orchestration.sealing.history import HistoryReader
from orchestration.sealing.keys import SealKeys, generation_of

KEYS = SealKeys([b"k" * 32])
ME = "deploy-k7m2x9qd"


def sealed(place: scope.Place, text: str, made_in: str = "") -> StringValue:
    return StringValue(value=envelope.put(KEYS.seal(place, text, made_in), text))


def started(given: str) -> tuple[HistoryReader, str]:
    """A reader that has read a start with this input, and the generation that it began."""
    reader = HistoryReader(KEYS, OURS, ME)
    text = sealed(scope.start(ME, "approval"), given)
    assert reader.read(
        pb.HistoryEvent(executionStarted=pb.ExecutionStartedEvent(name="approval", input=text))
    )
    return reader, generation_of(envelope.take(text.value)[0])


def test_the_answer_of_an_earlier_generation_is_a_failure() -> None:
    _, before = started('{"state":1}')
    reader, now = started('{"state":2}')
    assert reader.generation == now != before
    for number, made_in in ((1, now), (2, before), (3, "")):
        reader.read(pb.HistoryEvent(eventId=number, taskScheduled=pb.TaskScheduledEvent(name="members")))
        answer = sealed(scope.result(ME, "members", number), '{"groups":{}}', made_in)
        event = pb.HistoryEvent(taskCompleted=pb.TaskCompletedEvent(taskScheduledId=number, result=answer))
        assert reader.read(event)
        assert event.HasField("taskCompleted") is (made_in == now)
        assert event.HasField("taskFailed") is (made_in != now)


def test_an_answer_to_another_question_is_a_failure() -> None:
    reader, now = started("{}")
    reader.read(pb.HistoryEvent(eventId=1, taskScheduled=pb.TaskScheduledEvent(name="check_code")))
    for place in (
        scope.result(ME, "members", 1),
        scope.result(ME, "check_code", 2),
        scope.result("other", "check_code", 1),
        scope.output(ME, "check_code"),
    ):
        event = pb.HistoryEvent(
            taskCompleted=pb.TaskCompletedEvent(taskScheduledId=1, result=sealed(place, "true", now))
        )
        reader.read(event)
        assert event.HasField("taskFailed")


def test_a_child_answers_for_the_start_that_this_generation_gave_it() -> None:
    reader, now = started("{}")
    child = f"{ME}-sms-1"
    for number, parent in ((1, now), (2, "an earlier generation")):
        given = sealed(scope.start(child, "sms_challenge"), '{"target":{}}', parent)
        created = pb.SubOrchestrationInstanceCreatedEvent(instanceId=child, name="sms_challenge", input=given)
        reader.read(pb.HistoryEvent(eventId=number, subOrchestrationInstanceCreated=created))
        output = sealed(
            scope.output(child, "sms_challenge"),
            '{"status":"verified"}',
            generation_of(envelope.take(given.value)[0]),
        )
        event = pb.HistoryEvent(
            subOrchestrationInstanceCompleted=pb.SubOrchestrationInstanceCompletedEvent(
                taskScheduledId=number, result=output
            )
        )
        reader.read(event)
        assert event.HasField("subOrchestrationInstanceCompleted") is (parent == now)


def test_nothing_stays_absent() -> None:
    reader, now = started("{}")
    reader.read(pb.HistoryEvent(eventId=1, taskScheduled=pb.TaskScheduledEvent(name="alert_lock")))
    event = pb.HistoryEvent(
        taskCompleted=pb.TaskCompletedEvent(
            taskScheduledId=1, result=sealed(scope.result(ME, "alert_lock", 1), "null", now)
        )
    )
    reader.read(event)
    assert not event.taskCompleted.HasField("result")
