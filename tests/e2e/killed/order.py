"""An order: its first action is under way at the first kill, its events at the second, its last ones at the third."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.api_world import ApiAnswer
from tests.support.order_world import PAID
from tests.support.process_world import ProcessWorld

EVENTS: dict[str, Any] = {
    "PaymentReceived": PAID,
    "Shipped": {"parcel": 7},
    "Delivered": {"by": "Sam"},
}


class FulfilledOrder:
    """Systems send each event twice, and repeat it until it is answered."""

    def __init__(self, bot: ProcessWorld) -> None:
        self._bot = bot
        self._rita, self._ada = bot.token("U0RITA", "request"), bot.token("U0ADA", "read", "decide:order")
        self._admin = bot.token("U0DIRK", "admin", "read")
        self._hooks: dict[str, str] = {}
        self._last: asyncio.Task[list[ApiAnswer]] | None = None
        self.request_id = ""
        self.answers: list[ApiAnswer] = []

    async def begin(self) -> None:
        given = {"policy": "order", "title": "Laptops", "amount": "4200", "currency": "USD"}
        self.request_id = await self._bot.ask(self._rita, **given)
        for event in EVENTS:
            asked = {"instance_id": self.request_id, "event_name": event}
            made = await self._bot.call("POST", "/api/hooks", self._admin, json=asked)
            self._hooks[event] = made.body["url"]
        await self._bot.decide(self._ada, self.request_id)
        await self._bot.eventually(lambda: "/orders" in self._bot.system.paths)

    async def prepare(self) -> None:
        """Nothing: what was approved goes on by itself."""

    async def go_on(self) -> None:
        """The second one comes first."""
        self.answers += await self._sent("Shipped", "PaymentReceived", "PaymentReceived", "Shipped")

    async def finish(self) -> None:
        self._last = asyncio.create_task(self._sent("Delivered", "Delivered"))

    async def last_answers(self) -> list[ApiAnswer]:
        assert self._last is not None
        return await self._last

    async def found(self) -> dict[str, Any]:
        """The fulfilment after the approval, by the API."""
        seen: dict[str, Any] = (await self._bot.shown(self._admin, self.request_id))["fulfilment"]
        return seen

    async def _sent(self, *events: str) -> list[ApiAnswer]:
        return await asyncio.gather(*map(self._send, events))

    async def _send(self, event: str) -> ApiAnswer:
        delivery = {"webhook-id": f"delivery of {event}".replace(" ", "-")}
        return await self._bot.insist("POST", self._hooks[event], json=EVENTS[event], headers=delivery)
