"""Which worker gets which work: several workers, and workers that hang up, that stall, or that filter."""

import asyncio
import itertools
import queue
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import SystemClock
from orchestration.hub.engine import instances, turns
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.engine.waiters import Waiters
from orchestration.hub.service.calls import TaskHubService
from orchestration.hub.storage import file
from orchestration.hub.storage.group_commit import GroupCommitStore
from orchestration.hub.storage.transaction import AfterCommit, Transaction, WorkItemKind
from tests.support.hubs import HubUnderTest, RawWorker, RecordingStream, complete, refused, schedule


def test_work_of_a_worker_that_hangs_up_is_dispatched_to_another(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as gone:
        first = gone.take()
    with RawWorker(ours.address) as other:
        second = other.take()
        assert second.orchestratorRequest.instanceId == "one"
        assert second.completionToken != first.completionToken
        assert refused(lambda: other.answer(first, complete())) is grpc.StatusCode.FAILED_PRECONDITION
        other.answer(second, complete())
    assert ours.done("one").serialized_output == '"end"'


def test_a_worker_that_hung_up_may_still_hand_in_what_nobody_else_was_dispatched(ours: HubUnderTest) -> None:
    """A worker that shuts down closes its stream first and finishes its work after that."""
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as leaving:
        turn = leaving.take()
        leaving.hang_up()
        leaving.answer(turn, complete())
    assert ours.done("one").serialized_output == '"end"'
    with RawWorker(ours.address) as next_one, pytest.raises(queue.Empty):
        next_one.take(timeout=0.2)


def test_what_a_worker_leaves_goes_to_another_though_the_first_is_as_idle(ours: HubUnderTest) -> None:
    """For example a turn of a version that the first does not serve, which would otherwise get it again and again."""
    with RawWorker(ours.address) as old, RawWorker(ours.address) as new:
        workers = {old: new, new: old}
        ours.start("any", instance_id="one")
        first, turn = next(
            (one, found) for one in itertools.cycle(workers) for found in [_taken(one)] if found is not None
        )
        left = pb.AbandonOrchestrationTaskRequest(completionToken=turn.completionToken)
        first.stub.AbandonTaskOrchestratorWorkItem(left)
        other = workers[first]
        other.answer(other.take(), complete())
    assert ours.done("one").serialized_output == '"end"'


def _taken(worker: RawWorker) -> pb.WorkItem | None:
    """What it was given first; None where nothing has come yet."""
    try:
        return worker.take(timeout=0.05)
    except queue.Empty:
        return None


def test_a_worker_is_dispatched_no_more_than_it_takes(ours: HubUnderTest) -> None:
    for _ in range(3):
        ours.start("any")
    request = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1, maxConcurrentActivityWorkItems=1)
    with RawWorker(ours.address, request) as worker:
        first = worker.take()
        with pytest.raises(queue.Empty):
            worker.take(timeout=0.2)
        worker.answer(first, complete())
        worker.take()


def test_two_workers_share_the_work(ours: HubUnderTest) -> None:
    with RawWorker(ours.address) as one, RawWorker(ours.address) as two:
        for _ in range(4):
            ours.start("any")
        for worker in (one, two):
            worker.answer(worker.take(), complete())
            worker.answer(worker.take(), complete())


def test_a_choosy_worker_gets_what_it_chose(ours: HubUnderTest) -> None:
    for name, version in (("other", "1"), ("chosen", "1"), ("chosen", "2")):
        ours.start(name, version=version, instance_id=f"{name}-{version}")
    chosen = pb.OrchestrationFilter(name="chosen", versions=["2"])
    request = pb.GetWorkItemsRequest(workItemFilters=pb.WorkItemFilters(orchestrations=[chosen]))
    with RawWorker(ours.address, request) as choosy:
        assert choosy.take().orchestratorRequest.instanceId == "chosen-2"
        with pytest.raises(queue.Empty):
            choosy.take(timeout=0.1)
    with RawWorker(ours.address) as rest:
        assert {rest.take().orchestratorRequest.instanceId for _ in range(3)} == {
            "other-1",
            "chosen-1",
            "chosen-2",
        }


def test_an_event_during_a_turn_makes_another_turn(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        first = worker.take()
        ours.client.raise_orchestration_event("one", "go", data=1)
        with pytest.raises(queue.Empty):
            worker.take(timeout=0.1)
        worker.answer(first)
        second = worker.take().orchestratorRequest
        assert [event.WhichOneof("eventType") for event in second.pastEvents] == [
            "orchestratorStarted",
            "executionStarted",
        ]
        assert [event.WhichOneof("eventType") for event in second.newEvents] == [
            "orchestratorStarted",
            "eventRaised",
        ]


def test_what_an_event_calls_for_goes_ahead_of_what_begins(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="decided")
    ours.start("any", instance_id="long")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take())
        worker.answer(worker.take(), schedule(1, "post"), schedule(2, "post"))
        for _ in range(2):
            worker.take()  # the activities, which are queued again once it hangs up
    for number in range(2):
        ours.start("any", instance_id=f"new-{number}")
    ours.client.raise_orchestration_event("decided", "go", data=1)
    request = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1, maxConcurrentActivityWorkItems=1)
    turns_of, names = list[str](), list[str]()
    with RawWorker(ours.address, request) as worker:
        # A turn and an activity. The turn is answered first, so that it asks for another while that one is held.
        items = sorted((worker.take(), worker.take()), key=lambda item: item.HasField("orchestratorRequest"))
        while len(names) < 3 or len(turns_of) < 3:
            item = items.pop() if items else worker.take()
            if item.HasField("activityRequest"):
                names.append(item.activityRequest.name)
                worker.finish(item)
                continue
            instance_id = item.orchestratorRequest.instanceId
            worker.answer(item, *[schedule(1, "edit")] * (instance_id == "decided" and not turns_of))
            turns_of.append(instance_id)
    assert turns_of[0] == "decided"
    assert names[:2] == ["post", "edit"]


def test_a_turn_that_terminate_overtook_changes_nothing(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        turn = worker.take()
        ours.client.terminate_orchestration("one", output="stopped")
        assert refused(lambda: worker.answer(turn, complete())) is grpc.StatusCode.FAILED_PRECONDITION
    assert ours.done("one").serialized_output == '"stopped"'


def test_a_turn_of_an_instance_that_was_replaced_changes_nothing(ours: HubUnderTest) -> None:
    """The old instance's turn must not reach the new one of the same ID."""
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_PENDING])
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        old = worker.take()
        ours.start("any", instance_id="one", reuse_id_policy=policy)
        new = worker.take()
        assert (
            refused(lambda: worker.answer(old, complete(result='"old"')))
            is grpc.StatusCode.FAILED_PRECONDITION
        )
        worker.answer(new, complete(result='"new"'))
    assert ours.done("one").serialized_output == '"new"'


def test_the_custom_status_outlives_an_answer_without_one(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), status='"cards"')
        ours.client.raise_orchestration_event("one", "go")
        worker.answer(worker.take(), complete(status=pb.ORCHESTRATION_STATUS_FAILED))
    assert ours.done("one").serialized_custom_status == '"cards"'


def test_an_output_over_the_limit_fails_the_instance(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), complete(result="x" * (1024 * 1024 + 1)))
    details = ours.done("one").failure_details
    assert details is not None
    assert "1,048,577 bytes" in details.message


def test_a_hub_does_not_delete_its_own_file(ours: HubUnderTest) -> None:
    delete = lambda: ours.stub.DeleteTaskHub(pb.DeleteTaskHubRequest())  # noqa: E731  # one stream says it
    recreate = lambda: ours.stub.CreateTaskHub(pb.CreateTaskHubRequest(recreateIfExists=True))  # noqa: E731  # as above
    assert refused(delete) is refused(recreate) is grpc.StatusCode.UNIMPLEMENTED
    ours.stub.CreateTaskHub(pb.CreateTaskHubRequest())


def test_a_lock_on_what_is_no_entity_locks_nothing(ours: HubUnderTest) -> None:
    """If the hub refused the worker's answer, the worker would send it again and again."""
    ours.start("any", instance_id="one")
    request = pb.EntityLockRequestedEvent(criticalSectionId="s", lockSet=["nothing", "@box@a"])
    message = pb.SendEntityMessageAction(entityLockRequested=request)
    with RawWorker(ours.address) as worker:
        worker.answer(worker.take(), pb.OrchestratorAction(id=1, sendEntityMessage=message))
        granted = worker.take().orchestratorRequest.newEvents[-1].entityLockGranted
    assert granted.criticalSectionId == "s"
    entity = ours.stub.GetEntity(pb.GetEntityRequest(instanceId="@box@a")).entity
    assert entity.lockedBy.value == "one"


def test_an_answer_in_pieces_is_refused_in_a_sentence(ours: HubUnderTest) -> None:
    ours.start("any", instance_id="one")
    with RawWorker(ours.address) as worker:
        turn = worker.take()
        for piece in (pb.OrchestratorResponse(isPartial=True), pb.OrchestratorResponse(requiresHistory=True)):
            piece.completionToken = turn.completionToken
            answering = lambda: worker.stub.CompleteOrchestratorTask(piece)  # noqa: B023, E731  # called at once
            assert refused(answering) is grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = file.connect(tmp_path / "early.db")
    yield db
    db.close()


def _early(db: sqlite3.Connection, ready: Callable[[Transaction], object], **room: Any) -> list[pb.WorkItem]:
    """What a worker gets within the transaction of `ready`, which is then rolled back."""
    dispatcher, stream = Dispatcher(60), RecordingStream()
    dispatcher.connect(pb.GetWorkItemsRequest(**room), stream)
    db.execute("BEGIN")
    tx = Transaction(db, SystemClock(), AfterCommit())
    ready(tx)
    dispatcher.dispatch_early(tx)
    db.execute("ROLLBACK")
    return stream.items


def test_a_turn_is_dispatched_while_the_disk_takes_its_time(db: sqlite3.Connection) -> None:
    request = pb.CreateInstanceRequest(instanceId="one", name="any")
    (item,) = _early(db, lambda tx: instances.start(tx, request))
    assert item.orchestratorRequest.instanceId == "one"


def test_an_activity_is_not_dispatched_before_the_disk_has_what_asked_for_it(db: sqlite3.Connection) -> None:
    """It acts on the world. If the power were lost before the commit, it would have acted without being asked."""

    def schedule_one(tx: Transaction) -> None:
        instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any"))
        (found,) = [ready for ready in tx.after_commit.ready if ready.kind is WorkItemKind.TURN]
        tx.after_commit.ready.clear()
        dispatched = turns.work_item(tx, found.key, "token")
        assert dispatched is not None
        turns.complete(tx, dispatched[1], pb.OrchestratorResponse(actions=[schedule(1)]))
        assert [ready.kind for ready in tx.after_commit.ready] == [WorkItemKind.ACTIVITY]

    assert _early(db, schedule_one) == []


def test_a_worker_is_dispatched_no_more_early_than_it_takes(db: sqlite3.Connection) -> None:
    def start_three(tx: Transaction) -> None:
        for name in "abc":
            instances.start(tx, pb.CreateInstanceRequest(instanceId=name, name="any"))

    assert len(_early(db, start_three, maxConcurrentOrchestrationWorkItems=2)) == 2


def test_work_that_a_worker_took_along_is_forgotten_once_it_is_needless(db: sqlite3.Connection) -> None:
    """Otherwise its token would be kept for ever, and a clock that skips would wait for it at every step."""
    dispatcher, stream = Dispatcher(60), RecordingStream()

    def carry_out(operation: Callable[[Transaction], object]) -> None:
        tx = Transaction(db, SystemClock(), AfterCommit())
        operation(tx)
        dispatcher.apply(tx.after_commit)
        dispatcher.dispatch(tx)

    gone = dispatcher.connect(pb.GetWorkItemsRequest(), stream)
    carry_out(lambda tx: instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any")))
    dispatcher.disconnect(gone)
    carry_out(lambda tx: instances.terminate(tx, pb.TerminateRequest(instanceId="one")))
    assert dispatcher.busy
    dispatcher.connect(pb.GetWorkItemsRequest(), stream)
    carry_out(lambda _tx: None)
    assert not dispatcher.busy
    assert len(stream.items) == 1


@pytest.mark.parametrize("reads", [True, False])
def test_a_worker_that_stalls_and_no_longer_reads_is_sent_no_more(
    db: sqlite3.Connection, reads: bool
) -> None:
    """It is the only worker, so the work is dispatched to it again after each lease. That must not pile up."""
    dispatcher, stream = Dispatcher(0), RecordingStream()
    dispatcher.connect(pb.GetWorkItemsRequest(), stream)
    tx = Transaction(db, SystemClock(), AfterCommit())
    instances.start(tx, pb.CreateInstanceRequest(instanceId="one", name="any"))
    dispatcher.apply(tx.after_commit)
    stream.blocked = not reads
    for _ in range(5):
        stream.heard += 1
        dispatcher.dispatch(tx)
        assert dispatcher.look()
    assert len(stream.items) == (5 if reads else 1)
    stream.blocked = False
    dispatcher.dispatch(tx)
    assert len(stream.items) == (6 if reads else 2)


def test_whatever_breaks_an_early_dispatch_no_worker_loses_room(db: sqlite3.Connection) -> None:
    class BrokenStream(RecordingStream):
        def send(self, answer: bytes) -> None:
            if self.items:
                raise OSError("the stream broke")
            super().send(answer)

    dispatcher, stream = Dispatcher(60), BrokenStream()
    worker = dispatcher.connect(pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=2), stream)
    db.execute("BEGIN")
    tx = Transaction(db, SystemClock(), AfterCommit())
    for name in "ab":
        instances.start(tx, pb.CreateInstanceRequest(instanceId=name, name="any"))
    with pytest.raises(OSError, match="broke"):
        dispatcher.dispatch_early(tx)
    db.execute("ROLLBACK")
    assert len(stream.items) == 1
    assert worker.free(WorkItemKind.TURN) == 2


async def test_a_commit_that_fails_takes_no_token_with_it(db: sqlite3.Connection) -> None:
    """What made the token stale was in the same transaction, which was rolled back."""
    store, dispatcher, stream = GroupCommitStore(db, SystemClock()), Dispatcher(60), RecordingStream()
    service = TaskHubService(store, dispatcher, Waiters(), db)
    store.on_commit = dispatcher.apply
    dispatcher.connect(pb.GetWorkItemsRequest(), stream)
    await store.run(service.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="any")))
    store.read_all(dispatcher.dispatch)
    answer = pb.OrchestratorResponse(actions=[complete()], completionToken=stream.items[0].completionToken)

    def full(_tx: Transaction) -> Callable[[], None]:
        raise OSError("no space left")

    before, store.before_commit = store.before_commit, full
    refused_answer = service.CompleteOrchestratorTask(answer)
    refusals = await asyncio.gather(
        store.run(service.TerminateInstance(pb.TerminateRequest(instanceId="one"))),
        store.run(refused_answer.change),
        return_exceptions=True,
    )
    assert [type(refusal) for refusal in refusals] == [OSError, OSError]
    refused_answer.failed()
    store.before_commit = before
    await store.run(service.CompleteOrchestratorTask(answer).change)
    assert store.read(lambda tx: instances.find(tx, "one"))["output"] == '"end"'
    service.close()
    await store.close()
