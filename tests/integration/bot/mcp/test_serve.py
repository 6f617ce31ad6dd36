"""Agents that ask by themselves, by the official client: over /mcp and over standard input and output."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.client import Client

from tests.support.api_world import ApiWorld
from tests.support.mcp import answered, mcp_over_http, mcp_over_stdio, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKED = {"policy": "deploy", "title": "Deploy 4f2c1a to production?", "description": "Rolls back in 2 minutes."}


async def test_first(api: ApiWorld) -> None:
    token = api.token("agent", "U0RITA", "request")
    async with mcp_over_http(api.url, token) as client:
        print(client.protocol_version)
        print([t.name for t in (await client.list_tools()).tools])
        print(await client.list_resources())
        r = await client.call_tool("request_approval", ASKED | {"idempotency_key": "k1"})
        print(r)
        r = await client.call_tool("wait_for_approval", {"id": answered(r)["id"], "wait_seconds": 2}, progress_callback=lambda *a: print(a) or __import__("asyncio").sleep(0))
        print(r)
    async with mcp_over_http(api.url, token, "legacy") as client:
        print(client.protocol_version)
        r = await client.call_tool("request_approval", ASKED | {"idempotency_key": "k1"})
        print(r)
        r = await client.call_tool("wait_for_approval", {"id": answered(r)["id"], "wait_seconds": 2})
    async with mcp_over_stdio(api.url, token, "auto") as client:
        print(client.protocol_version)
        r = await client.call_tool("request_approval", ASKED | {"idempotency_key": "k1"})
        print(r)
        r = await client.call_tool("wait_for_approval", {"id": answered(r)["id"], "wait_seconds": 2}, progress_callback=lambda *a: print(a) or __import__("asyncio").sleep(0))
    assert 0
