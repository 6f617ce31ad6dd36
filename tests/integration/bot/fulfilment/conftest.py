"""A world of its own for each test: they skip time and stop the bot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.order_world import OrderWorld
from tests.support.receiver import Receiver, receiver


@pytest.fixture
async def erp() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
async def orders(tmp_path: Path, erp: Receiver) -> AsyncIterator[OrderWorld]:
    async with OrderWorld(tmp_path, erp) as found:
        yield found
