"""Another user of the machine, who attacks a hub: `python -m tests.support.stranger ADDRESS [HEADER …]`.

Run as root. It imports what it needs, becomes `nobody`, and calls the hub at ADDRESS: without an `authorization`, and
with each HEADER as one. For each of these it prints a line: a JSON object with the gRPC status of each attempt.
"""

import json
import os
import sys
from typing import Any

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as stubs
from google.protobuf import message_factory

NOBODY = 65534
VICTIM = "victim"


def become_nobody() -> None:
    """Give up root, for good."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def attempts(channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The gRPC status of each attack, and of a bare call of every method."""
    stub = stubs.TaskHubSidecarServiceStub(channel)
    vote = pb.RaiseEventRequest(instanceId=VICTIM, name="ApprovalDecision")
    vote.input.value = '{"actor": "U0BOSS", "decision": "approve"}'
    start = pb.CreateInstanceRequest(instanceId="forged", name="approval")
    start.input.value = '{"state": {"status": "approved"}}'
    answer = pb.ActivityResponse(instanceId=VICTIM, taskId=1, completionToken="1")
    answer.result.value = "true"
    out = {
        "forge a vote": (stub.RaiseEvent, vote),
        "start with a state": (stub.StartInstance, start),
        "signal an entity": (stub.SignalEntity, pb.SignalEntityRequest(instanceId="@person@U1", name="away")),
        "answer as a worker": (stub.CompleteActivityTask, answer),
        "end an instance": (stub.TerminateInstance, pb.TerminateRequest(instanceId=VICTIM)),
    }
    found = {}
    for what, (call, request) in out.items():
        found[what] = ended(call.future(request, metadata=metadata, timeout=10))
    work = stub.GetWorkItems(pb.GetWorkItemsRequest(), metadata=metadata, timeout=10)
    found["take work"] = streamed(work)
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
    paths = {
        f"/{described.full_name}/{method.name}": message_factory.GetMessageClass(method.input_type)()
        for method in described.methods
    }
    for path, message in paths.items():
        bare: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
        found[path] = streamed(bare(message.SerializeToString(), metadata=metadata, timeout=10))
    for path in (
        "/countersign.Clock/Now",
        "/countersign.Clock/Advance",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/No/Such",
        "",
    ):
        bare = channel.unary_stream(path)
        found[path] = streamed(bare(b"{}", metadata=metadata, timeout=10))
    return found


def ended(call: Any) -> str:
    """The status of a call with one answer."""
    error = call.exception()
    return "OK" if error is None else str(error.code().name)


def streamed(call: Any) -> str:
    """The status of a call with many answers; "OK" as soon as one came."""
    try:
        next(iter(call), None)
    except grpc.RpcError:
        return str(call.code().name)
    call.cancel()
    return "OK"


if __name__ == "__main__":
    become_nobody()
    with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as opened:
        for sent in ((), *((("authorization", header),) for header in sys.argv[2:])):
            sys.stdout.write(json.dumps(attempts(opened, sent)) + "\n")
