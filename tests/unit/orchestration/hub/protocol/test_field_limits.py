"""Every text that enters the hub has a limit in one table, and everything the hub sends is within readers' limits."""

from collections.abc import Callable, Iterator

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub.protocol import failures, field_limits, limits, wire
from orchestration.hub.protocol.field_limits import excess
from orchestration.hub.protocol.fitting import fit

MIB = 1024 * 1024
FAILURE = pb.TaskFailureDetails.DESCRIPTOR.name


def is_text(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING or field.message_type is StringValue.DESCRIPTOR


def texts_in(message: Descriptor, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Message and field of each text that can be in such a message, but for those of failures and tags."""
    if message.name in seen or message.file.name != pb.DESCRIPTOR.name or message.name == FAILURE:
        return
    seen.add(message.name)
    for field in message.fields:
        if is_text(field):
            yield message.name, field.name
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield from texts_in(field.message_type, seen)


def requests() -> set[tuple[str, str]]:
    service = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
    seen: set[str] = set()
    return {found for method in service.methods for found in texts_in(method.input_type, seen)}


def test_every_text_of_every_request_is_in_the_table_and_nothing_else_is() -> None:
    known, found = set(field_limits.LIMITS), requests()
    assert [one for one in found if one[1] not in known and ".".join(one) not in known] == []
    named = {name for _, name in found} | {".".join(one) for one in found} | {"serializedState"}
    assert known - named == set(), "no field has this name"


def instance(**more: object) -> pb.CreateInstanceRequest:
    return pb.CreateInstanceRequest(instanceId="one", name="any", **more)  # type: ignore[arg-type]  # one field each


def action(**kind: object) -> pb.OrchestratorResponse:
    return pb.OrchestratorResponse(actions=[pb.OrchestratorAction(**kind)])  # type: ignore[arg-type]  # as above


def text(value: str) -> StringValue:
    return StringValue(value=value)


TOO_LONG: list[tuple[Message, str]] = [
    (pb.CreateInstanceRequest(name="n" * 513), "name has 513 bytes; at most 512"),
    (pb.CreateInstanceRequest(name="ä" * 257), "name has 514 bytes; at most 512"),
    (instance(version=text("v" * 513)), "version has 513 bytes"),
    (instance(input=text("x" * (MIB + 1))), "input has 1,048,577 bytes; at most 1,048,576 are allowed. Pass a ref"),
    (instance(tags={"k" * 8192: "v" * 8193}), "tags has 16,385 bytes; at most 16,384"),
    (instance(tags={str(number): "v" * 1000 for number in range(17)}), "tags has "),
    (instance(parentTraceContext=pb.TraceContext(traceState=text("t" * 5000))), "parentTraceContext.traceState has"),
    (instance(executionId=text("e" * 1001)), "executionId has 1,001 bytes"),
    (pb.GetInstanceRequest(instanceId="i" * 5_000_000), "instanceId has 5,000,000 bytes; at most 1,000"),
    (pb.RaiseEventRequest(instanceId="one", name="n" * 513), "name has 513 bytes"),
    (pb.SuspendRequest(instanceId="one", reason=text("r" * 16_385)), "reason has 16,385 bytes"),
    (pb.TerminateRequest(instanceId="one", output=text("o" * (MIB + 1))), "output has 1,048,577 bytes"),
    (pb.SignalEntityRequest(instanceId="@a@" + "k" * 998), "instanceId has 1,001 bytes"),
    (pb.SignalEntityRequest(instanceId="@a@b", requestId="r" * 1001), "requestId has 1,001 bytes"),
    (pb.PurgeInstancesRequest(instanceBatch=pb.InstanceBatch(instanceIds=["a"] * 10_001)), "10,001 items; at most"),
    (pb.PurgeInstancesRequest(instanceBatch=pb.InstanceBatch(instanceIds=["a", "b" * 1001])), "instanceIds[1] has 1"),
    (pb.QueryEntitiesRequest(query=pb.EntityQuery(continuationToken=text("t" * 8001))), "query.continuationToken has"),
    (
        pb.GetWorkItemsRequest(
            workItemFilters=pb.WorkItemFilters(activities=[pb.ActivityFilter(name="a", versions=["v", "v" * 513])])
        ),
        "workItemFilters.activities[0].versions[1] has 513 bytes",
    ),
    (action(scheduleTask=pb.ScheduleTaskAction(name="n" * 513)), "actions[0].scheduleTask.name has 513 bytes"),
    (action(scheduleTask=pb.ScheduleTaskAction(tags={"k": "v" * 17_000})), "actions[0].scheduleTask.tags has"),
    (action(sendEvent=pb.SendEventAction(data=text("d" * (MIB + 1)))), "actions[0].sendEvent.data has"),
    (
        action(
            sendEntityMessage=pb.SendEntityMessageAction(
                entityLockRequested=pb.EntityLockRequestedEvent(lockSet=["@a@b"] * 101)
            )
        ),
        "lockSet has 101 items; at most 100 are allowed",
    ),
    (
        action(
            completeOrchestration=pb.CompleteOrchestrationAction(
                carryoverEvents=[pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name="n" * 513))]
            )
        ),
        "actions[0].completeOrchestration.carryoverEvents[0].eventRaised.name has 513 bytes",
    ),
    (pb.OrchestratorResponse(customStatus=text("s" * (MIB + 1))), "customStatus has"),
    (pb.ActivityResponse(result=text("r" * (MIB + 1))), "result has"),
    (pb.EntityBatchResult(entityState=text("s" * (MIB + 1))), "entityState has"),
    (pb.EntityBatchResult(actions=[pb.OperationAction(sendSignal=pb.SendSignalAction(name="n" * 600))]), "sendSignal"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "words"), TOO_LONG, ids=[words[:40] for _, words in TOO_LONG])
def test_what_is_too_long_is_named_with_its_limit(message: Message, words: str) -> None:
    found = excess(message)
    assert found is not None
    assert words in found
    assert len(found) < 300
    fit(message)
    assert excess(message) is None, "what goes out can always be made to fit"


LONGEST: list[Message] = [
    instance(version=text("v" * 512), input=text("x" * MIB), tags={"k" * 8192: "v" * 8192}),
    pb.CreateInstanceRequest(name="ä" * 256),
    pb.PurgeInstancesRequest(instanceBatch=pb.InstanceBatch(instanceIds=["a" * 1000] * 10_000)),
    action(scheduleTask=pb.ScheduleTaskAction(name="n" * 512, input=text("i" * MIB))),
]


@pytest.mark.parametrize("message", LONGEST, ids=lambda message: message.DESCRIPTOR.name)
def test_what_is_as_long_as_it_may_be_is_taken_and_goes_out_unchanged(message: Message) -> None:
    assert excess(message) is None
    before = message.SerializeToString()
    fit(message)
    assert message.SerializeToString() == before


# Failures.


def deep(causes: int, size: int = 10) -> pb.TaskFailureDetails:
    """A failure with so many causes."""
    failure = pb.TaskFailureDetails(errorType="E", errorMessage="m" * size, stackTrace=text("s" * size))
    for _ in range(causes):
        failure = pb.TaskFailureDetails(
            errorType="E", errorMessage="m" * size, stackTrace=text("s" * size), innerFailure=failure
        )
    return failure


def nested_without_end() -> bytes:
    """A failure with more causes than any reader takes."""
    content = b""
    for _ in range(200):
        content = wire.field(pb.TaskFailureDetails.INNERFAILURE_FIELD_NUMBER, content)
    return content


def carriers(failure: pb.TaskFailureDetails) -> Iterator[tuple[Message, Callable[[], pb.TaskFailureDetails]]]:
    """Every message of a worker that can carry a failure."""
    activity = pb.ActivityResponse(failureDetails=failure)
    yield activity, lambda: activity.failureDetails
    turn = action(completeOrchestration=pb.CompleteOrchestrationAction(failureDetails=failure))
    yield turn, lambda: turn.actions[0].completeOrchestration.failureDetails
    history = action(
        rewindOrchestration=pb.RewindOrchestrationAction(
            newHistory=[pb.HistoryEvent(taskFailed=pb.TaskFailedEvent(failureDetails=failure))]
        )
    )
    yield history, lambda: history.actions[0].rewindOrchestration.newHistory[0].taskFailed.failureDetails
    batch = pb.EntityBatchResult(failureDetails=failure)
    yield batch, lambda: batch.failureDetails
    result = pb.EntityBatchResult(
        results=[pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))]
    )
    yield result, lambda: result.results[0].failure.failureDetails


def test_a_failure_is_cut_wherever_it_comes_in() -> None:
    failure = deep(50, 100)
    failure.errorMessage = "begins" + "m" * 5_000_000 + "ends"
    failure.stackTrace.value = "begins" + "s" * 5_000_000 + "ends"
    for message, cut in carriers(failure):
        assert excess(message) is None, message.DESCRIPTOR.name
        for words in (cut().errorMessage, cut().stackTrace.value):
            assert len(words.encode()) <= 32 * 1024
            assert words.startswith("begins")
            assert words.endswith("ends")
            assert "[… 5,000,010 bytes, shortened …]" in words
        assert cut().ByteSize() < failures.CAUSES * 70 * 1024


def test_causes_that_are_too_deep_are_left_out_with_a_mark() -> None:
    failure = deep(98)
    failures.shorten(failure)
    depth = 1
    while failure.HasField("innerFailure"):
        failure, depth = failure.innerFailure, depth + 1
    assert depth == failures.CAUSES
    assert failure.errorMessage.endswith("[its causes are left out]")


def test_properties_that_are_large_or_nest_deep_are_left_out_with_a_mark() -> None:
    large, nested, small = (pb.TaskFailureDetails(errorMessage="m") for _ in range(3))
    large.properties["p"].string_value = "x" * 10_000
    value = nested.properties["p"]
    for _ in range(20):
        value = value.list_value.values.add()
    value.number_value = 1
    small.properties["p"].struct_value["key"] = [1, "two"]
    for failure in (large, nested, small):
        failures.shorten(failure)
    assert [bool(one.properties) for one in (large, nested, small)] == [False, False, True]
    assert large.errorMessage == nested.errorMessage == "m [its properties are left out]"


@pytest.mark.parametrize("letter", ["x", "ä", "語", "🗳"])
@pytest.mark.parametrize("limit", [0, 10, 100, 101, 102, 103])
def test_a_text_is_shortened_to_its_limit_and_stays_a_text(letter: str, limit: int) -> None:
    whole = letter * (limit // len(letter.encode()))
    assert failures.shortened(whole, limit) == whole
    cut = failures.shortened(letter * 1000, limit)
    assert "bytes, shortened" in cut
    assert len(cut.encode()) <= max(limit, 40)
    assert failures.shortened(cut, 200) == cut


def test_a_recorded_failure_that_cannot_be_read_is_described() -> None:
    assert failures.recorded(nested_without_end()).errorType == "UnreadableFailure"
    assert (
        failures.recorded(b"\xff").errorMessage
        == "The 1 bytes that are recorded of this failure cannot be read."
    )


def test_a_payload_that_is_too_long_goes_out_as_json_that_says_so() -> None:
    state = pb.OrchestrationState(output=text('"' + "x" * 5_000_000 + '"'), name="n" * 1000)
    fit(state)
    assert state.output.value == '"[5,000,002 bytes, left out]"'
    assert "1,000 bytes, shortened" in state.name
    assert limits.too_large(state.output.value) is None
