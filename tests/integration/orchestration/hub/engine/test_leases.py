"""Leases of work: a live worker keeps what it was given, and one that hung up or is silent loses it."""

import os
import queue
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub, SystemClock
from orchestration.hub.engine import instances, turns
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.engine.workers import LOOKS, ConnectedWorker
from orchestration.hub.errors import StaleError
from orchestration.hub.storage import file
from orchestration.hub.storage.transaction import AfterCommit, Transaction, WorkItemKind
from orchestration.hub.transport import frames
from tests.support import PATIENCE_S
from tests.support.hubs import (
    HubUnderTest,
    RawWorker,
    RecordingStream,
    complete,
    refused,
    schedule,
)
from tests.support.raw_http2 import RawClient, call, headers

LEASE_S = 0.2
ENTITY = "@box@a"


def hub_under_test(hub: Hub) -> Iterator[HubUnderTest]:
    with hub:
        tested_hub = HubUnderTest(hub.address)
        yield tested_hub
        tested_hub.close()


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[HubUnderTest]:
    """A hub that takes a worker for silent after a moment."""
    yield from hub_under_test(Hub(tmp_path / "brief.db", lease=timedelta(seconds=LEASE_S)))


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[HubUnderTest]:
    """A hub that leaves no work item to a worker for long: several times what a loaded machine needs to answer one."""
    limit = timedelta(milliseconds=500)
    yield from hub_under_test(Hub(tmp_path / "strict.db", work_limit=limit, lease=limit))


def each_kind(tested_hub: HubUnderTest, worker: RawWorker) -> dict[WorkItemKind, pb.WorkItem]:
    """Has the worker hold a turn (of `turn`), an activity (of `activity`) and a batch of an entity."""
    tested_hub.start("any", instance_id="activity")
    worker.answer(worker.take(), schedule(1))
    tested_hub.start("any", instance_id="turn")
    tested_hub.stub.SignalEntity(pb.SignalEntityRequest(instanceId=ENTITY, name="add", requestId="1"))
    items = [worker.take() for _ in range(3)]
    kinds = {
        "orchestratorRequest": WorkItemKind.TURN,
        "activityRequest": WorkItemKind.ACTIVITY,
        "entityRequestV2": WorkItemKind.ENTITY,
    }
    return {kinds[item.WhichOneof("request") or ""]: item for item in items}


def entity_done(item: pb.WorkItem, state: str = "1") -> pb.EntityBatchResult:
    result = pb.EntityBatchResult(completionToken=item.completionToken, results=[pb.OperationResult()])
    result.results[0].success.SetInParent()
    result.entityState.value = state
    return result


def test_a_live_worker_keeps_what_it_was_given_for_as_long_as_it_takes(brief: HubUnderTest) -> None:
    """It says nothing while it works. Its HTTP/2 acknowledges PINGs, and that is enough."""
    with RawWorker(brief.address) as worker:
        held = each_kind(brief, worker)
        with RawWorker(brief.address) as other:
            for one in (worker, other):
                with pytest.raises(queue.Empty):
                    one.take(timeout=2 * LEASE_S)
        worker.answer(held[WorkItemKind.TURN], complete())
        worker.finish(held[WorkItemKind.ACTIVITY])
        worker.stub.CompleteEntityTask(entity_done(held[WorkItemKind.ENTITY]))
        assert brief.done("turn").serialized_output == '"end"'
        results = worker.take().orchestratorRequest.newEvents
        assert [event.taskCompleted.result.value for event in results if event.HasField("taskCompleted")]
        entity = brief.stub.GetEntity(pb.GetEntityRequest(instanceId=ENTITY, includeState=True)).entity
        assert entity.serializedState.value == "1"


def test_a_worker_that_acknowledges_no_ping_loses_what_it_holds(
    brief: HubUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    with RawClient(brief.address) as silent:
        silent.send(call(1, "GetWorkItems"))
        silent.until(frames.HEADERS, 1)
        brief.start("any", instance_id="one")
        silent.until(frames.DATA, 1)
        with RawWorker(brief.address) as other:
            other.answer(other.take(), complete())
        assert brief.done("one").serialized_output == '"end"'
    assert "gives no sign of life" in caplog.text


def test_a_process_that_is_stopped_loses_what_it_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for tested_hub in hub_under_test(Hub(tmp_path / "hub.db", lease=timedelta(milliseconds=400))):
        command = [sys.executable, "-m", "tests.support.worker_process", tested_hub.address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            tested_hub.status(tested_hub.start("collector"), "RUNNING")  # it is connected, and works
            os.kill(process.pid, signal.SIGSTOP)
            tested_hub.start("any", instance_id="one")
            with RawWorker(tested_hub.address) as other:
                other.answer(other.take(), complete())
            assert tested_hub.done("one").serialized_output == '"end"'
            assert "gives no sign of life" in caplog.text
        finally:
            process.kill()
            process.wait(PATIENCE_S)
            if process.stdout is not None:
                process.stdout.close()


def test_work_that_takes_longer_than_the_limit_is_dispatched_again_and_the_log_says_so(
    strict: HubUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    strict.start("any", instance_id="one")
    with RawWorker(strict.address) as worker:
        stalled = worker.take()
        again = worker.take()
        assert refused(lambda: worker.answer(stalled, complete())) is grpc.StatusCode.FAILED_PRECONDITION
        worker.answer(again, schedule(1, "slow"))
        stalled = worker.take()
        again = worker.take()
        assert refused(lambda: worker.finish(stalled, '"late"')) is grpc.StatusCode.FAILED_PRECONDITION
        worker.finish(again, '"second"')
        turn = worker.take().orchestratorRequest
    assert [e.taskCompleted.result.value for e in turn.newEvents if e.HasField("taskCompleted")] == [
        '"second"'
    ]
    assert "has held the orchestration turn 'any' for too long" in caplog.text
    assert "has held the activity 'slow' for too long" in caplog.text
    assert "The limit is 0:00:00.5" in caplog.text


def test_work_of_a_worker_that_stalls_goes_to_one_that_works(strict: HubUnderTest) -> None:
    """The worker that stalls looks the least busy. If it got the work again, it would keep it for ever."""
    with RawWorker(strict.address) as stalled:
        strict.start("any", instance_id="one")
        stalled.take()
        with RawWorker(strict.address) as other:
            other.answer(other.take(), complete())
    assert strict.done("one").serialized_output == '"end"'


def test_an_answer_that_the_hub_refuses_ends_the_lease(ours: HubUnderTest) -> None:
    """A worker sends its answer once. Without this it would hold the item for as long as it lives."""
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        turn = worker.take()
        piece = pb.OrchestratorResponse(completionToken=turn.completionToken, isPartial=True)
        refusal = refused(lambda: worker.stub.CompleteOrchestratorTask(piece))
        assert refusal is grpc.StatusCode.UNIMPLEMENTED
        worker.answer(worker.take(timeout=1), complete())
    assert ours.done("one").serialized_output == '"end"'


def test_an_answer_that_never_arrives_whole_limits_the_lease(brief: HubUnderTest) -> None:
    """Nobody knows which item it was about, so whatever the worker holds is dispatched again after a while."""
    with RawClient(brief.address) as worker:
        worker.send(call(1, "GetWorkItems"))
        worker.until(frames.HEADERS, 1)
        brief.start("any", instance_id="one")
        worker.until(frames.DATA, 1)
        cut = frames.frame(frames.HEADERS, frames.END_HEADERS, 3, headers("CompleteOrchestratorTask"))
        worker.send(cut + frames.frame(frames.RST_STREAM, 0, 3, struct.pack(">I", frames.CANCEL)))
        seen = []
        while frames.DATA not in seen:  # the same turn once more, though the worker lives
            frame = worker.receive()
            assert frame is not None
            if frame.kind == frames.PING:
                worker.send(frames.frame(frames.PING, frames.ACK, 0, frame.payload))
            elif frame.stream == 1:
                seen.append(frame.kind)


# ---- the dispatcher alone ------------------------------------------------------------------------------------


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Transaction]:
    db: sqlite3.Connection = file.connect(tmp_path / "leases.db")
    yield Transaction(db, SystemClock(), AfterCommit())
    db.close()


def holding(dispatcher: Dispatcher, tx: Transaction) -> tuple[ConnectedWorker, RecordingStream, str]:
    """A worker that holds a turn: it, its stream and the turn's token."""
    stream = RecordingStream()
    worker = dispatcher.connect(pb.GetWorkItemsRequest(), stream)
    instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any"))
    dispatcher.apply(tx.after_commit)
    dispatcher.dispatch(tx)
    (item,) = stream.taken()
    return worker, stream, item.completionToken


def test_one_ping_at_a_time_is_owed_and_looks_are_counted_not_seconds(tx: Transaction) -> None:
    dispatcher = Dispatcher(60)
    worker, stream, _ = holding(dispatcher, tx)
    for _ in range(LOOKS):
        dispatcher.look()
    assert not worker.silent
    assert stream.pings == 1
    stream.heard += 1
    for _ in range(LOOKS):
        dispatcher.look()
    assert (worker.silent, stream.pings) == (False, 2)
    assert dispatcher.look()
    assert (worker.silent, stream.pings) == (True, 2)


def silenced(dispatcher: Dispatcher, stream: RecordingStream) -> None:
    stream.heard += 1
    for _ in range(LOOKS + 1):
        dispatcher.look()


def test_a_silent_worker_gets_no_work_and_keeps_what_nobody_else_got(tx: Transaction) -> None:
    dispatcher = Dispatcher(60)
    worker, stream, token = holding(dispatcher, tx)
    silenced(dispatcher, stream)
    dispatcher.dispatch(tx)
    assert stream.taken() == []
    stream.heard += 1
    assert not dispatcher.look(), "it is at work on it still, so nothing is queued"
    dispatcher.dispatch(tx)
    assert stream.taken() == []
    assert dispatcher.lease(token, WorkItemKind.TURN).worker is worker
    dispatcher.disconnect(worker)
    assert dispatcher.can_dispatch is False
    other = RecordingStream()
    dispatcher.connect(pb.GetWorkItemsRequest(), other)
    dispatcher.dispatch(tx)
    assert len(other.taken()) == 1


def test_a_worker_that_is_heard_again_has_lost_what_another_got(tx: Transaction) -> None:
    dispatcher = Dispatcher(60)
    worker, stream, token = holding(dispatcher, tx)
    silenced(dispatcher, stream)
    other = RecordingStream()
    second = dispatcher.connect(pb.GetWorkItemsRequest(), other)
    dispatcher.dispatch(tx)
    (item,) = other.taken()
    stream.heard += 1
    other.heard += 1
    dispatcher.look()
    assert worker.free(WorkItemKind.TURN) == second.free(WorkItemKind.TURN) + 1
    assert dispatcher.lease(item.completionToken, WorkItemKind.TURN).worker is second
    with pytest.raises(Exception, match="no longer valid"):
        dispatcher.lease(token, WorkItemKind.TURN)


@pytest.mark.parametrize("same", [True, False])
def test_an_answer_that_was_lost_concerns_the_workers_of_its_connection(
    tx: Transaction, *, same: bool
) -> None:
    dispatcher = Dispatcher(60, lost_s=0)
    _, stream, _ = holding(dispatcher, tx)
    dispatcher.answer_lost(stream.peer if same else object())
    assert dispatcher.look() is same


def test_an_activity_whose_answer_was_refused_waits_before_it_acts_again(tx: Transaction) -> None:
    """A full disk refuses every answer. Turns only decide, so they may come again at once."""
    dispatcher = Dispatcher(60, lost_s=300)
    _, stream, token = holding(dispatcher, tx)
    turn = dispatcher.lease(token, WorkItemKind.TURN).work
    assert isinstance(turn, turns.Turn)
    tx.after_commit.ready.clear()
    turns.complete(tx, turn, pb.OrchestratorResponse(actions=[schedule(1)]))
    dispatcher.apply(tx.after_commit)
    dispatcher.dispatch(tx)
    (activity,) = stream.taken()
    taken = dispatcher.unanswered(activity.completionToken)
    assert taken is not None
    assert taken[1] == 300
    assert dispatcher.unanswered(activity.completionToken) is None
    taken = dispatcher.unanswered(token)
    assert taken is not None
    assert taken[1] < 1
    assert not dispatcher.can_dispatch
    dispatcher.offer(taken[0])
    assert dispatcher.can_dispatch


@pytest.mark.parametrize("how", ["hangs up", "hung up", "silent", "late"])
def test_what_was_handed_in_and_waits_for_the_disk_is_nobody_elses(tx: Transaction, how: str) -> None:
    """A full disk may keep it waiting for hours, and its worker may be started again meanwhile."""
    dispatcher = Dispatcher(60, lost_s=0)
    worker, stream, token = holding(dispatcher, tx)
    if how == "hung up":
        dispatcher.disconnect(worker)
    dispatcher.hand_in(token)
    if how == "hangs up":
        dispatcher.disconnect(worker)
    elif how == "silent":
        silenced(dispatcher, stream)
    elif how == "late":
        dispatcher.answer_lost(stream.peer)
        dispatcher.look()
    other = RecordingStream()
    dispatcher.connect(pb.GetWorkItemsRequest(), other)
    dispatcher.dispatch(tx)
    assert other.taken() + stream.taken() == []
    with pytest.raises(StaleError):
        dispatcher.lease(token, WorkItemKind.TURN)
    taken = dispatcher.unanswered(token)
    assert taken is not None, "the hub could not take it after all"
    dispatcher.offer(taken[0])
    dispatcher.dispatch(tx)
    assert len(other.taken() + stream.taken()) == 1
