"""Orchestrations that the hub was told to run once: none is rewound, restarted or replaced, by whichever way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import history, task
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub import Hub
from tests.support.hubs import HubUnderTest, eventually, refused, sound

RUNS: Counter[str] = Counter()
ENDED = (
    pb.ORCHESTRATION_STATUS_COMPLETED,
    pb.ORCHESTRATION_STATUS_FAILED,
    pb.ORCHESTRATION_STATUS_TERMINATED,
)


def once(ctx: task.OrchestrationContext, how: str) -> Any:
    """Decides something. It fails where it is told to, and waits where it is told to."""
    if not ctx.is_replaying:
        RUNS["once"] += 1
    if how == "fail":
        raise ValueError("decided to fail")
    if how == "wait":
        yield ctx.wait_for_external_event("go")
    yield ctx.call_activity(note, input=how)
    return how


def note(_ctx: task.ActivityContext, what: str) -> str:
    return what


def asks(ctx: task.OrchestrationContext, how: str) -> Any:
    """Somebody's own orchestration, which fails with what it asked for."""
    return (yield ctx.call_sub_orchestrator("once", input=how, instance_id="asked"))


def around(ctx: task.OrchestrationContext, how: str) -> Any:
    """The same, one level deeper."""
    return (yield ctx.call_sub_orchestrator("asks", input=how, instance_id="asks"))


def minds(ctx: task.OrchestrationContext, how: str) -> Any:
    """Handles the failure of what it asked for, and then fails once for another reason."""
    with suppress(task.TaskFailedError):
        yield ctx.call_sub_orchestrator("once", input=how, instance_id="asked")
    broken = yield ctx.call_activity(repaired)
    return f"went on: {broken}"


def repaired(_ctx: task.ActivityContext, _: None) -> str:
    RUNS["repaired"] += 1
    if RUNS["repaired"] == 1:
        raise OSError("not yet")
    return "repaired"


def steals(ctx: task.OrchestrationContext, victim: str) -> Any:
    """Calls a sub-orchestration by the ID of an instance that somebody else has started."""
    return (yield ctx.call_sub_orchestrator("once", input="stolen", instance_id=victim))


def repeats(ctx: task.OrchestrationContext, left: int) -> Any:
    """Calls its own sub-orchestration under one ID in each of its generations."""
    done = yield ctx.call_sub_orchestrator("once", input=f"{left}", instance_id="mine")
    if left:
        ctx.continue_as_new(left - 1)
    return done


@pytest.fixture
def tested_hub(tmp_path: Path) -> Iterator[HubUnderTest]:
    """A hub that runs `once` once. At the end its file is checked."""
    RUNS.clear()
    with Hub(tmp_path / "hub.db", run_once=["once"]) as hub:
        found = HubUnderTest(hub.address)
        found.work(once, asks, around, minds, steals, repeats, activities=(note, repaired))
        yield found
        found.close()
    sound(tmp_path / "hub.db")


def ended(tested_hub: HubUnderTest, how: str) -> str:
    """One that has ended so; its ID."""
    instance = tested_hub.start(once, how)
    if how == "wait":
        tested_hub.status(instance, "RUNNING")
        tested_hub.client.terminate_orchestration(instance)
    tested_hub.done(instance)
    return instance


@pytest.mark.parametrize("how", ["fail", "wait", "complete"])
def test_it_is_neither_rewound_nor_restarted_nor_replaced(tested_hub: HubUnderTest, how: str) -> None:
    client, instance = tested_hub.client, ended(tested_hub, how)
    before = tested_hub.raw_state(instance)
    replaced = pb.CreateInstanceRequest(instanceId=instance, name="once", input=StringValue(value='"again"'))
    replaced.orchestrationIdReusePolicy.replaceableStatus.extend(ENDED)
    assert refused(lambda: client.rewind_orchestration(instance)) is grpc.StatusCode.FAILED_PRECONDITION
    for new_id in (False, True):
        restart = lambda new_id=new_id: client.restart_orchestration(  # noqa: E731
            instance, restart_with_new_instance_id=new_id
        )
        assert refused(restart) is grpc.StatusCode.FAILED_PRECONDITION
    assert refused(lambda: tested_hub.stub.StartInstance(replaced)) is grpc.StatusCode.ALREADY_EXISTS
    assert tested_hub.raw_state(instance) == before
    assert RUNS["once"] == 1


def test_the_refusal_says_why_and_what_to_do(tested_hub: HubUnderTest) -> None:
    instance = ended(tested_hub, "fail")
    with pytest.raises(grpc.RpcError, match=r"run once on this hub.* Start another one"):
        tested_hub.client.rewind_orchestration(instance)


@pytest.mark.parametrize(("outer", "failing"), [("asks", "asked"), ("around", "asked")])
@pytest.mark.parametrize("how", ["fail", "wait"])
def test_it_keeps_its_end_when_what_asked_for_it_is_rewound(
    tested_hub: HubUnderTest, outer: str, failing: str, how: str
) -> None:
    """The one that asked runs again, gets the same answer as before, and fails as before."""
    instance = tested_hub.start(outer, how)
    if how == "wait":
        eventually(lambda: tested_hub.client.get_orchestration_state(failing))
        tested_hub.status(failing, "RUNNING")
        tested_hub.client.terminate_orchestration(failing)
    first = tested_hub.done(instance)
    assert first.runtime_status is OrchestrationStatus.FAILED
    before = tested_hub.raw_state(failing)
    tested_hub.client.rewind_orchestration(instance)
    again = tested_hub.done(instance)
    assert again.runtime_status is OrchestrationStatus.FAILED
    assert again.failure_details is not None
    assert first.failure_details is not None
    assert again.failure_details.message == first.failure_details.message
    assert tested_hub.raw_state(failing) == before
    assert RUNS["once"] == 1


def test_one_that_is_gone_does_not_come_back_when_what_asked_for_it_is_rewound(
    tested_hub: HubUnderTest,
) -> None:
    instance = tested_hub.start(asks, "fail")
    tested_hub.done(instance)
    tested_hub.client.purge_orchestration("asked")
    tested_hub.client.rewind_orchestration(instance)
    again = tested_hub.done(instance)
    assert again.runtime_status is OrchestrationStatus.FAILED
    assert again.failure_details is not None
    assert "was deleted" in again.failure_details.message
    assert tested_hub.client.get_orchestration_state("asked") is None
    assert RUNS["once"] == 1


def test_what_asked_for_it_can_be_rewound_for_another_failure(tested_hub: HubUnderTest) -> None:
    instance = tested_hub.start(minds, "fail")
    assert tested_hub.done(instance).runtime_status is OrchestrationStatus.FAILED
    tested_hub.client.rewind_orchestration(instance)
    assert tested_hub.done(instance).serialized_output == '"went on: repaired"'
    told = tested_hub.client.get_orchestration_history(instance)
    assert any(isinstance(one, history.SubOrchestrationInstanceFailedEvent) for one in told)
    assert RUNS["once"] == 1


def test_nobody_takes_its_place_as_their_sub_orchestration(tested_hub: HubUnderTest) -> None:
    victim = ended(tested_hub, "complete")
    before = tested_hub.raw_state(victim)
    thief = tested_hub.done(tested_hub.start(steals, victim))
    assert thief.runtime_status is OrchestrationStatus.FAILED
    assert thief.failure_details is not None
    assert "already exists" in thief.failure_details.message
    assert tested_hub.raw_state(victim) == before


def test_its_own_parent_may_start_one_in_its_place(tested_hub: HubUnderTest) -> None:
    """An eternal orchestration may always use one ID for what it asks for."""
    done = tested_hub.done(tested_hub.start(repeats, 2))
    assert done.serialized_output == '"0"'
    assert RUNS["once"] == 3
