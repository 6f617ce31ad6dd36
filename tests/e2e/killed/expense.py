"""An expense report: asked, approved by its manager, and paid, each of it under way at one of the kills."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.api_world import ApiAnswer
from tests.support.process_world import ProcessWorld

RECEIPT = "https://files.example/receipt-1.pdf"


class PaidExpense:
    """Above the limit, so that finance is asked too. The program asks, and the managers decide, until answered."""

    def __init__(self, bot: ProcessWorld) -> None:
        self._bot = bot
        self._app = bot.token("U0RITA", "request", "read")
        self._managers = [bot.token(who, "read", "decide:expense") for who in ("U0ADA", "U0FAY")]
        self._finance = bot.token("U0FIN", "read", "decide:expense")
        self.request_id = ""
        self._asking: asyncio.Future[ApiAnswer] | None = None

    async def _ask(self) -> ApiAnswer:
        given = {
            "policy": "expense",
            "title": "Taxi",
            "amount": "500.01",
            "fields": {"receipt": RECEIPT},
        }
        key = {"Idempotency-Key": "report-1"}
        return await self._bot.insist("POST", "/api/approvals", self._app, json=given, headers=key)

    async def begin(self) -> None:
        self._asking = asyncio.ensure_future(self._ask())

    async def prepare(self) -> None:
        assert self._asking is not None
        self.request_id = (await self._asking).body["id"]
        assert (await self._ask()).body["id"] == self.request_id
        await self._bot.eventually(lambda: len(self._bot.cards(self.request_id)) == 1)

    async def go_on(self) -> None:
        """Two managers at once: one of them decides the level."""
        await asyncio.gather(*(self._bot.decide(one, self.request_id, round=1) for one in self._managers))

    async def finish(self) -> None:
        await self._bot.eventually(lambda: len(self._bot.cards(self.request_id)) == 2)
        await self._bot.decide(self._finance, self.request_id, round=2)
        await self._bot.eventually(lambda: "/payments" in self._bot.system.paths)

    async def found(self) -> dict[str, Any]:
        """The request by the API."""
        return await self._bot.shown(self._app, self.request_id)
