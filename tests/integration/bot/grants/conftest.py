"""A world with an agent and a policy with grants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.granting import GrantWorld


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def grants(tmp_path_factory: object) -> AsyncIterator[GrantWorld]:
    """One for all tests that neither skip its time nor change its policies."""
    async with GrantWorld(tmp_path_factory.mktemp("grants")) as found:  # type: ignore[attr-defined]
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def own_grants(tmp_path: Path) -> AsyncIterator[GrantWorld]:
    async with GrantWorld(tmp_path) as found:
        yield found
