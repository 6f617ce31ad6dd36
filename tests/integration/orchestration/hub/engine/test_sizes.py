"""Payloads of the largest size, many at once: what fits into messages is cut to fit, and nothing breaks a stream."""

import queue
import struct
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import Message

from orchestration.hub import Hub, SystemClock
from orchestration.hub.engine import entities, instances
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.protocol import limits
from orchestration.hub.storage import file
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import AfterCommit, Transaction
from orchestration.hub.transport import frames
from tests.support.hubs import HubUnderTest, RawWorker, RecordingStream, complete, schedule
from tests.support.raw_http2 import RawClient, call, headers, opened

LARGEST = "x" * limits.PAYLOAD
ENTITY = "@box@a"


def signal(tested_hub: HubUnderTest, given: str) -> None:
    request = pb.SignalEntityRequest(instanceId=ENTITY, name="add")
    request.input.value = given
    tested_hub.stub.SignalEntity(request)


def batch_done(item: pb.WorkItem, state: str | None = None) -> pb.EntityBatchResult:
    """Every operation of the batch has succeeded."""
    result = pb.EntityBatchResult(completionToken=item.completionToken)
    for _ in item.entityRequestV2.operationRequests:
        result.results.add().success.SetInParent()
    if state is not None:
        result.entityState.value = state
    return result


@pytest.mark.parametrize("state", [None, LARGEST])
def test_a_backlog_of_an_entity_comes_in_batches_that_a_worker_takes(
    ours: HubUnderTest, state: str | None
) -> None:
    for number in range(5):
        signal(ours, f"{number}{LARGEST}"[: limits.PAYLOAD])
    taken: list[str] = []
    with RawWorker(ours.address) as worker:
        while len(taken) < 5:
            item = worker.take()
            operations = item.entityRequestV2.operationRequests
            taken += [one.entityOperationSignaled.input.value[0] for one in operations]
            worker.stub.CompleteEntityTask(batch_done(item, state))
    assert taken == list("01234")


def test_a_worker_that_takes_nothing_is_not_sent_what_others_could_take(ours: HubUnderTest) -> None:
    with RawClient(ours.address) as slow:
        slow.send(call(1, "GetWorkItems"))
        slow.until(frames.HEADERS, 1)
        for number in range(12):
            ours.start("any", LARGEST[:-2], instance_id=str(number))
        slow.until(frames.DATA, 1)
        with RawWorker(ours.address) as other:
            for _ in range(12 - 5):  # more than 4 MiB wait for the slow one, of one item more at most
                item = other.take()
                other.answer(item, complete())


async def test_a_worker_is_sent_more_as_soon_as_it_has_taken_what_it_was_sent(tmp_path: Path) -> None:
    db = file.connect(tmp_path / "hub.db")
    tx = Transaction(db, SystemClock(), AfterCommit())
    dispatcher, stream = Dispatcher(60), RecordingStream()
    worker = dispatcher.connect(pb.GetWorkItemsRequest(), stream)
    stream.waiting = limits.WORK_ITEM + (1 << 20)
    for name in "ab":
        instances.start(tx, pb.CreateInstanceRequest(instanceId=name, name="any"))
    dispatcher.apply(tx.after_commit)
    dispatcher.dispatch(tx)
    dispatcher.dispatch(tx)
    assert len(stream.taken()) == 1
    stream.waiting = 0
    await worker.has_room()
    dispatcher.dispatch(tx)
    assert len(stream.taken()) == 1
    db.close()


# ---- answers that are too large to be held -------------------------------------------------------------------


def too_large(hub: Hub, method: str, answer: Message) -> bytes:
    """Answers with this message, and says that it is 70 MB; the headers of what the hub says to that."""
    said = b"\x00" + struct.pack(">I", 70_000_000) + answer.SerializeToString()
    with RawClient(hub.address) as client:
        client.send(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, headers(method)))
        client.send(frames.frame(frames.DATA, frames.END_STREAM, 1, said))
        return client.answered(1)


def test_a_request_that_is_too_large_is_refused_before_it_has_arrived(hub: Hub) -> None:
    with RawClient(hub.address) as client:
        begin = b"\x00" + struct.pack(">I", 70_000_000) + b"x" * 100
        client.send(opened(1) + frames.frame(frames.DATA, 0, 1, begin))
        answer = client.answered(1)
        assert b"grpc-status\x018" in answer  # RESOURCE_EXHAUSTED
        assert b"70,000,000 bytes" in answer
        client.send(frames.frame(frames.DATA, 0, 1, b"x" * 100) + call(3))  # the first was on the way
        client.answered(3)


def test_a_result_that_is_too_large_fails_its_activity(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), schedule(1))
        activity = worker.take()
        with pytest.raises(grpc.RpcError, match="at most 67,108,859 are taken"):
            worker.finish(activity, "x" * (frames.LARGEST_REQUEST + 1))
        (failed,) = [
            one.taskFailed.failureDetails
            for one in worker.take().orchestratorRequest.newEvents
            if one.HasField("taskFailed")
        ]
    assert failed.errorType == "PayloadTooLarge"
    assert "at most 67,108,859 are taken" in failed.errorMessage


def test_a_turn_that_asks_for_too_much_fails_its_instance(hub: Hub, ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        token = worker.take().completionToken
        answer = pb.OrchestratorResponse(instanceId="one", completionToken=token, actions=[schedule(1)])
        assert b"70,000,000 bytes" in too_large(hub, "CompleteOrchestratorTask", answer)
        with pytest.raises(queue.Empty):
            worker.take(timeout=0.1)
    details = ours.done("one").failure_details
    assert details is not None
    assert "70,000,000 bytes" in details.message


def test_of_operations_that_answer_too_much_together_each_gets_its_turn(hub: Hub, ours: HubUnderTest) -> None:
    for given in "abc":
        signal(ours, given)
    with RawWorker(ours.address) as worker:
        batch = worker.take()
        assert len(batch.entityRequestV2.operationRequests) == 3
        too_large(hub, "CompleteEntityTask", pb.EntityBatchResult(completionToken=batch.completionToken))
        taken = []
        for given in "abc":
            item = worker.take()
            (operation,) = item.entityRequestV2.operationRequests
            taken.append(operation.entityOperationSignaled.input.value)
            if given == "b":
                answer = pb.EntityBatchResult(completionToken=item.completionToken)
                too_large(hub, "CompleteEntityTask", answer)
            else:
                worker.stub.CompleteEntityTask(batch_done(item, given))
        assert taken == ["a", "b", "c"]
        signal(ours, "d")
        signal(ours, "e")
        worker.stub.CompleteEntityTask(batch_done(worker.take(), "e"))


def test_a_state_that_grows_too_large_takes_no_other_operation_along(ours: HubUnderTest) -> None:
    for given in "abc":
        signal(ours, given)
    states = {"a": "a", "b": LARGEST + "x", "c": "c"}
    with RawWorker(ours.address) as worker:
        worker.stub.CompleteEntityTask(batch_done(worker.take(), LARGEST + "x"))
        for given in "abc":
            item = worker.take()
            assert item.entityRequestV2.entityState.value == {"a": "", "b": "a", "c": "a"}[given]
            worker.stub.CompleteEntityTask(batch_done(item, states[given]))
    entity = ours.stub.GetEntity(pb.GetEntityRequest(instanceId=ENTITY, includeState=True)).entity
    assert entity.serializedState.value == "c"


def test_delayed_signals_that_fall_due_together_are_delivered_a_few_at_a_time(tmp_path: Path) -> None:
    """All of them at once would be read into memory, and written in one transaction."""
    db = file.connect(tmp_path / "hub.db")
    tx = Transaction(db, SystemClock(), AfterCommit())
    for number in range(8):
        tx.add(Q.entity_later_add, number, ENTITY, f"{number}{LARGEST}".encode())
    delivered = []
    for _ in range(3):
        entities.signal_due(tx, 100)
        key = tx.one(Q.entity_by_id, ENTITY)["key"]
        delivered.append([one["event"][:1].decode() for one in tx.all(Q.entity_inbox_of, key)])
    assert delivered == [list("012"), list("012345"), list("01234567")]
    db.close()
