"""The official client of the Model Context Protocol, over HTTP and over the pipes of a process."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent


@asynccontextmanager
async def mcp_over_http(url: str, token: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A client of /mcp. `mode`: see the SDK's `ConnectMode`."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http, terminate_on_close=False)
        async with Client(transport, mode=mode, raise_exceptions=True) as client:
            yield client


@asynccontextmanager
async def mcp_over_stdio(url: str, token: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A client of `countersign mcp serve`, in a process of its own."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "bot", "mcp", "serve"],
        env={"PATH": os.environ["PATH"], "COUNTERSIGN_URL": url, "COUNTERSIGN_TOKEN": token},
    )
    async with Client(stdio_client(server), mode=mode, raise_exceptions=True) as client:
        yield client


def said(result: CallToolResult) -> str:
    """The text of a tool's result."""
    [first, *_] = result.content
    assert isinstance(first, TextContent)
    return first.text


def answered(result: CallToolResult) -> dict[str, Any]:
    """The structured result of a tool. Fails where it is an error."""
    assert not result.is_error, said(result)
    found: dict[str, Any] = result.structured_content
    return found
