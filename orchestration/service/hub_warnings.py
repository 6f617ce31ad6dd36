"""Asks the hub what its operators should know: of its clock, and of what it is going to delete."""

from __future__ import annotations

import json
from typing import Any

import grpc
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.hub import WARNINGS
from orchestration.service.calls import within_budget


async def hub_warnings(client: AsyncTaskHubGrpcClient) -> list[str]:
    """Sentences for operators. Empty mostly, and where the hub is not ours (the scheduler) or does not answer.

    Raises `HubSilentError`.
    """
    channel: Any = client._channel  # noqa: SLF001 - a channel of our own would need the same credentials
    try:
        call = channel.unary_unary(WARNINGS)
        return [str(warning) for warning in json.loads(await within_budget(call(b"", wait_for_ready=False)))]
    except grpc.RpcError:
        return []
