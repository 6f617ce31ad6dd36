"""Histories of the largest size: what does not fit is refused to whoever offers it, and nothing else is harmed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import SystemClock
from orchestration.hub.engine import history_room, inbox, instances, rewind, turns
from orchestration.hub.protocol import limits, wire
from orchestration.hub.storage import file
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import AfterCommit, Transaction
from tests.support.hubs import HubUnderTest, RawWorker, complete, refused, schedule

MB = "x" * 1_000_000
FIT = limits.HISTORY // len(MB)


def raise_event(tested_hub: HubUnderTest, instance_id: str = "one", size: int = len(MB)) -> None:
    request = pb.RaiseEventRequest(instanceId=instance_id, name="go")
    request.input.value = "x" * size
    tested_hub.stub.RaiseEvent(request)


def fill(tested_hub: HubUnderTest, worker: RawWorker, instance_id: str = "one") -> None:
    """Has the history of an instance that waits take as many events of 1 MB as it can."""
    tested_hub.start("any", instance_id=instance_id)
    worker.answer(worker.take())
    for _ in range(FIT):
        raise_event(tested_hub, instance_id)
        worker.answer(worker.take())


def asking(number: int) -> pb.OrchestratorAction:
    action = schedule(number, "much")
    action.scheduleTask.input.value = MB
    return action


def starting(number: int) -> pb.OrchestratorAction:
    child = pb.CreateSubOrchestrationAction(name="child", instanceId=f"child-{number}")
    child.input.value = MB
    return pb.OrchestratorAction(id=number, createSubOrchestration=child)


def calling(number: int) -> pb.OrchestratorAction:
    called = pb.EntityOperationCalledEvent(requestId=str(number), operation="add")
    called.targetInstanceId.value = "@box@a"
    called.input.value = MB
    message = pb.SendEntityMessageAction(entityOperationCalled=called)
    return pb.OrchestratorAction(id=number, sendEntityMessage=message)


@pytest.mark.parametrize("ask", [asking, starting, calling])
def test_a_turn_that_asks_for_more_than_its_history_holds_fails_in_words(
    ours: HubUnderTest, ask: Callable[[int], pb.OrchestratorAction]
) -> None:
    ours.start("any", instance_id="one")
    ours.start("any", instance_id="other")
    with RawWorker(ours.address) as worker:
        items = {item.orchestratorRequest.instanceId: item for item in (worker.take(), worker.take())}
        worker.answer(items["one"], *map(ask, range(FIT + 1)))
        worker.answer(items["other"], complete())
    details = ours.done("one").failure_details
    assert details is not None
    assert "continue_as_new" in details.message
    assert "4,000," in details.message
    assert ours.done("other").serialized_output == '"end"'
    assert ours.client.get_orchestration_state("child-0") is None


def test_a_turn_that_ends_its_instance_may_ask_for_more(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), *map(asking, range(FIT + 1)), complete())
    assert ours.done("one").serialized_output == '"end"'


def test_an_event_for_a_full_history_is_refused_and_the_instance_lives(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as worker:
        fill(ours, worker)
        with pytest.raises(grpc.RpcError, match=r"'one' cannot take this event\. The history would have 4,0"):
            raise_event(ours)
        assert refused(lambda: raise_event(ours)) is grpc.StatusCode.FAILED_PRECONDITION
        raise_event(ours, size=10)
        anew = complete(status=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)
        worker.answer(worker.take(), anew)
        worker.answer(worker.take())
        raise_event(ours)
        worker.answer(worker.take(), complete())
    assert ours.done("one").serialized_output == '"end"'


def test_what_waits_counts_as_well(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    for _ in range(FIT):
        raise_event(ours)
    assert refused(lambda: raise_event(ours)) is grpc.StatusCode.FAILED_PRECONDITION


def test_an_event_that_another_orchestration_sends_to_a_full_history_is_dropped_and_logged(
    ours: HubUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    sending = pb.SendEventAction(instance=pb.OrchestrationInstance(instanceId="one"), name="go")
    sending.data.value = MB
    with RawWorker(ours.address) as worker:
        fill(ours, worker)
        ours.start("any", instance_id="sender")
        worker.answer(worker.take(), pb.OrchestratorAction(id=1, sendEvent=sending), complete())
    assert ours.done("sender").serialized_output == '"end"'
    assert ours.state("one").runtime_status.name == "RUNNING"
    assert "'one' cannot take this event" in caplog.text


def test_a_result_that_does_not_fit_fails_its_activity(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), *(schedule(number) for number in range(FIT + 2)))
        activities = [worker.take() for _ in range(FIT + 2)]
        results: list[str] = []
        for activity in activities:
            worker.finish(activity, MB)
            turn = worker.take()
            for event in turn.orchestratorRequest.newEvents:
                if event.HasField("taskCompleted"):
                    results.append("kept")
                elif event.HasField("taskFailed"):
                    assert "This result was not kept" in event.taskFailed.failureDetails.errorMessage
                    results.append("failed")
            worker.answer(turn, *([complete()] if len(results) == FIT + 2 else []))
    assert results == ["kept"] * FIT + ["failed"] * 2
    assert ours.done("one").serialized_output == '"end"'


def test_what_cannot_be_refused_ends_in_words_where_it_is_too_much(ours: HubUnderTest) -> None:
    """Small results are always kept. So many of them beyond the limit cannot be sent to a worker."""
    count = (limits.WORK_ITEM - limits.HISTORY) // 4000 + 40
    with RawWorker(ours.address, pb.GetWorkItemsRequest(maxConcurrentActivityWorkItems=count)) as worker:
        ours.start("any", instance_id="one")
        worker.answer(worker.take(), *(schedule(number) for number in range(count)))
        activities = [worker.take() for _ in range(count)]
        for size in (*[len(MB)] * FIT, limits.HISTORY - FIT * len(MB) - count * 60):
            raise_event(ours, size=size)
            worker.answer(worker.take())
        raise_event(ours, size=10)
        turn = worker.take()
        for activity in activities:
            worker.finish(activity, "x" * 3900)
        worker.answer(turn)
        details = ours.done("one").failure_details
        assert details is not None
        assert "continue_as_new" in details.message
        ours.client.rewind_orchestration("one")
        worker.answer(worker.take(), complete())
        assert ours.done("one").serialized_output == '"end"'


# ---- each kind of result -------------------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Transaction, int]]:
    """A transaction, and the key of an instance whose history is full."""
    db = file.connect(tmp_path / "hub.db")
    tx = Transaction(db, SystemClock(), AfterCommit())
    instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any"))
    key = tx.one(Q.instance_brief, "one")["key"]
    tx.add(Q.history_add, key, 0, bytes(limits.HISTORY))
    yield tx, key
    db.close()


FAILURE = pb.TaskFailureDetails(errorType="Error", errorMessage="x" * 5000)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"taskCompleted": pb.TaskCompletedEvent(taskScheduledId=7)}, "taskFailed"),
        ({"taskFailed": pb.TaskFailedEvent(taskScheduledId=7, failureDetails=FAILURE)}, "taskFailed"),
        (
            {
                "subOrchestrationInstanceCompleted": pb.SubOrchestrationInstanceCompletedEvent(
                    taskScheduledId=7
                )
            },
            "subOrchestrationInstanceFailed",
        ),
        (
            {
                "subOrchestrationInstanceFailed": pb.SubOrchestrationInstanceFailedEvent(
                    taskScheduledId=7, failureDetails=FAILURE
                )
            },
            "subOrchestrationInstanceFailed",
        ),
        (
            {"entityOperationCompleted": pb.EntityOperationCompletedEvent(requestId="7")},
            "entityOperationFailed",
        ),
        (
            {"entityOperationFailed": pb.EntityOperationFailedEvent(requestId="7", failureDetails=FAILURE)},
            "entityOperationFailed",
        ),
    ],
)
def test_each_kind_of_result_becomes_its_failure(
    full: tuple[Transaction, int], result: dict[str, Any], told: str
) -> None:
    tx, key = full
    small = wire.event(1, **result)
    (body,) = result.values()
    payload = getattr(body, "result", None) or getattr(body, "output", None)
    if payload is not None:
        payload.value = MB
    event = pb.HistoryEvent.FromString(history_room.fitting(tx, key, wire.event(1, **result)))
    assert event.WhichOneof("eventType") == told
    failed = getattr(event, told)
    assert failed.failureDetails.errorType == "HistoryTooLong"
    assert str(getattr(failed, "taskScheduledId", None) or failed.requestId) == "7"
    if len(small) < 1000:
        assert history_room.fitting(tx, key, small) == small
    assert inbox.put_bound(tx, tx.one(Q.instance_by_id, "one"), "another execution", 1, small) is False


def counted(tx: Transaction, key: int) -> int:
    size: int = tx.one(Q.history_size, key, key)[0]
    return size


def test_what_is_remembered_of_sizes_is_what_the_file_has(tmp_path: Path) -> None:
    """A backlog is counted once and not for each event. Every way to change it is taken here, one after the other."""
    db = file.connect(tmp_path / "hub.db")
    sizes: dict[int, int] = {}
    tx = Transaction(db, SystemClock(), AfterCommit(), sizes=sizes)
    statements: list[str] = []
    instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any"))
    key = tx.one(Q.instance_brief, "one")["key"]

    def turn(*actions: pb.OrchestratorAction) -> None:
        dispatched = turns.work_item(tx, key, "token")
        assert dispatched is not None
        turns.complete(tx, dispatched[1], pb.OrchestratorResponse(actions=actions))

    steps: list[Callable[[], object]] = [
        lambda: instances.raise_event(tx, pb.RaiseEventRequest(instanceId="one", name="go")),
        lambda: instances.suspend(tx, pb.SuspendRequest(instanceId="one")),
        lambda: instances.resume(tx, pb.ResumeRequest(instanceId="one")),
        lambda: turn(schedule(1)),
        lambda: instances.raise_event(tx, pb.RaiseEventRequest(instanceId="one", name="go")),
        lambda: turn(complete(status=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)),
        lambda: turn(complete(status=pb.ORCHESTRATION_STATUS_FAILED)),
        lambda: rewind.rewind(tx, pb.RewindInstanceRequest(instanceId="one")),
    ]
    for step in steps:
        history_room.excess(tx, key, 0)
        step()
        history_room.excess(tx, key, 0)
        assert sizes[key] == counted(tx, key)
    db.set_trace_callback(statements.append)
    for _ in range(10):
        instances.raise_event(tx, pb.RaiseEventRequest(instanceId="one", name="go"))
    db.set_trace_callback(None)
    assert not any("sum(length" in statement for statement in statements)
    assert sizes[key] == counted(tx, key)
    db.close()
