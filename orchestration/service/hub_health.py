"""Asks the hub for its health: whether it can record, its clock, and what it will delete."""

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
    """`problem` is a sentence that says why the hub records nothing now; `warnings` are for operators."""

    problem: str | None = None
    warnings: list[str] = field(default_factory=list)


async def hub_health(client: AsyncTaskHubGrpcClient) -> HubHealth:
    """The hub's health: empty if all is well, or if the hub is not ours (the scheduler) or does not answer.

    Raises `HubSilentError`.
    """
    channel: Any = client._channel  # noqa: SLF001 - a channel of our own would need the same credentials
    try:
        call = channel.unary_unary(HEALTH)
        said = json.loads(await within_budget(call(b"", wait_for_ready=False)))
    except grpc.RpcError:
        return HubHealth()
    return HubHealth(said["problem"], list(said["warnings"]))
