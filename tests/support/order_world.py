"""A world in which webhooks move an approved order on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from durabletask.client import OrchestrationStatus

from tests.support import PATIENCE_S
from tests.support.api_world import ApiAnswer, ApiWorld
from tests.support.receiver import Receiver
from tests.support.world import policies

PAID = {"amount": "4200.00", "currency": "USD"}


class OrderWorld(ApiWorld):
    """A world of the policy `order`, an admin's token, and an approved order."""

    def __init__(self, data: Path, erp: Receiver, *changes: tuple[str, str]) -> None:
        """`changes` are (old, new) replacements in the text of the policy."""
        super().__init__(data, sms=False)
        text = policies("order").replace("https://erp.example", erp.origin)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.write(text)
        self.erp = erp
        self.admin = self.token("admin", "U0DIRK", "admin", "read")
        self.rita = self.token("rita", "U0RITA", "request")
        self.owner = self.token("owner", "U0FIN", "request")

    async def order(self) -> str:
        """Asks for an order."""
        return await self.ask(self.rita, policy="order", title="Laptops", amount="4200", currency="USD")

    async def approve(self, request_id: str) -> None:
        [card] = self.cards_of(request_id)
        await self.person("U0ADA").click(card.channel, card.ts, "approve")
        await self.until(request_id, lambda progress: progress.status.ended)

    async def ordered(self) -> str:
        """An order that is approved and under fulfilment."""
        request_id = await self.order()
        await self.approve(request_id)
        await self.state(request_id, "Created")
        return request_id

    async def hook(self, request_id: str, event: str) -> str:
        given = {"instance_id": request_id, "event_name": event, "expires_in": "60d"}
        made = await self.call("POST", "/api/hooks", self.admin, json=given)
        assert made.status == 201, made.body
        return str(made.body["url"])

    async def send(
        self, request_id: str, event: str, payload: Any = None, delivery: str | None = None
    ) -> ApiAnswer:
        url = await self.hook(request_id, event)
        headers = {"webhook-id": delivery} if delivery else {}
        return await self.call("POST", url, json={} if payload is None else payload, headers=headers)

    async def shown_by_api(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"/api/approvals/{request_id}", self.admin)).body
        return found

    async def state(self, request_id: str, state: str) -> dict[str, Any]:
        """The fulfilment by the API, once it is in that state and all its steps are on record."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found: dict[str, Any] | None = (await self.shown_by_api(request_id))["fulfilment"]
                if found and found["state"] == state and all(step["on_record"] for step in found["steps"]):
                    return found
                await asyncio.sleep(0.05)

    async def completed(self, instance_id: str) -> None:
        """Returns once the instance has completed. Skips time up to retries that are some minutes away."""
        ending = asyncio.ensure_future(
            self.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_S * 2)
        )
        while not ending.done():
            await self.eventually(lambda: ending.done() or self.is_due_within(minutes=6))
            if not ending.done():
                await self.skip(minutes=1)
        ended = await ending
        assert ended is not None
        assert ended.runtime_status is OrchestrationStatus.COMPLETED

    async def card_says(self, request_id: str, words: str) -> None:
        await self.eventually(lambda: words in self.shown(request_id))

    async def said_in(self, channel: str) -> list[str]:
        """What is said in a channel, once anything is."""
        messages = self.workspace.messages
        await self.eventually(lambda: bool(messages.in_channel(channel)))
        return [message.text for message in messages.in_channel(channel)]
