"""The SDK's own extensions, unmodified, on either hub: recurring schedules, and the export of histories."""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.extensions import history_export
from durabletask.scheduled import (
    ScheduleCreationOptions,
    ScheduledTaskClient,
    ScheduleQuery,
    ScheduleStatus,
    ScheduleUpdateOptions,
)
from durabletask.worker import TaskHubGrpcWorker

from tests.support.hubs import HubUnderTest, eventually


def echo(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


def fails(_ctx: task.OrchestrationContext, _given: Any) -> Any:
    raise OSError("out of order")


def schedules(tested_hub: HubUnderTest) -> ScheduledTaskClient:
    """A client for schedules, and a worker that runs them."""
    tested_hub.work(echo, configure=TaskHubGrpcWorker.configure_scheduled_tasks)
    return ScheduledTaskClient(tested_hub.client, operation_timeout=10)


def test_a_schedule_starts_an_orchestration_when_it_is_due(tested_hub: HubUnderTest) -> None:
    """It starts first in a moment, or at once if that is over by then, and next a day later."""
    client = schedules(tested_hub)
    begins, day = datetime.now(UTC) + timedelta(milliseconds=300), timedelta(days=1)
    schedule = client.create_schedule(
        ScheduleCreationOptions(
            "daily",
            "echo",
            day,
            orchestration_input="hello",
            orchestration_instance_id="run",
            start_at=begins,
            start_immediately_if_late=True,
        )
    )
    assert schedule.describe().status is ScheduleStatus.ACTIVE
    eventually(lambda: tested_hub.client.get_orchestration_state("run"), "the run")
    state = tested_hub.done("run")
    assert state.serialized_output == '"hello"'
    assert state.created_at.replace(tzinfo=UTC) >= begins
    eventually(lambda: schedule.describe().last_run_at, "the record of the run")
    assert schedule.describe().next_run_at == begins + day


def test_a_schedule_is_paused_changed_resumed_listed_and_deleted(tested_hub: HubUnderTest) -> None:
    client = schedules(tested_hub)
    for name in ("daily", "dull"):
        client.create_schedule(ScheduleCreationOptions(name, "echo", timedelta(days=1)))
    daily = client.get_schedule_client("daily")
    daily.pause()
    paused = client.list_schedules(ScheduleQuery(status=ScheduleStatus.PAUSED, schedule_id_prefix="d"))
    assert [one.schedule_id for one in paused] == ["daily"]
    daily.update(ScheduleUpdateOptions(interval=timedelta(days=2)))
    daily.resume()
    assert (daily.describe().status, daily.describe().interval) == (ScheduleStatus.ACTIVE, timedelta(days=2))
    daily.delete()
    assert client.get_schedule("daily") is None
    assert [one.schedule_id for one in client.list_schedules()] == ["dull"]


def test_a_refused_change_of_a_schedule_says_why(tested_hub: HubUnderTest) -> None:
    with pytest.raises(RuntimeError, match="resume_schedule"):
        schedules(tested_hub).get_schedule_client("nobody").resume()


class Folder:
    """Writes histories into a directory; the extension needs nothing more of a destination."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(
        self,
        *,
        instance_id: str,
        container: str,
        blob_name: str,
        payload: bytes,
        content_type: str,
        content_encoding: str | None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        (self._root / container).mkdir(exist_ok=True)
        (self._root / container / f"{instance_id}.gz").write_bytes(payload)


def test_histories_are_exported(tested_hub: HubUnderTest, tmp_path: Path) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    client = history_export.ExportHistoryClient(tested_hub.client, Folder(tmp_path))
    tested_hub.work(echo, fails, configure=client.register_worker)
    names = [f"echo-{number}" for number in range(5)]
    for name in names:
        tested_hub.done(tested_hub.start(echo, name, instance_id=name))
    tested_hub.done(tested_hub.start(fails, instance_id="fails"))
    options = history_export.ExportJobCreationOptions(
        mode=history_export.ExportMode.BATCH,
        completed_time_from=began,
        completed_time_to=datetime.now(UTC),
        destination=history_export.ExportDestination(container="histories"),
        runtime_status=[OrchestrationStatus.COMPLETED],
        max_instances_per_batch=2,
    )
    client.create_job(options, job_id="one")
    done = client.wait_for_job("one", timeout=10, poll_interval=0.02)
    assert (done.status.value, done.exported_instances, done.failed_instances) == ("Completed", 5, 0)
    files = sorted((tmp_path / "histories").iterdir())
    assert [file.stem for file in files] == names
    head, *events = gzip.decompress(files[0].read_bytes()).splitlines()
    assert json.loads(head)["instance_id"] == "echo-0"
    kinds = [json.loads(event)["event_type"] for event in events]
    assert kinds[:2] == ["OrchestratorStartedEvent", "ExecutionStartedEvent"]
    assert kinds[-1] == "ExecutionCompletedEvent"
    assert [job.job_id for job in client.list_jobs()] == ["one"]
    client.delete_job("one")
    assert tested_hub.client.get_orchestration_state("export-job-one") is None
