"""A full disk: the hub says so until there is room, and what a worker has done meanwhile is not lost or done twice."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import AGAIN, DISPATCH_TAG, Hub
from orchestration.hub.storage.file import log_of
from tests.support.hubs import HubUnderTest, RawWorker, complete, eventually, refused, schedule, sound
from tests.support.room import room_for


def test_a_full_disk_is_a_problem_until_there_is_room_and_no_work_is_done_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "hub.db"
    with Hub(path) as hub, ThreadPoolExecutor(1) as elsewhere:
        tested_hub = HubUnderTest(hub.address)
        with RawWorker(hub.address) as worker:
            tested_hub.start("any", instance_id="one")
            worker.answer(worker.take(), schedule(1))
            item = worker.take()
            assert hub.problem() is None
            with room_for(log_of(path), 0):
                finishing = elsewhere.submit(worker.finish, item)
                assert refused(lambda: tested_hub.start("any", instance_id="two")) == (
                    grpc.StatusCode.RESOURCE_EXHAUSTED
                )
                assert "disk is full" in (hub.problem() or "")
                with suppress(queue.Empty):
                    while True:  # turns only: a worker may get a turn before the commit, which then fails
                        assert worker.take(timeout=0.2).HasField("orchestratorRequest")
                assert not finishing.done()
            finishing.result(timeout=10)
            eventually(lambda: hub.problem() is None, "the room")
            turn = worker.take()
            assert turn.orchestratorRequest.newEvents[-1].taskCompleted.result.value == '"done"'
            worker.answer(turn, complete())
            assert tested_hub.done("one").serialized_output == '"end"'
        tested_hub.close()
    said = [record.levelname for record in caplog.records if "disk" in record.getMessage()]
    assert said == ["ERROR", "WARNING"]
    sound(path)


def test_what_waits_for_room_is_not_done_again_and_nothing_else_is_begun_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    one_at_a_time = pb.GetWorkItemsRequest(maxConcurrentActivityWorkItems=1)
    with Hub(path) as hub, ThreadPoolExecutor(2) as elsewhere:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.start("any", instance_id="one")
        with RawWorker(hub.address, one_at_a_time) as worker:
            worker.answer(worker.take(), schedule(1), schedule(2))
            item = worker.take()
            with room_for(log_of(path), 0):
                finishing = elsewhere.submit(worker.finish, item)
                eventually(hub.problem, "the problem")
                twice = elsewhere.submit(worker.finish, item)
                assert "no longer valid" in str(twice.exception(timeout=5))
                worker.hang_up()
                other = RawWorker(hub.address, pb.GetWorkItemsRequest())
                with pytest.raises(queue.Empty):
                    other.take(timeout=0.3)
            with other:
                finishing.result(timeout=10)
                items = [other.take(), other.take()]
                assert [one.activityRequest.taskId for one in items if one.HasField("activityRequest")] == [2]
        tested_hub.close()


def test_a_hub_that_stops_on_a_full_disk_leaves_the_work_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with Hub(path) as hub, ThreadPoolExecutor(1) as elsewhere:
        tested_hub = HubUnderTest(hub.address)
        with RawWorker(hub.address) as worker:
            tested_hub.start("any", instance_id="one")
            worker.answer(worker.take(), schedule(1))
            item = worker.take()
            with room_for(log_of(path), 0):
                finishing = elsewhere.submit(worker.finish, item)
                eventually(hub.problem, "the problem")
                hub.stop()
                assert isinstance(finishing.exception(timeout=10), grpc.RpcError)
        tested_hub.close()
    with Hub(path) as hub, RawWorker(hub.address) as worker:
        given = worker.take().activityRequest
        assert (given.taskId, given.tags[DISPATCH_TAG]) == (1, AGAIN)
