"""The contract of every durable task hub: instances and events."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.client import OrchestrationQuery, OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, refused


def echo(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


def patient(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Sets its custom status and waits for `go`."""
    ctx.set_custom_status("waiting")
    return (yield ctx.wait_for_external_event("go"))


def three(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Waits for `first` before it waits for `more`, so the hub has to keep `more`."""
    out = [(yield ctx.wait_for_external_event("first"))]
    for _ in range(2):
        out.append((yield ctx.wait_for_external_event("more")))  # noqa: PERF401  # a generator cannot yield from a list
    return out


def ask_child(ctx: task.OrchestrationContext, _given: Any) -> Any:
    ctx.set_custom_status("asked")
    return (yield ctx.call_sub_orchestrator(patient, instance_id=f"{ctx.instance_id}-child"))


def test_an_instance_runs_and_keeps_its_input_and_output(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    state = tested_hub.done(tested_hub.start(echo, {"a": [1, "ü"]}))
    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert (
        json.loads(state.serialized_input or "")
        == json.loads(state.serialized_output or "")
        == {"a": [1, "ü"]}
    )


def test_the_times_of_an_instance_are_in_order(tested_hub: HubUnderTest) -> None:
    before = datetime.now(UTC)
    tested_hub.work(echo)
    state = tested_hub.raw_state(tested_hub.done(tested_hub.start(echo)).instance_id)
    created, updated, completed = (
        stamp.ToDatetime(UTC)
        for stamp in (state.createdTimestamp, state.lastUpdatedTimestamp, state.completedTimestamp)
    )
    assert before - timedelta(milliseconds=1) <= created <= completed <= datetime.now(UTC)
    assert created <= updated <= datetime.now(UTC)


def test_an_unknown_instance_has_no_state(tested_hub: HubUnderTest) -> None:
    assert tested_hub.client.get_orchestration_state("nobody") is None


@pytest.mark.sdk_wrong("waits out the deadline, for an instance that nobody has started")
def test_nobody_waits_for_an_unknown_instance(tested_hub: HubUnderTest) -> None:
    began = time.monotonic()
    assert tested_hub.client.wait_for_orchestration_completion("nobody", timeout=0.5) is None
    assert tested_hub.client.wait_for_orchestration_start("nobody", timeout=0.5) is None
    assert time.monotonic() - began < 0.4


def test_a_second_start_of_an_id_is_refused(tested_hub: HubUnderTest) -> None:
    tested_hub.start(patient, instance_id="one")
    assert refused(lambda: tested_hub.start(patient, instance_id="one")) is grpc.StatusCode.ALREADY_EXISTS


def test_a_reuse_policy_replaces_what_it_lists(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    tested_hub.done(tested_hub.start(echo, 1, instance_id="one"))
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_COMPLETED])
    tested_hub.start(echo, 2, instance_id="one", reuse_id_policy=policy)
    assert tested_hub.done("one").serialized_output == "2"


def test_a_reuse_policy_spares_what_it_does_not_list(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    tested_hub.done(tested_hub.start(echo, 1, instance_id="one"))
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_FAILED])
    again = lambda: tested_hub.start(echo, 2, instance_id="one", reuse_id_policy=policy)  # noqa: E731  # one line says it
    assert refused(again) is grpc.StatusCode.ALREADY_EXISTS
    assert tested_hub.state("one").serialized_output == "1"


@pytest.mark.sdk_wrong("takes any instance ID, and payloads of any size")
@pytest.mark.parametrize("instance_id", ["@one", "x" * 101, "new\nline", "ünder"])
def test_an_instance_id_is_printable_ascii(tested_hub: HubUnderTest, instance_id: str) -> None:
    assert (
        refused(lambda: tested_hub.start(echo, instance_id=instance_id)) is grpc.StatusCode.INVALID_ARGUMENT
    )


@pytest.mark.sdk_wrong("takes payloads of any size")
def test_a_payload_over_the_limit_is_refused(tested_hub: HubUnderTest) -> None:
    """The limit is 1 MiB as on the scheduler, so that a program that runs here runs there."""
    fits = "x" * (1024 * 1024 - 2)
    tested_hub.start(patient, fits, instance_id="one")
    tested_hub.client.raise_orchestration_event("one", "go", data=fits)
    assert refused(lambda: tested_hub.start(patient, fits + "x")) is grpc.StatusCode.INVALID_ARGUMENT
    too_much = lambda: tested_hub.client.raise_orchestration_event("one", "go", data=fits + "x")  # noqa: E731  # as above
    assert refused(too_much) is grpc.StatusCode.INVALID_ARGUMENT


def test_waiting_for_the_start_ends_when_it_started(tested_hub: HubUnderTest) -> None:
    instance = tested_hub.start(patient)
    with pytest.raises(TimeoutError):
        tested_hub.client.wait_for_orchestration_start(instance, timeout=0.1)
    tested_hub.work(patient)
    state = tested_hub.client.wait_for_orchestration_start(instance, timeout=PATIENCE_S)
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.RUNNING


def test_waiting_for_the_end_times_out_while_it_runs(tested_hub: HubUnderTest) -> None:
    tested_hub.work(patient)
    with pytest.raises(TimeoutError):
        tested_hub.client.wait_for_orchestration_completion(tested_hub.start(patient), timeout=0.1)


@pytest.mark.sdk_wrong("forgets tags and version")
def test_tags_and_version_are_kept(tested_hub: HubUnderTest) -> None:
    def versioned(ctx: task.OrchestrationContext, _given: Any) -> Any:
        return ctx.version

    tested_hub.work(versioned)
    state = tested_hub.done(tested_hub.start(versioned, version="1.2", tags={"team": "blue"}))
    assert state.serialized_output == '"1.2"'
    raw = tested_hub.raw_state(state.instance_id)
    assert (raw.version.value, dict(raw.tags)) == ("1.2", {"team": "blue"})


@pytest.mark.sdk_wrong("starts at once what was scheduled for later")
def test_a_scheduled_start_waits_for_its_time(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    later = tested_hub.start(echo, start_at=datetime.now(UTC) + timedelta(days=1))
    soon = tested_hub.start(echo, start_at=datetime.now(UTC) + timedelta(milliseconds=50))
    tested_hub.done(soon)
    for _ in range(3):  # what was asked for after it goes through first
        tested_hub.done(tested_hub.start(echo))
    assert tested_hub.state(later).runtime_status is OrchestrationStatus.PENDING


def test_an_event_waits_for_a_scheduled_start(tested_hub: HubUnderTest) -> None:
    tested_hub.work(patient)
    instance = tested_hub.start(patient, start_at=datetime.now(UTC) + timedelta(milliseconds=100))
    tested_hub.client.raise_orchestration_event(instance, "go", data=1)
    assert tested_hub.done(instance).serialized_output == "1"


@pytest.mark.sdk_wrong("leaves it to a worker, who would start it")
def test_what_has_yet_to_start_can_be_terminated(tested_hub: HubUnderTest) -> None:
    instance = tested_hub.start(echo, start_at=datetime.now(UTC) + timedelta(days=1))
    tested_hub.client.terminate_orchestration(instance)
    assert tested_hub.done(instance, timeout=1).runtime_status is OrchestrationStatus.TERMINATED


def test_an_event_reaches_who_waits_for_it(tested_hub: HubUnderTest) -> None:
    tested_hub.work(patient)
    instance = tested_hub.start(patient)
    tested_hub.custom(instance, '"waiting"')
    tested_hub.client.raise_orchestration_event(instance, "go", data={"by": "ada"})
    assert json.loads(tested_hub.done(instance).serialized_output or "") == {"by": "ada"}


def test_events_wait_until_they_are_awaited_and_keep_their_order(tested_hub: HubUnderTest) -> None:
    instance = tested_hub.start(three)
    for name, data in (("more", 1), ("more", 2), ("first", 0)):
        tested_hub.client.raise_orchestration_event(instance, name, data=data)
    tested_hub.work(three)
    assert tested_hub.done(instance).serialized_output == "[0, 1, 2]"


def test_an_event_for_nobody_is_refused(tested_hub: HubUnderTest) -> None:
    raising = lambda: tested_hub.client.raise_orchestration_event("nobody", "go")  # noqa: E731  # one line says it
    assert refused(raising) is grpc.StatusCode.NOT_FOUND


def test_an_event_for_an_ended_instance_is_taken_in_silence(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    state = tested_hub.done(tested_hub.start(echo, 1))
    tested_hub.client.raise_orchestration_event(state.instance_id, "go")
    assert tested_hub.state(state.instance_id).serialized_output == "1"


def test_a_suspended_instance_keeps_its_events_for_its_return(tested_hub: HubUnderTest) -> None:
    tested_hub.work(three)
    instance = tested_hub.start(three)
    tested_hub.client.suspend_orchestration(instance)
    tested_hub.status(instance, "SUSPENDED")
    for name, data in (("first", 0), ("more", 1), ("more", 2)):
        tested_hub.client.raise_orchestration_event(instance, name, data=data)
    with pytest.raises(TimeoutError):
        tested_hub.client.wait_for_orchestration_completion(instance, timeout=0.2)
    tested_hub.client.resume_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == "[0, 1, 2]"


def test_a_terminated_instance_keeps_its_output_and_custom_status(tested_hub: HubUnderTest) -> None:
    tested_hub.work(patient)
    instance = tested_hub.start(patient)
    tested_hub.custom(instance, '"waiting"')
    tested_hub.client.terminate_orchestration(instance, output="enough")
    state = tested_hub.done(instance)
    assert state.runtime_status is OrchestrationStatus.TERMINATED
    assert (state.serialized_output, state.serialized_custom_status) == ('"enough"', '"waiting"')


def test_a_suspended_instance_can_be_terminated(tested_hub: HubUnderTest) -> None:
    tested_hub.work(patient)
    instance = tested_hub.start(patient)
    tested_hub.client.suspend_orchestration(instance)
    tested_hub.status(instance, "SUSPENDED")
    tested_hub.client.terminate_orchestration(instance)
    assert tested_hub.done(instance).runtime_status is OrchestrationStatus.TERMINATED


@pytest.mark.sdk_wrong("says nothing")
def test_terminating_nobody_is_refused(tested_hub: HubUnderTest) -> None:
    assert refused(lambda: tested_hub.client.terminate_orchestration("nobody")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.sdk_wrong("terminates the one and leaves its children running")
def test_terminating_takes_the_children_along(tested_hub: HubUnderTest) -> None:
    tested_hub.work(ask_child, patient)
    instance = tested_hub.start(ask_child)
    tested_hub.custom(instance, '"asked"')
    tested_hub.custom(f"{instance}-child", '"waiting"')
    tested_hub.client.terminate_orchestration(instance, recursive=True)
    assert tested_hub.done(instance).runtime_status is OrchestrationStatus.TERMINATED
    child = tested_hub.done(f"{instance}-child", timeout=0.3)
    assert child.runtime_status is OrchestrationStatus.TERMINATED


def test_terminating_without_recursion_spares_the_children(tested_hub: HubUnderTest) -> None:
    tested_hub.work(ask_child, patient)
    instance = tested_hub.start(ask_child)
    tested_hub.custom(instance, '"asked"')
    tested_hub.client.wait_for_orchestration_start(f"{instance}-child", timeout=PATIENCE_S)
    tested_hub.client.terminate_orchestration(instance, recursive=False)
    tested_hub.done(instance)
    assert tested_hub.state(f"{instance}-child").runtime_status is OrchestrationStatus.RUNNING


def test_purging_forgets_what_has_ended_and_nothing_else(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    ended, running = tested_hub.done(tested_hub.start(echo)).instance_id, tested_hub.start(patient)
    assert tested_hub.client.purge_orchestration(ended).deleted_instance_count == 1
    assert tested_hub.client.purge_orchestration(running).deleted_instance_count == 0
    assert tested_hub.client.purge_orchestration("nobody").deleted_instance_count == 0
    assert tested_hub.client.get_orchestration_state(ended) is None
    assert tested_hub.state(running)


@pytest.mark.sdk_wrong("leaves the children behind")
def test_purging_takes_the_ended_children_along(tested_hub: HubUnderTest) -> None:
    tested_hub.work(ask_child, patient)
    instance = tested_hub.start(ask_child)
    tested_hub.custom(instance, '"asked"')
    tested_hub.client.wait_for_orchestration_start(f"{instance}-child", timeout=PATIENCE_S)
    tested_hub.client.raise_orchestration_event(f"{instance}-child", "go", data=1)
    tested_hub.done(instance)
    assert tested_hub.client.purge_orchestration(instance).deleted_instance_count == 2
    assert tested_hub.client.get_orchestration_state(f"{instance}-child") is None


def test_purging_by_filter_takes_only_what_fits(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    for number in range(3):
        tested_hub.done(tested_hub.start(echo, instance_id=f"done-{number}"))
    terminated = tested_hub.start(patient)
    tested_hub.client.terminate_orchestration(terminated)
    tested_hub.done(terminated)
    result = tested_hub.client.purge_orchestrations_by(runtime_status=[OrchestrationStatus.COMPLETED])
    assert (result.deleted_instance_count, result.is_complete) == (3, True)
    assert tested_hub.state(terminated)


def test_a_query_filters_and_pages(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo)
    names = [tested_hub.start(echo, number, instance_id=f"a-{number}") for number in range(5)]
    tested_hub.start(echo, instance_id="b-1")
    for name in (*names, "b-1"):
        tested_hub.done(name)
    query = OrchestrationQuery(
        runtime_status=[OrchestrationStatus.COMPLETED],
        instance_id_prefix="a-",
        max_instance_count=2,
        fetch_inputs_and_outputs=True,
    )
    states = tested_hub.client.get_all_orchestration_states(query)
    assert [(state.instance_id, state.serialized_output) for state in states] == [
        (name, str(number)) for number, name in enumerate(names)
    ]
    none = OrchestrationQuery(runtime_status=[OrchestrationStatus.FAILED])
    assert tested_hub.client.get_all_orchestration_states(none) == []


def test_ended_instances_are_listed_in_the_order_in_which_they_ended(tested_hub: HubUnderTest) -> None:
    tested_hub.work(echo, patient)
    tested_hub.start(patient)
    names = ["c", "a", "b"]
    for name in names:
        tested_hub.done(tested_hub.start(echo, instance_id=name))
    page = tested_hub.client.list_instance_ids(page_size=2)
    assert page.items == names[:2]
    rest = tested_hub.client.list_instance_ids(page_size=2, continuation_token=page.continuation_token)
    assert (rest.items, rest.continuation_token) == (names[2:], None)
