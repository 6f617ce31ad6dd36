"""What goes into a digest, asked while the bot is killed twice; and its message, under way at the third kill."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.support import PATIENCE_S
from tests.support.api_world import ApiAnswer
from tests.support.process_world import ProcessWorld

CHANNEL = "C0ACCESS"
EARLY, LATE = (1, 2, 4), (8, 16, 32)  # amounts, whose sum says which of them are in it
HEADING = "approved by rule since"


class HourlyDigest:
    """A program asks until it is answered, each request with a key of its own."""

    def __init__(self, bot: ProcessWorld) -> None:
        self._bot = bot
        self._app, self._reader = bot.token("U0RITA", "request"), bot.token("U0RITA", "read")
        self._early: asyncio.Future[list[ApiAnswer]] | None = None

    async def spend(self, amount: int) -> ApiAnswer:
        given = {"policy": "spend", "title": f"Thing {amount}", "amount": str(amount)}
        key = {"Idempotency-Key": f"thing-{amount}"}
        return await self._bot.insist("POST", "/api/approvals", self._app, json=given, headers=key)

    async def begin(self) -> None:
        self._early = asyncio.gather(*map(self.spend, EARLY))

    async def prepare(self) -> None:
        assert self._early is not None
        await self._early

    async def go_on(self) -> None:
        await asyncio.gather(*map(self.spend, LATE))

    async def finish(self) -> None:
        """The message is posted, but its answer is held back."""
        while await self.held() < len(EARLY + LATE):
            await self._bot.eventually(lambda: True)
        self._bot.slack.hold("/api/chat.postMessage", HEADING)
        await self._bot.skip(timedelta(hours=1))
        await asyncio.wait_for(self._bot.slack.held.wait(), PATIENCE_S)

    async def held(self) -> int:
        """How many the next message counts so far."""
        answer = await self._bot.insist("GET", "/api/digests", self._reader)
        return sum(one["held"] for one in answer.body["digests"])

    async def standing(self) -> list[bool]:
        """Of each listener, whether its message is still under way."""
        answer = await self._bot.insist("GET", "/api/digests", self._reader)
        return [one["sending"] for one in answer.body["digests"]]
