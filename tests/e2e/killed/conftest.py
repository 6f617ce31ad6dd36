"""One process of the bot for all of these tests: each kills it, and the next goes on with what it left."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.killed_bot import KilledBot
from tests.support.mail_server import MailServer
from tests.support.receiver import receiver
from tests.support.recipes import recipe
from tests.support.world import policies

SPEND = """
[policies.spend]
title = "Spend"
channel = "C0ACCESS"
currency = "USD"
auto_approve_below = 1000
notify = "digest"
[[policies.spend.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "2d"
"""
# Each state but one tells the other system.
TELLS = '\non_enter = [{ post = "https://erp.example/STATE" }]\nevents = [{ name = "NEXT"'


def told(text: str, state: str, event: str) -> str:
    plain = f'\nevents = [{{ name = "{event}"'
    assert plain in text
    return text.replace(plain, TELLS.replace("STATE", state).replace("NEXT", event))


def book(origin: str) -> str:
    """The policies of an order, of expenses and of what goes into a digest, with the system at this address."""
    order = told(told(policies("order"), "paid", "Shipped"), "shipped", "Delivered")
    expenses = recipe("expenses").replace("C0EXPENSES", "C0DEPLOYS").replace("https://pay.example", origin)
    return order.replace("https://erp.example", origin) + SPEND + expenses


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KilledBot]:
    place: Path = tmp_path_factory.mktemp("killed")
    with MailServer(place) as mail:
        async with receiver() as system, KilledBot(place, book(system.origin), system, mail) as found:
            yield found


Killing = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def killing(bot: KilledBot) -> Killing:
    """Does some things at once, and kills the bot at a moment of chance while they are under way."""
    seed = os.environ.get("COUNTERSIGN_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"COUNTERSIGN_SEED={seed}")  # noqa: T201 - pytest shows it where the test fails
    chance = random.Random(seed)

    async def kill_during(*doing: Awaitable[Any]) -> list[Any]:
        under_way = asyncio.gather(*doing)
        await asyncio.sleep(chance.uniform(0.0, 0.06))
        await bot.killed()
        return await asyncio.wait_for(under_way, 30)

    return kill_during
