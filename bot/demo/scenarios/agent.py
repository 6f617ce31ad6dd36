"""An agent that asks people over the bot's HTTP API, with a token, and waits for the answer."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import Any

from bot.demo.access import BotApi
from bot.demo.scenarios.ending import HOLD, ended
from bot.demo.scenarios.script import AskByApi
from orchestration.domain.errors import CountersignError


class Agent:
    """Asks once, and waits in the background. `said` has a line for each call with its answer."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._waiting: asyncio.Task[str] | None = None
        self.said: list[str] = []

    async def ask(self, ask: AskByApi) -> None:
        """Asks. Raises `CountersignError` when the API refuses or cannot be reached."""
        body = ask.model_dump(exclude={"act"}, exclude_none=True)
        started = await self._api.post("/api/approvals", body, key=str(uuid.uuid4()))
        self.said += [
            f"POST /api/approvals → 202 {started['id']}",
            f"GET /api/approvals/{started['id']}?wait={HOLD}s",
        ]
        self._waiting = asyncio.create_task(self._wait(started["id"]))

    @property
    def answered(self) -> str | None:
        """The status that the request ended with; None while it waits, or when waiting failed."""
        done = self._waiting is not None and self._waiting.done() and not self._waiting.exception()
        return self._waiting.result() if self._waiting and done else None

    async def answer(self) -> str:
        """The status that the request ended with, once it has."""
        if self._waiting is None:
            # Nothing was asked, so no answer will ever come. The caller has a time limit.
            return await asyncio.Future()
        return await asyncio.shield(self._waiting)

    async def _wait(self, request_id: str) -> str:
        found = await ended(self._api, request_id)
        self.said[-1] += f" → 200 {found['status']}, {_receipt(found)}"
        return str(found["status"])

    async def leave(self) -> None:
        """Stops waiting; the request stays."""
        if self._waiting is not None:
            self._waiting.cancel()
            # `answer` raised the error to whoever waited for it.
            with suppress(asyncio.CancelledError, CountersignError):
                await self._waiting


def _receipt(approval: dict[str, Any]) -> str:
    receipt = (approval["outcome"] or {}).get("receipt")
    return f"receipt {receipt[:12]}…" if receipt else "no receipt"
