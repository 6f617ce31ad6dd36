"""Our client shows an answer as that of the instance it asked about, whatever ID the hub gives."""

from __future__ import annotations

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.runtime.ours import OURS
from orchestration.sealing import envelope, scope
from orchestration.sealing.client import SealingInterceptor
from orchestration.sealing.keys import SealKeys

KEYS = SealKeys([b"k" * 32])
CLIENT = SealingInterceptor(KEYS, OURS)


def sealed(place: scope.Place, text: str) -> StringValue:
    return StringValue(value=envelope.put(KEYS.seal(place, text), text))


def state_of(instance_id: str) -> pb.OrchestrationState:
    return pb.OrchestrationState(
        instanceId=instance_id,
        name="approval",
        orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED,
        input=sealed(scope.start(instance_id, "approval"), '{"request":{}}'),
        customStatus=sealed(scope.status(instance_id, "approval"), '{"status":"approved"}'),
        output=sealed(scope.output(instance_id, "approval"), '{"status":"approved"}'),
    )


@pytest.mark.parametrize("said", ["asked", "other"])
def test_an_instance_is_shown_as_the_one_that_was_asked_about(said: str) -> None:
    """The hub answers with another request, which was approved, and may say its name or ours."""
    for stored in ("asked", "other"):
        state = state_of(stored)
        state.instanceId = said
        answer = pb.GetInstanceResponse(exists=True, orchestrationState=state)
        CLIENT._open(answer, pb.GetInstanceRequest(instanceId="asked"))
        shown = [
            getattr(answer.orchestrationState, name).value for name in ("input", "customStatus", "output")
        ]
        assert any(shown) is all(shown) is (stored == "asked")


@pytest.mark.parametrize(
    ("output", "shown"), [('{"status":"approved"}', False), ('"enough"', True), ("", False)]
)
def test_who_stops_a_request_gives_a_reason_and_no_outcome(output: str, shown: bool) -> None:
    state = state_of("asked")
    state.orchestrationStatus = pb.ORCHESTRATION_STATUS_TERMINATED
    state.output.value = output
    answer = pb.GetInstanceResponse(exists=True, orchestrationState=state)
    CLIENT._open(answer, pb.GetInstanceRequest(instanceId="asked"))
    assert answer.orchestrationState.HasField("output") is shown


def test_an_entity_is_shown_as_the_one_that_was_asked_about() -> None:
    for stored in ("@person@U0ADA", "@person@U0MAL", "@person@u0ada"):
        entity = pb.EntityMetadata(
            instanceId="@person@U0ADA", serializedState=sealed(scope.state(stored), '{"waits":{}}')
        )
        for said in (stored, "@person@U0ADA"):
            entity.instanceId = said
            answer = pb.GetEntityResponse(exists=True, entity=entity)
            CLIENT._open(answer, pb.GetEntityRequest(instanceId="@person@U0ADA"))
            assert answer.entity.HasField("serializedState") is (stored == "@person@U0ADA")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"request":{}}', True),
        ('{"request":{},"policy":{}}', False),
        ('{"request":{},"request":{},"nonce":"x"}', False),
        ('{"policy":{}}', False),
        ("{}", False),
        ('[{"request":{}}]', False),
        ('{"request":{}', False),
        ('\ufeff{"request":{},"state":{}}', False),
        ('{"$seal":"","request":{}}', False),
        ("[" * 100_000, False),
    ],
)
def test_an_input_without_a_seal_is_shown_where_it_is_a_request_and_nothing_else(
    text: str, shown: bool
) -> None:
    state = pb.OrchestrationState(name="approval", input=StringValue(value=text))
    answer = pb.GetInstanceResponse(exists=True, orchestrationState=state)
    CLIENT._open(answer, pb.GetInstanceRequest(instanceId="x"))
    assert answer.orchestrationState.HasField("input") is shown
