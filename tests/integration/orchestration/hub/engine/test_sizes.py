"""Payloads of the largest size, many at once: what fits into messages is cut to fit, and nothing breaks a stream."""

from pathlib import Path

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import SystemClock
from orchestration.hub.engine import instances
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.protocol import limits
from orchestration.hub.storage import file
from orchestration.hub.storage.transaction import AfterCommit, Transaction
from orchestration.hub.transport import frames
from tests.support.hubs import HubUnderTest, RawWorker, RecordingStream, complete
from tests.support.raw_http2 import RawClient, call

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
