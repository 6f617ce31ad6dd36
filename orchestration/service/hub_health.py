"""Asks the hub what its operators should know: whether it can record, its clock, what it is going to delete."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import grpc
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.hub import HEALTH
from orchestration.service.calls import within_budget


@dataclass(frozen=True)
class HubHealth:
    """`problem` is a sentence that says why the hub records nothing now, `warnings` what else operators should know."""

    problem: str | None = None
    warnings: list[str] = field(default_factory=list)


async def hub_health(client: AsyncTaskHubGrpcClient) -> HubHealth:
    """Nothing to say mostly, and where the hub is not ours (the scheduler) or does not answer.

    Raises `HubSilentError`.
    """
    channel: Any = client._channel  # noqa: SLF001 - a channel of our own would need the same credentials
    try:
        call = channel.unary_unary(HEALTH)
        said = json.loads(await within_budget(call(b"", wait_for_ready=False)))
    except grpc.RpcError:
        return HubHealth()
    return HubHealth(said["problem"], list(said["warnings"]))
