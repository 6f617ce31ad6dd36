"""Whatever its size, what comes in is recorded, cut, or refused in words; no row keeps readers from the others."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.client import EntityQuery
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub import Hub
from orchestration.hub.protocol import wire
from orchestration.hub.upkeep.check import check
from tests.support.hubs import HubUnderTest, RawWorker, complete, schedule

LONG = "x" * 1_100_000  # more than any field may have
HUGE = "x" * 5_000_000  # more than a message may have that a client takes


def text(value: str) -> StringValue:
    return StringValue(value=value)


REFUSED: list[tuple[str, Message, str]] = [
    ("StartInstance", pb.CreateInstanceRequest(name=LONG), "name"),
    ("StartInstance", pb.CreateInstanceRequest(name="any", input=text(LONG)), "input"),
    ("StartInstance", pb.CreateInstanceRequest(name="any", version=text(LONG)), "version"),
    ("StartInstance", pb.CreateInstanceRequest(name="any", tags={"a": LONG}), "tags"),
    ("GetInstance", pb.GetInstanceRequest(instanceId=LONG), "instanceId"),
    ("WaitForInstanceCompletion", pb.GetInstanceRequest(instanceId=LONG), "instanceId"),
    ("RaiseEvent", pb.RaiseEventRequest(instanceId="one", name=LONG), "name"),
    ("RaiseEvent", pb.RaiseEventRequest(instanceId="one", name="go", input=text(LONG)), "input"),
    ("SuspendInstance", pb.SuspendRequest(instanceId="one", reason=text(LONG)), "reason"),
    ("ResumeInstance", pb.ResumeRequest(instanceId="one", reason=text(LONG)), "reason"),
    ("RewindInstance", pb.RewindInstanceRequest(instanceId="one", reason=text(LONG)), "reason"),
    ("TerminateInstance", pb.TerminateRequest(instanceId="one", output=text(LONG)), "output"),
    ("SignalEntity", pb.SignalEntityRequest(instanceId="@a@b", name=LONG), "name"),
    ("SignalEntity", pb.SignalEntityRequest(instanceId="@a@b", name="a", input=text(LONG)), "input"),
    ("QueryInstances", pb.QueryInstancesRequest(query=pb.InstanceQuery(instanceIdPrefix=text(LONG))), "query.inst"),
    ("QueryEntities", pb.QueryEntitiesRequest(query=pb.EntityQuery(continuationToken=text(LONG))), "query.cont"),
    ("StreamInstanceHistory", pb.StreamInstanceHistoryRequest(instanceId=LONG), "instanceId"),
    ("GetWorkItems", pb.GetWorkItemsRequest(worker_instance_id=LONG), "worker_instance_id"),
]  # fmt: skip


def test_what_is_too_long_in_a_request_is_refused_with_its_name_and_limit(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    for name, request, field in REFUSED:
        with pytest.raises(grpc.RpcError) as refusal:
            list(_answers(getattr(ours.stub, name)(request)))
        error: Any = refusal.value
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (name, field)
        assert f"The field {field}" in error.details()
        assert "at most" in error.details()
    assert ours.state("one").runtime_status.name == "PENDING"


def _answers(answer: Any) -> Iterable[Any]:
    return [answer] if isinstance(answer, Message) else answer


def test_what_this_hub_does_not_know_is_not_kept(ours: HubUnderTest, tmp_path: Path) -> None:
    """A field of a newer protocol, or of nobody's, has no limit."""
    unknown = wire.field(999, b"x" * 1_000_000)
    request = pb.CreateInstanceRequest.FromString(
        pb.CreateInstanceRequest(instanceId="one", name="any").SerializeToString()
        + wire.field(pb.CreateInstanceRequest.PARENTTRACECONTEXT_FIELD_NUMBER, unknown)
    )
    ours.stub.StartInstance(request)
    assert len(_inbox(tmp_path)) < 200


def _inbox(directory: Path) -> bytes:
    db = sqlite3.connect(directory / "hub.db")
    (content,) = db.execute("SELECT event FROM inbox").fetchone()
    db.close()
    return bytes(content)


def test_an_answer_that_cannot_be_read_fails_its_work_in_words(ours: HubUnderTest) -> None:
    """Here a failure with more causes than can be read, in the field of the failure."""
    causes = b""
    for _ in range(200):
        causes = wire.field(pb.TaskFailureDetails.INNERFAILURE_FIELD_NUMBER, causes)
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), schedule(1))
        known = pb.ActivityResponse(completionToken=worker.take().completionToken).SerializeToString()
        content = wire.field(pb.ActivityResponse.FAILUREDETAILS_FIELD_NUMBER, causes) + known
        with pytest.raises(grpc.RpcError, match="cannot be read as ActivityResponse"):
            ours.channel.unary_unary("/TaskHubSidecarService/CompleteActivityTask", bytes)(content)
        failed = worker.take().orchestratorRequest.newEvents[1].taskFailed.failureDetails
        assert "cannot be read as ActivityResponse of the protocol, or nests too deep" in failed.errorMessage


# ---- failures and results ----------------------------------------------------------------------------------


def raises(_ctx: task.ActivityContext, depth: int) -> None:
    if depth:
        try:
            raises(_ctx, depth - 1)
        except ValueError as error:
            raise ValueError(f"{depth}: {HUGE}") from error
    raise ValueError(HUGE)


def fails(ctx: task.OrchestrationContext, depth: int) -> Any:
    yield ctx.call_activity(raises, input=depth)


def asks(ctx: task.OrchestrationContext, _given: Any) -> Any:
    yield ctx.call_sub_orchestrator(fails, input=1, instance_id="child")


def test_an_exception_with_a_text_of_five_megabytes_breaks_no_list(ours: HubUnderTest) -> None:
    """Nor does the failure of its caller, which tells its causes."""
    ours.work(fails, asks, activities=(raises,))
    ours.start(asks, instance_id="parent")
    assert ours.done("parent").runtime_status.name == "FAILED"
    for name in ("parent", "child"):
        details = ours.state(name).failure_details
        assert details is not None
        assert "bytes, shortened …]" in details.message
        assert len(details.message) <= 32 * 1024
        assert len(ours.client.get_orchestration_history(name)) > 3
    assert [one.instance_id for one in ours.client.get_all_orchestration_states()] == ["parent", "child"]


def test_what_an_orchestrator_cannot_ask_for_fails_it_in_words(ours: HubUnderTest) -> None:
    locks = pb.EntityLockRequestedEvent(lockSet=[f"@a@{number}" for number in range(1000)])
    for number, action in enumerate(
        [
            pb.OrchestratorAction(scheduleTask=pb.ScheduleTaskAction(name=LONG)),
            pb.OrchestratorAction(sendEvent=pb.SendEventAction(name=LONG)),
            pb.OrchestratorAction(createSubOrchestration=pb.CreateSubOrchestrationAction(instanceId=LONG)),
            pb.OrchestratorAction(sendEntityMessage=pb.SendEntityMessageAction(entityLockRequested=locks)),
        ]
    ):
        ours.start("any", instance_id=f"one-{number}")
        with RawWorker(ours.address) as worker:
            worker.answer(worker.take(), action)
        details = ours.done(f"one-{number}").failure_details
        assert details is not None
        assert details.message.startswith("The orchestrator's answer: The field actions[0].")
        assert "at most" in details.message


def test_a_hundred_locks_are_taken_at_once(ours: HubUnderTest) -> None:
    locks = pb.EntityLockRequestedEvent(
        criticalSectionId="s", lockSet=[f"@a@{number:03}" for number in range(100)]
    )
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        message = pb.SendEntityMessageAction(entityLockRequested=locks)
        worker.answer(worker.take(), pb.OrchestratorAction(id=1, sendEntityMessage=message))
        granted = worker.take()
        assert granted.orchestratorRequest.newEvents[1].HasField("entityLockGranted")
        worker.answer(granted, complete())


def called(worker: RawWorker, hub: HubUnderTest, name: str, operations: int) -> pb.WorkItem:
    """The batch of so many operations that an instance of this name has asked for."""
    hub.start("any", instance_id=name)
    calls = [
        pb.EntityOperationCalledEvent(
            requestId=f"{name}-{number}", operation="op", targetInstanceId=text("@a@b")
        )
        for number in range(operations)
    ]
    messages = [pb.SendEntityMessageAction(entityOperationCalled=one) for one in calls]
    worker.answer(worker.take(), *(pb.OrchestratorAction(sendEntityMessage=one) for one in messages))
    return worker.take()


def answered(worker: RawWorker) -> list[str]:
    """What became of each operation, by the turn of its caller: its output, or the words of its failure."""
    events = list(worker.take().orchestratorRequest.newEvents)[1:]
    return [
        one.entityOperationCompleted.output.value or one.entityOperationFailed.failureDetails.errorMessage
        for one in events
    ]


def test_the_results_of_operations_are_bounded_one_by_one(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as worker:
        batch = called(worker, ours, "one", 2)
        values = [pb.OperationResultSuccess(result=text(value)) for value in (LONG, '"fine"')]
        results = [pb.OperationResult(success=value) for value in values]
        answer = pb.EntityBatchResult(
            completionToken=batch.completionToken, results=results, entityState=text('"new"')
        )
        worker.stub.CompleteEntityTask(answer)
        large, fine = answered(worker)
    assert "The operation's result: The field success.result has 1,100,000 bytes" in large
    assert fine == '"fine"'
    assert ours.stub.GetEntity(STATE).entity.serializedState.value == '"new"'


STATE = pb.GetEntityRequest(instanceId="@a@b", includeState=True)
WHOLE = {
    "entityState": pb.EntityBatchResult(entityState=text(LONG)),
    "actions[0].sendSignal.name": pb.EntityBatchResult(
        actions=[pb.OperationAction(sendSignal=pb.SendSignalAction(instanceId="@a@c", name=LONG))]
    ),
    "actions[0].startNewOrchestration.name": pb.EntityBatchResult(
        actions=[pb.OperationAction(startNewOrchestration=pb.StartNewOrchestrationAction(name=LONG))]
    ),
}


def test_what_an_entity_cannot_keep_or_send_fails_its_operation_and_changes_nothing(
    ours: HubUnderTest,
) -> None:
    with RawWorker(ours.address) as worker:
        for number, (field, answer) in enumerate(WHOLE.items()):
            answer.completionToken = called(worker, ours, f"one-{number}", 1).completionToken
            answer.results.append(pb.OperationResult(success=pb.OperationResultSuccess()))
            worker.stub.CompleteEntityTask(answer)
            (words,) = answered(worker)
            assert f"The entity's answer: The field {field} has 1,100,000 bytes" in words
            assert not ours.stub.GetEntity(STATE).entity.serializedState.value


# ---- old rows ----------------------------------------------------------------------------------------------


def test_no_row_keeps_readers_from_the_others(tmp_path: Path) -> None:
    """Rows that a hub without these limits has written, and rows of a damaged file."""
    path = tmp_path / "hub.db"
    with Hub(path) as hub, RawWorker(hub.address) as worker:
        tested_hub = HubUnderTest(hub.address)
        for name in "abcdef":
            tested_hub.start("any", instance_id=name)
            worker.answer(worker.take(), complete(status=pb.ORCHESTRATION_STATUS_FAILED))
        tested_hub.stub.SignalEntity(pb.SignalEntityRequest(instanceId="@a@b", name="op"))
        tested_hub.close()
    deep = pb.TaskFailureDetails(errorMessage="m")
    for _ in range(97):
        deep = pb.TaskFailureDetails(innerFailure=deep)
    long = pb.TaskFailureDetails(errorMessage=HUGE)
    failed = wire.event(1, 1, taskFailed=pb.TaskFailedEvent(failureDetails=long))
    db = sqlite3.connect(path)
    for statement, values in (
        ("UPDATE instance SET failure = ?, name = ? WHERE id = 'a'", (long.SerializeToString(), HUGE)),
        ("UPDATE instance SET output = ?, input = ?, custom_status = ? WHERE id = 'b'", (HUGE, HUGE, HUGE)),
        ("UPDATE instance SET failure = ? WHERE id = 'c'", (deep.SerializeToString(),)),
        ("UPDATE instance SET failure = x'ff', tags = x'ff' WHERE id = 'd'", ()),
        ("UPDATE history SET events = events || ? WHERE instance = 5", (wire.history([failed]),)),
        ("UPDATE history SET events = x'ff' WHERE instance = 6", ()),
        ("UPDATE entity SET state = ?", (HUGE,)),
    ):
        db.execute(statement.replace("events || ?", "CAST(events || ? AS BLOB)"), values)
    db.commit()
    db.close()
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        listed = {state.instance_id: state for state in tested_hub.client.get_all_orchestration_states()}
        assert [*listed] == [*"abcdef"]
        for name in "abcdef":
            tested_hub.state(name)
        assert "5,000,000 bytes, shortened" in listed["a"].name
        _has_failed(listed["a"], "5,000,000 bytes, shortened")
        assert tested_hub.state("b").serialized_output == '"[5,000,000 bytes, left out]"'
        _has_failed(listed["d"], "The 1 bytes that are recorded of this failure cannot be read.")
        last = tested_hub.client.get_orchestration_history("e")[-1]
        assert "5,000,000 bytes, shortened" in str(last)
        with pytest.raises(
            grpc.RpcError, match=r"The history of 'f' cannot be read. Check the hub's file"
        ) as damaged:
            tested_hub.client.get_orchestration_history("f")
        assert isinstance(damaged.value, grpc.Call)
        assert damaged.value.code() is grpc.StatusCode.DATA_LOSS
        (entity,) = tested_hub.client.get_all_entities(EntityQuery(include_transient=True))
        assert entity.get_state() == '"[5,000,000 bytes, left out]"'
        tested_hub.close()
    named = [fault.partition(" cannot be read")[0] for fault in check(path).faults]
    assert {"instance: the failure of 'd'", "instance: the tags of 'd'", "history: turn 0 of 'f'"} <= {*named}


def _has_failed(state: Any, words: str) -> None:
    assert words in state.failure_details.message
