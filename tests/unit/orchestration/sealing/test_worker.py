"""When the hub is away, the worker logs a line without a traceback. The hub has the work done again."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.runtime.ours import OURS
from orchestration.sealing import envelope, scope
from orchestration.sealing.keys import SealKeys
from orchestration.sealing.worker import SealingWorker
from tests.support.refused_call import RefusedCall

ME = "purchase-k7m2x9qd"
PERSON = "@person@U0ADA"
ELSEWHERE = SealKeys([b"another key of thirty-two bytes!"])


def sealed(place: scope.Place, text: str) -> StringValue:
    """By another process, with a key that this one does not hold."""
    return StringValue(value=envelope.put(ELSEWHERE.seal(place, text), text))


class HubAway:
    """The stub of a hub that does not answer."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(_message: object) -> None:
            self.calls.append(name)
            raise RefusedCall(grpc.StatusCode.UNAVAILABLE, "Socket closed")

        return call


@pytest.fixture
def worker() -> SealingWorker:
    found = SealingWorker()
    found.sealing(SealKeys([b"k" * 32]), OURS)
    return found


def turn() -> pb.OrchestratorRequest:
    given = pb.ExecutionStartedEvent(name="approval", input=sealed(scope.start(ME, "approval"), "{}"))
    return pb.OrchestratorRequest(instanceId=ME, newEvents=[pb.HistoryEvent(executionStarted=given)])


def activity(given: StringValue) -> pb.ActivityRequest:
    instance = pb.OrchestrationInstance(instanceId=ME)
    return pb.ActivityRequest(name="post_card", taskId=1, orchestrationInstance=instance, input=given)


def batch() -> pb.EntityBatchRequest:
    given = sealed(scope.operation(PERSON, "set_entry"), "{}")
    return pb.EntityBatchRequest(
        instanceId=PERSON, operations=[pb.OperationRequest(operation="set_entry", input=given)]
    )


@pytest.mark.parametrize(
    ("execute", "request_", "told"),
    [
        ("_execute_orchestrator", turn(), "AbandonTaskOrchestratorWorkItem"),
        (
            "_execute_activity",
            activity(sealed(scope.task(ME, "post_card", 1), "{}")),
            "AbandonTaskActivityWorkItem",
        ),
        ("_execute_activity", activity(StringValue(value="{}")), "CompleteActivityTask"),
        ("_execute_entity_batch", batch(), "AbandonTaskEntityWorkItem"),
    ],
)
def test_what_cannot_be_given_back_is_a_line(
    worker: SealingWorker, caplog: pytest.LogCaptureFixture, execute: str, request_: Any, told: str
) -> None:
    hub = HubAway()
    getattr(worker, execute)(request_, hub, "token")
    assert hub.calls == [told]
    assert "did not hear of it, and has it done again: Socket closed" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
