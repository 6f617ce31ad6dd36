"""What a work item of an activity says: whether a worker was given it before. A worker may have acted on it then."""

from __future__ import annotations

from pathlib import Path

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import AGAIN, DISPATCH_TAG, FIRST, Hub
from tests.support.hubs import HubUnderTest, RawWorker, schedule


def activity(worker: RawWorker) -> pb.WorkItem:
    item = worker.take()
    assert item.HasField("activityRequest")
    return item


def said(item: pb.WorkItem) -> str:
    return str(item.activityRequest.tags[DISPATCH_TAG])


def test_an_activity_is_new_once(tmp_path: Path) -> None:
    """Whatever becomes of it: its worker hangs up, gives it back, or the hub ends."""
    path = tmp_path / "hub.db"
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        with RawWorker(hub.address) as first:
            tested_hub.start("any", instance_id="one")
            first.answer(first.take(), schedule(1))
            assert said(activity(first)) == FIRST
        with RawWorker(hub.address) as second:
            given = activity(second)
            assert said(given) == AGAIN
            abandoned = pb.AbandonActivityTaskRequest(completionToken=given.completionToken)
            second.stub.AbandonTaskActivityWorkItem(abandoned)
            assert said(activity(second)) == AGAIN
        tested_hub.close()
    with Hub(path) as hub, RawWorker(hub.address) as third:
        tested_hub = HubUnderTest(hub.address)
        given = activity(third)
        assert said(given) == AGAIN
        third.finish(given)
        third.answer(third.take(), schedule(2))
        assert said(activity(third)) == FIRST, "a later one is new"
        tested_hub.close()


def test_what_was_never_given_is_not_known_to_be_new_after_the_hub_has_ended(tmp_path: Path) -> None:
    """The next hub does not know what the last one gave out. That is not on disk, as it would cost a commit."""
    path = tmp_path / "hub.db"
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        with RawWorker(hub.address, pb.GetWorkItemsRequest(maxConcurrentActivityWorkItems=1)) as worker:
            tested_hub.start("any", instance_id="one")
            worker.answer(worker.take(), schedule(1), schedule(2))
            assert activity(worker).activityRequest.taskId == 1
        tested_hub.close()
    with Hub(path) as hub, RawWorker(hub.address) as worker:
        assert [said(activity(worker)), said(activity(worker))] == [AGAIN, AGAIN]


def test_whoever_schedules_an_activity_cannot_say_it(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db") as hub, RawWorker(hub.address) as worker:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.start("any", instance_id="one")
        wanted = pb.ScheduleTaskAction(name="act", tags={DISPATCH_TAG: FIRST, "team": "blue"})
        worker.answer(worker.take(), pb.OrchestratorAction(id=1, scheduleTask=wanted))
        assert said(activity(worker)) == FIRST
        worker.hang_up()
        with RawWorker(hub.address) as second:
            given = activity(second)
            assert dict(given.activityRequest.tags) == {"team": "blue", DISPATCH_TAG: AGAIN}
        tested_hub.close()
