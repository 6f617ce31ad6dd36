"""What every durable task hub owes its clients: instances and events."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.client import OrchestrationQuery, OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.support.hubs import Bench, refused


def echo(_ctx: task.OrchestrationContext, given: Any) -> Any:
    return given


def patient(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Waits for `go`, saying so."""
    ctx.set_custom_status("waiting")
    return (yield ctx.wait_for_external_event("go"))


def three(ctx: task.OrchestrationContext, _given: Any) -> Any:
    """Awaits `first` before it looks at `more`, so that `more` must be kept for it."""
    out = [(yield ctx.wait_for_external_event("first"))]
    for _ in range(2):
        out.append((yield ctx.wait_for_external_event("more")))  # noqa: PERF401  # a generator cannot yield from a list
    return out


def ask_child(ctx: task.OrchestrationContext, _given: Any) -> Any:
    ctx.set_custom_status("asked")
    return (yield ctx.call_sub_orchestrator(patient, instance_id=f"{ctx.instance_id}-child"))


def test_an_instance_runs_and_keeps_its_input_and_output(bench: Bench) -> None:
    bench.work(echo)
    state = bench.done(bench.start(echo, {"a": [1, "ü"]}))
    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert (
        json.loads(state.serialized_input or "")
        == json.loads(state.serialized_output or "")
        == {"a": [1, "ü"]}
    )


def test_the_times_of_an_instance_are_in_order(bench: Bench) -> None:
    before = datetime.now(UTC)
    bench.work(echo)
    state = bench.raw_state(bench.done(bench.start(echo)).instance_id)
    created, updated, completed = (
        stamp.ToDatetime(UTC)
        for stamp in (state.createdTimestamp, state.lastUpdatedTimestamp, state.completedTimestamp)
    )
    assert before - timedelta(milliseconds=1) <= created <= completed <= datetime.now(UTC)
    assert created <= updated <= datetime.now(UTC)


def test_an_unknown_instance_has_no_state(bench: Bench) -> None:
    assert bench.client.get_orchestration_state("nobody") is None


@pytest.mark.sdk_wrong("waits out the deadline, for an instance that nobody has started")
def test_nobody_waits_for_an_unknown_instance(bench: Bench) -> None:
    began = time.monotonic()
    assert bench.client.wait_for_orchestration_completion("nobody", timeout=0.5) is None
    assert bench.client.wait_for_orchestration_start("nobody", timeout=0.5) is None
    assert time.monotonic() - began < 0.4


def test_a_second_start_of_an_id_is_refused(bench: Bench) -> None:
    bench.start(patient, instance_id="one")
    assert refused(lambda: bench.start(patient, instance_id="one")) is grpc.StatusCode.ALREADY_EXISTS


def test_a_reuse_policy_replaces_what_it_lists(bench: Bench) -> None:
    bench.work(echo)
    bench.done(bench.start(echo, 1, instance_id="one"))
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_COMPLETED])
    bench.start(echo, 2, instance_id="one", reuse_id_policy=policy)
    assert bench.done("one").serialized_output == "2"


def test_a_reuse_policy_spares_what_it_does_not_list(bench: Bench) -> None:
    bench.work(echo)
    bench.done(bench.start(echo, 1, instance_id="one"))
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_FAILED])
    again = lambda: bench.start(echo, 2, instance_id="one", reuse_id_policy=policy)  # noqa: E731  # one line says it
    assert refused(again) is grpc.StatusCode.ALREADY_EXISTS
    assert bench.state("one").serialized_output == "1"


@pytest.mark.sdk_wrong("takes any instance ID, and payloads of any size")
@pytest.mark.parametrize("instance_id", ["@one", "x" * 101, "new\nline", "ünder"])
def test_an_instance_id_is_printable_ascii(bench: Bench, instance_id: str) -> None:
    assert refused(lambda: bench.start(echo, instance_id=instance_id)) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.sdk_wrong("takes payloads of any size")
def test_a_payload_over_the_limit_is_refused(bench: Bench) -> None:
    """The limit is that of the scheduler, 1 MiB, so that what runs here runs there."""
    fits = "x" * (1024 * 1024 - 2)
    bench.start(patient, fits, instance_id="one")
    bench.client.raise_orchestration_event("one", "go", data=fits)
    assert refused(lambda: bench.start(patient, fits + "x")) is grpc.StatusCode.INVALID_ARGUMENT
    too_much = lambda: bench.client.raise_orchestration_event("one", "go", data=fits + "x")  # noqa: E731  # as above
    assert refused(too_much) is grpc.StatusCode.INVALID_ARGUMENT


def test_waiting_for_the_start_ends_when_it_started(bench: Bench) -> None:
    instance = bench.start(patient)
    with pytest.raises(TimeoutError):
        bench.client.wait_for_orchestration_start(instance, timeout=0.1)
    bench.work(patient)
    state = bench.client.wait_for_orchestration_start(instance, timeout=10)
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.RUNNING


def test_waiting_for_the_end_times_out_while_it_runs(bench: Bench) -> None:
    bench.work(patient)
    with pytest.raises(TimeoutError):
        bench.client.wait_for_orchestration_completion(bench.start(patient), timeout=0.1)


@pytest.mark.sdk_wrong("forgets tags and version")
def test_tags_and_version_are_kept(bench: Bench) -> None:
    def versioned(ctx: task.OrchestrationContext, _given: Any) -> Any:
        return ctx.version

    bench.work(versioned)
    state = bench.done(bench.start(versioned, version="1.2", tags={"team": "blue"}))
    assert state.serialized_output == '"1.2"'
    raw = bench.raw_state(state.instance_id)
    assert (raw.version.value, dict(raw.tags)) == ("1.2", {"team": "blue"})


@pytest.mark.sdk_wrong("starts at once what was scheduled for later")
def test_a_scheduled_start_waits_for_its_time(bench: Bench) -> None:
    bench.work(echo)
    later = bench.start(echo, start_at=datetime.now(UTC) + timedelta(days=1))
    soon = bench.start(echo, start_at=datetime.now(UTC) + timedelta(milliseconds=50))
    bench.done(soon)
    assert bench.state(later).runtime_status is OrchestrationStatus.PENDING


def test_an_event_waits_for_a_scheduled_start(bench: Bench) -> None:
    bench.work(patient)
    instance = bench.start(patient, start_at=datetime.now(UTC) + timedelta(milliseconds=100))
    bench.client.raise_orchestration_event(instance, "go", data=1)
    assert bench.done(instance).serialized_output == "1"


@pytest.mark.sdk_wrong("leaves it to a worker, who would start it")
def test_what_has_yet_to_start_can_be_terminated(bench: Bench) -> None:
    instance = bench.start(echo, start_at=datetime.now(UTC) + timedelta(days=1))
    bench.client.terminate_orchestration(instance)
    assert bench.done(instance, timeout=1).runtime_status is OrchestrationStatus.TERMINATED


def test_an_event_reaches_who_waits_for_it(bench: Bench) -> None:
    bench.work(patient)
    instance = bench.start(patient)
    bench.custom(instance, '"waiting"')
    bench.client.raise_orchestration_event(instance, "go", data={"by": "ada"})
    assert json.loads(bench.done(instance).serialized_output or "") == {"by": "ada"}


def test_events_wait_until_they_are_awaited_and_keep_their_order(bench: Bench) -> None:
    instance = bench.start(three)
    for name, data in (("more", 1), ("more", 2), ("first", 0)):
        bench.client.raise_orchestration_event(instance, name, data=data)
    bench.work(three)
    assert bench.done(instance).serialized_output == "[0, 1, 2]"


def test_an_event_for_nobody_is_refused(bench: Bench) -> None:
    raising = lambda: bench.client.raise_orchestration_event("nobody", "go")  # noqa: E731  # one line says it
    assert refused(raising) is grpc.StatusCode.NOT_FOUND


def test_an_event_for_an_ended_instance_is_taken_in_silence(bench: Bench) -> None:
    bench.work(echo)
    state = bench.done(bench.start(echo, 1))
    bench.client.raise_orchestration_event(state.instance_id, "go")
    assert bench.state(state.instance_id).serialized_output == "1"


def test_a_suspended_instance_keeps_its_events_for_its_return(bench: Bench) -> None:
    bench.work(three)
    instance = bench.start(three)
    bench.client.suspend_orchestration(instance)
    bench.status(instance, "SUSPENDED")
    for name, data in (("first", 0), ("more", 1), ("more", 2)):
        bench.client.raise_orchestration_event(instance, name, data=data)
    with pytest.raises(TimeoutError):
        bench.client.wait_for_orchestration_completion(instance, timeout=0.2)
    bench.client.resume_orchestration(instance)
    assert bench.done(instance).serialized_output == "[0, 1, 2]"


def test_a_terminated_instance_keeps_its_output_and_custom_status(bench: Bench) -> None:
    bench.work(patient)
    instance = bench.start(patient)
    bench.custom(instance, '"waiting"')
    bench.client.terminate_orchestration(instance, output="enough")
    state = bench.done(instance)
    assert state.runtime_status is OrchestrationStatus.TERMINATED
    assert (state.serialized_output, state.serialized_custom_status) == ('"enough"', '"waiting"')


def test_a_suspended_instance_can_be_terminated(bench: Bench) -> None:
    bench.work(patient)
    instance = bench.start(patient)
    bench.client.suspend_orchestration(instance)
    bench.status(instance, "SUSPENDED")
    bench.client.terminate_orchestration(instance)
    assert bench.done(instance).runtime_status is OrchestrationStatus.TERMINATED


@pytest.mark.sdk_wrong("says nothing")
def test_terminating_nobody_is_refused(bench: Bench) -> None:
    assert refused(lambda: bench.client.terminate_orchestration("nobody")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.sdk_wrong("terminates the one and leaves its children running")
def test_terminating_takes_the_children_along(bench: Bench) -> None:
    bench.work(ask_child, patient)
    instance = bench.start(ask_child)
    bench.custom(f"{instance}-child", '"waiting"') if bench.custom(instance, '"asked"') is None else None
    bench.client.terminate_orchestration(instance, recursive=True)
    assert bench.done(instance).runtime_status is OrchestrationStatus.TERMINATED
    child = bench.done(f"{instance}-child", timeout=0.3)
    assert child.runtime_status is OrchestrationStatus.TERMINATED


def test_terminating_without_recursion_spares_the_children(bench: Bench) -> None:
    bench.work(ask_child, patient)
    instance = bench.start(ask_child)
    bench.custom(instance, '"asked"')
    bench.client.wait_for_orchestration_start(f"{instance}-child", timeout=10)
    bench.client.terminate_orchestration(instance, recursive=False)
    bench.done(instance)
    assert bench.state(f"{instance}-child").runtime_status is OrchestrationStatus.RUNNING


def test_purging_forgets_what_has_ended_and_nothing_else(bench: Bench) -> None:
    bench.work(echo, patient)
    ended, running = bench.done(bench.start(echo)).instance_id, bench.start(patient)
    assert bench.client.purge_orchestration(ended).deleted_instance_count == 1
    assert bench.client.purge_orchestration(running).deleted_instance_count == 0
    assert bench.client.purge_orchestration("nobody").deleted_instance_count == 0
    assert bench.client.get_orchestration_state(ended) is None
    assert bench.state(running)


@pytest.mark.sdk_wrong("leaves the children behind")
def test_purging_takes_the_ended_children_along(bench: Bench) -> None:
    bench.work(ask_child, patient)
    instance = bench.start(ask_child)
    bench.custom(instance, '"asked"')
    bench.client.wait_for_orchestration_start(f"{instance}-child", timeout=10)
    bench.client.raise_orchestration_event(f"{instance}-child", "go", data=1)
    bench.done(instance)
    assert bench.client.purge_orchestration(instance).deleted_instance_count == 2
    assert bench.client.get_orchestration_state(f"{instance}-child") is None


def test_purging_by_filter_takes_only_what_fits(bench: Bench) -> None:
    bench.work(echo, patient)
    for number in range(3):
        bench.done(bench.start(echo, instance_id=f"done-{number}"))
    terminated = bench.start(patient)
    bench.client.terminate_orchestration(terminated)
    bench.done(terminated)
    result = bench.client.purge_orchestrations_by(runtime_status=[OrchestrationStatus.COMPLETED])
    assert (result.deleted_instance_count, result.is_complete) == (3, True)
    assert bench.state(terminated)


def test_a_query_filters_and_pages(bench: Bench) -> None:
    bench.work(echo)
    names = [bench.start(echo, number, instance_id=f"a-{number}") for number in range(5)]
    bench.start(echo, instance_id="b-1")
    for name in (*names, "b-1"):
        bench.done(name)
    query = OrchestrationQuery(
        runtime_status=[OrchestrationStatus.COMPLETED],
        instance_id_prefix="a-",
        max_instance_count=2,
        fetch_inputs_and_outputs=True,
    )
    states = bench.client.get_all_orchestration_states(query)
    assert [(state.instance_id, state.serialized_output) for state in states] == [
        (name, str(number)) for number, name in enumerate(names)
    ]
    none = OrchestrationQuery(runtime_status=[OrchestrationStatus.FAILED])
    assert bench.client.get_all_orchestration_states(none) == []


def test_ended_instances_are_listed_in_the_order_in_which_they_ended(bench: Bench) -> None:
    bench.work(echo, patient)
    bench.start(patient)
    names = ["c", "a", "b"]
    for name in names:
        bench.done(bench.start(echo, instance_id=name))
    page = bench.client.list_instance_ids(page_size=2)
    assert page.items == names[:2]
    rest = bench.client.list_instance_ids(page_size=2, continuation_token=page.continuation_token)
    assert (rest.items, rest.continuation_token) == (names[2:], None)
