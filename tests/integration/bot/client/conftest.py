"""A running bot for programs that import `bot.client`, with the policy of the guide."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.api_world import ApiWorld
from tests.support.world import policies


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiWorld]:
    """One API for all tests: no two tests ask about the same call."""
    found = ApiWorld(tmp_path_factory.mktemp("countersign") / "data", sms=False)
    found.write(policies("api"))
    async with found:
        yield found


@pytest.fixture(autouse=True)
def program(api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the program: it has the address and a token that may ask."""
    monkeypatch.setenv("COUNTERSIGN_URL", api.url)
    monkeypatch.setenv("COUNTERSIGN_TOKEN", api.token("program", "U0RITA", "request"))
