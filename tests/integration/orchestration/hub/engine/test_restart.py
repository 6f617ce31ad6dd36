"""A restart under the same ID, while what the old run had started still runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import task

from orchestration.hub import Hub
from tests.support.hubs import HubUnderTest, eventually, refused, sound


def child(ctx: task.OrchestrationContext, number: int) -> Any:
    yield ctx.wait_for_external_event("go")
    return number


def parent(ctx: task.OrchestrationContext, number: int) -> Any:
    """Starts six, and ends when it is told to, whatever has become of them."""
    for one in range(number):
        ctx.call_sub_orchestrator(child, input=one, instance_id=f"child-{one}")
    yield ctx.wait_for_external_event("end")
    return number


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[HubUnderTest]:
    with Hub(tmp_path / "hub.db") as hub:
        found = HubUnderTest(hub.address)
        found.work(parent, child)
        yield found
        found.close()
    sound(tmp_path / "hub.db")


def test_what_it_started_has_to_end_first(ours: HubUnderTest) -> None:
    ours.start(parent, 6, instance_id="one")
    eventually(lambda: all(ours.client.get_orchestration_state(f"child-{one}") for one in range(6)))
    ours.client.raise_orchestration_event("one", "end")
    ours.done("one")

    def again() -> None:
        ours.client.restart_orchestration("one")

    assert refused(again) is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.RpcError) as said:
        again()
    assert "'child-0', 'child-1', 'child-2', 'child-3', 'child-4' and 1 more" in str(said.value)
    assert ours.done("one").serialized_output == "6"
    assert ours.client.restart_orchestration("one", restart_with_new_instance_id=True) != "one"

    for one in range(6):
        ours.client.terminate_orchestration(f"child-{one}")
    ours.client.restart_orchestration("one")
    ours.client.raise_orchestration_event("one", "end")
    assert ours.done("one").serialized_output == "6"
