"""The contract of every durable task hub: lists, histories and purging."""

import sqlite3
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.client import OrchestrationQuery, OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub import Hub
from orchestration.hub.engine import listing
from orchestration.hub.storage import file
from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, refused


def echo(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


def patient(ctx: task.OrchestrationContext, _given: Any) -> Any:
    return (yield ctx.wait_for_external_event("go"))


def family(ctx: task.OrchestrationContext, depth: int) -> Any:
    if depth:
        yield ctx.call_sub_orchestrator(family, input=depth - 1, instance_id=f"{ctx.instance_id}-{depth}")
    return depth


def hoard(ctx: task.OrchestrationContext, _given: Any) -> Any:
    for _ in range(3):
        yield ctx.wait_for_external_event("more")
    return "x" * 1_000_000


def created(tested_hub: HubUnderTest, instance_id: str) -> datetime:
    return tested_hub.raw_state(instance_id).createdTimestamp.ToDatetime(UTC)


def ids(tested_hub: HubUnderTest, **filters: Any) -> list[str]:
    states = tested_hub.client.get_all_orchestration_states(OrchestrationQuery(**filters))
    return [state.instance_id for state in states]


def ended(tested_hub: HubUnderTest, *instance_ids: str) -> None:
    for instance_id in instance_ids:
        tested_hub.done(tested_hub.start(echo, 1, instance_id=instance_id))


def test_a_query_takes_a_stretch_of_time(tested_hub: HubUnderTest) -> None:
    """From a given time (included) to another (not included)."""
    tested_hub.work(echo)
    ended(tested_hub, "a", "b", "c")
    middle, last = created(tested_hub, "b"), created(tested_hub, "c")
    assert ids(tested_hub, created_time_from=middle) == ["b", "c"]
    assert ids(tested_hub, created_time_to=last) == ["a", "b"]
    assert ids(tested_hub, created_time_from=middle, created_time_to=last) == ["b"]


def test_a_query_takes_several_statuses(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    ended(tested_hub, "a")
    for name in ("b", "c"):
        tested_hub.start(patient, instance_id=name)
        tested_hub.client.wait_for_orchestration_start(name, timeout=PATIENCE_S)
    tested_hub.client.terminate_orchestration("b")
    tested_hub.done("b")
    both = [OrchestrationStatus.COMPLETED, OrchestrationStatus.TERMINATED]
    assert ids(tested_hub, runtime_status=both) == ["a", "b"]
    assert ids(tested_hub, runtime_status=[OrchestrationStatus.RUNNING]) == ["c"]


def test_a_query_carries_payloads_only_where_they_are_asked_for(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    ended(tested_hub, "a")
    for asked, seen in ((True, ("1", "1")), (False, (None, None))):
        query = OrchestrationQuery(fetch_inputs_and_outputs=asked)
        (state,) = tested_hub.client.get_all_orchestration_states(query)
        assert (state.serialized_input, state.serialized_output) == seen


@pytest.mark.sdk_wrong("begins again from the first page")
def test_a_token_that_nobody_gave_is_refused(tested_hub: HubUnderTest) -> None:
    query = pb.InstanceQuery()
    query.continuationToken.value = "made up"
    asking = lambda: tested_hub.stub.QueryInstances(pb.QueryInstancesRequest(query=query))  # noqa: E731  # one line says it
    assert refused(asking) is grpc.StatusCode.INVALID_ARGUMENT


def test_ended_instances_are_listed_by_status_and_by_when_they_ended(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    ended(tested_hub, "a", "b")
    tested_hub.start(patient, instance_id="c")
    tested_hub.client.terminate_orchestration("c")
    tested_hub.done("c")
    middle = tested_hub.raw_state("b").completedTimestamp.ToDatetime(UTC)
    assert tested_hub.client.list_instance_ids([OrchestrationStatus.TERMINATED]).items == ["c"]
    assert tested_hub.client.list_instance_ids(completed_time_from=middle).items == ["b", "c"]
    assert tested_hub.client.list_instance_ids(completed_time_to=middle).items == ["a"]


def test_a_purge_takes_a_stretch_of_time(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    ended(tested_hub, "a", "b", "c")
    result = tested_hub.client.purge_orchestrations_by(
        created_time_from=created(tested_hub, "b"), created_time_to=created(tested_hub, "c")
    )
    assert (result.deleted_instance_count, ids(tested_hub)) == (1, ["a", "c"])


@pytest.mark.sdk_wrong("leaves the children behind")
def test_a_purge_by_filter_can_take_the_children_along(tested_hub: HubUnderTest) -> None:
    tested_hub.work(family)
    tested_hub.done(tested_hub.start(family, 3, instance_id="one"))
    until = created(tested_hub, "one") + timedelta(microseconds=1)
    assert tested_hub.client.purge_orchestrations_by(created_time_to=until).deleted_instance_count == 1
    tested_hub.done(tested_hub.start(family, 3, instance_id="two"))
    until = created(tested_hub, "two") + timedelta(microseconds=1)
    result = tested_hub.client.purge_orchestrations_by(created_time_to=until, recursive=True)
    assert result.deleted_instance_count >= 4
    assert [one for one in ids(tested_hub) if one.startswith("two")] == []


@pytest.mark.sdk_wrong("knows no timeout")
def test_a_purge_that_runs_out_of_time_says_that_it_is_not_complete(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    ended(tested_hub, "a")
    result = tested_hub.client.purge_orchestrations_by(timeout=timedelta(microseconds=1))
    assert (result.deleted_instance_count, result.is_complete) == (0, False)
    result = tested_hub.client.purge_orchestrations_by(timeout=timedelta(minutes=1))
    assert (result.deleted_instance_count, result.is_complete) == (1, True)


@pytest.mark.sdk_wrong("purges nothing of a batch")
def test_a_batch_is_purged(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    ended(tested_hub, "a", "b")
    tested_hub.start(patient, instance_id="c")
    batch = pb.InstanceBatch(instanceIds=["a", "b", "c", "nobody"])
    response = tested_hub.stub.PurgeInstances(pb.PurgeInstancesRequest(instanceBatch=batch))
    assert (response.deletedInstanceCount, ids(tested_hub)) == (2, ["c"])


def test_a_large_family_is_purged_in_steps_and_others_are_served_in_between(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.work(family)
        tested_hub.done(tested_hub.start(family, 1, instance_id="one"))
        tested_hub.close()
    db = sqlite3.connect(tmp_path / "hub.db")
    columns = (
        "execution, name, status, created_at, updated_at, completed_at, parent, parent_id, parent_execution"
    )
    db.executemany(
        f"INSERT INTO instance (id, {columns}) SELECT ?, {columns} FROM instance WHERE id = 'one-1'",  # noqa: S608  # our own names
        [(f"copy-{number}",) for number in range(500)],
    )
    db.commit()
    db.close()
    with Hub(tmp_path / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.start(patient, instance_id="two")
        purge = tested_hub.stub.PurgeInstances.future(
            pb.PurgeInstancesRequest(instanceId="one", recursive=True)
        )
        sent = 0
        while not purge.done():
            tested_hub.client.raise_orchestration_event("two", "go")
            sent += 1
        assert purge.result().deletedInstanceCount == 502
        assert sent > 1
        assert ids(tested_hub) == ["two"]
        tested_hub.close()


def test_purging_one_alone_leaves_its_children(tested_hub: HubUnderTest) -> None:
    tested_hub.work(family)
    tested_hub.done(tested_hub.start(family, 1, instance_id="one"))
    assert tested_hub.client.purge_orchestration("one", recursive=False).deleted_instance_count == 1
    assert ids(tested_hub) == ["one-1"]


@pytest.mark.sdk_wrong("does not know the call")
def test_a_batch_is_terminated_at_once(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    ended(tested_hub, "a")
    tested_hub.start(patient, instance_id="b")
    request = pb.SkipGracefulOrchestrationTerminationsRequest(
        instanceBatch=pb.InstanceBatch(instanceIds=["a", "b", "nobody"])
    )
    request.reason.value = '"tidied up"'
    left = tested_hub.stub.SkipGracefulOrchestrationTerminations(request).unterminatedInstanceIds
    assert list(left) == ["a", "nobody"]
    assert tested_hub.done("b").serialized_output == '"tidied up"'


@pytest.mark.sdk_wrong("sends a hundred events at a time, however large")
def test_a_long_history_comes_in_pieces_that_a_client_can_take(tested_hub: HubUnderTest) -> None:
    """By default a gRPC client takes messages of up to 4 MiB."""
    tested_hub.work(hoard)
    tested_hub.start(hoard, "x" * 900_000, instance_id="one")
    for _ in range(3):
        tested_hub.client.raise_orchestration_event("one", "more", data="x" * 900_000)
    tested_hub.done("one")
    chunks = list(tested_hub.stub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId="one")))
    kinds = [event.WhichOneof("eventType") for chunk in chunks for event in chunk.events]
    assert kinds.count("eventRaised") == 3
    assert sum(chunk.ByteSize() for chunk in chunks) > 4 * 1024 * 1024


@pytest.mark.sdk_wrong("gives the history of another execution than was asked for")
def test_a_history_is_that_of_the_execution_that_was_asked_for(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    ended(tested_hub, "one")
    execution = tested_hub.raw_state("one").executionId.value
    assert tested_hub.client.get_orchestration_history("one", execution_id=execution)
    other = lambda: tested_hub.client.get_orchestration_history("one", execution_id="other")  # noqa: E731  # as above
    assert refused(other) is grpc.StatusCode.NOT_FOUND


def test_a_page_is_not_read_before_it_is_known_to_be_too_long(tmp_path: Path) -> None:
    """A thousand instances with an input and an output of 1 MiB each would not fit into memory."""
    db = file.connect(tmp_path / "hub.db")
    db.execute(
        "INSERT INTO instance (id, execution, name, status, created_at, updated_at, input) "
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
        "SELECT i, 'e', 'any', 0, i, i, replace(printf('%1000000d', 0), ' ', 'x') FROM n"
    )
    tracemalloc.start()
    page = listing.query(db, pb.QueryInstancesRequest(query={"fetchInputsAndOutputs": True}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    db.close()
    assert [state.instanceId for state in page.orchestrationState] == ["1", "2", "3"]
    assert page.HasField("continuationToken")
    assert peak < 10_000_000
