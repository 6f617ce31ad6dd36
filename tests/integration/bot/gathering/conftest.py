"""A workspace with the bot, whose policies gather; and a system of somebody else that is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gathering import GatheringWorld
from tests.support.receiver import Receiver, receiver


@pytest.fixture
async def scanner() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
async def world(tmp_path: Path, scanner: Receiver) -> AsyncIterator[GatheringWorld]:
    async with GatheringWorld(tmp_path / "data", scanner) as found:
        yield found
