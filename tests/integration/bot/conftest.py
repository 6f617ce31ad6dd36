"""Worlds for tests of the whole bot: by Slack's requests, by a WebSocket, and through the scheduler's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.api_world import ApiWorld
from tests.support.foreign import FOREIGN
from tests.support.hub_forms import HubForm, running_on
from tests.support.world import World, policies


@pytest.fixture(params=["http", "socket mode", "scheduler"])
async def any_world(
    request: pytest.FixtureRequest, hub_form: HubForm, tmp_path: Path
) -> AsyncIterator[World]:
    """Once as Slack calls us, once as we call Slack, and once through the scheduler's client and worker over TCP."""
    with running_on(HubForm.SCHEDULER if request.param == "scheduler" else hub_form):
        async with World(tmp_path, policies("bot"), socket_mode=request.param == "socket mode") as found:
            yield found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, policies("bot")) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiWorld]:
    """One API for all tests that neither count its requests nor skip its time.

    Its worker also runs orchestrations of other programs.
    """
    async with ApiWorld(tmp_path_factory.mktemp("api"), *FOREIGN) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def own_api(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with ApiWorld(tmp_path) as found:
        yield found
