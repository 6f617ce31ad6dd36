"""Worlds for what people do in Slack."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.world import World, policies

SETTINGS = {"COUNTERSIGN_PUBLIC_URL": "https://approvals.example", "COUNTERSIGN_SECRET": "s" * 32}


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Over HTTP; over a WebSocket too, for a test that is parametrized by it: `["http", "socket mode"]`."""
    socket_mode = getattr(request, "param", "http") == "socket mode"
    async with World(tmp_path, policies("slack"), socket_mode=socket_mode, settings=SETTINGS) as found:
        yield found
