"""An agent that asks people over the bot's HTTP API, with a token, and waits for the answer."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import Any, Final

from bot.demo.access import BotApi
from bot.demo.scenarios.ending import HOLD, ended
from bot.demo.scenarios.script import AskByApi, CallByApi
from bot.records.entries import unchecked_claims
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Status

AGENT: Final = "support-agent"


class Agent:
    """Asks once, and waits in the background. `said` has a line for each call with its answer."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._waiting: asyncio.Task[str] | None = None
        self.said: list[str] = []

    async def act(self, act: AskByApi | CallByApi) -> None:
        """Asks for an approval, or about a call. Raises `CountersignError` when the API does not take it."""
        await (self.ask(act) if isinstance(act, AskByApi) else self.call(act))

    async def ask(self, ask: AskByApi) -> None:
        """Asks. Raises `CountersignError` when the API refuses or cannot be reached."""
        body = ask.model_dump(exclude={"act"}, exclude_none=True)
        started = await self._api.post("/api/approvals", body, key=str(uuid.uuid4()))
        self.said += [
            f"POST /api/approvals → 202 {started['id']}",
            f"GET /api/approvals/{started['id']}?wait={HOLD}s",
        ]
        self._waiting = asyncio.create_task(self._wait(started["id"]))

    async def call(self, call: CallByApi) -> None:
        """Asks about a call of a tool, and claims it once it is approved. Raises as `ask` does."""
        body = {**call.model_dump(exclude={"act"}), "agent": AGENT, "accepts_edits": True}
        asked = await self._api.post("/api/calls", body)
        self.said += [
            f"POST /api/calls {_short(call.arguments)} → 202 {asked['id']}",
            f"GET /api/approvals/{asked['id']}?wait={HOLD}s",
        ]
        self._waiting = asyncio.create_task(self._wait_and_claim(asked["id"]))

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

    async def _wait_and_claim(self, request_id: str) -> str:
        found = await ended(self._api, request_id)
        outcome = found["outcome"]
        self.said[-1] += f" → 200 {found['status']}"
        if Status(found["status"]).is_yes:
            made = await self._api.post(f"/api/calls/{request_id}/claim", {"attempt": uuid.uuid4().hex})
            what = "changed by people: " if made["edited"] else ""
            self.said.append(f"POST /api/calls/{request_id}/claim → 200, {what}{_short(made['arguments'])}")
        claims = unchecked_claims(outcome["receipt"] or "")
        if "asked_digest" in claims:
            self.said.append(f"receipt: asked_digest {claims['asked_digest']}, digest {claims['digest']}")
        return str(found["status"])

    async def leave(self) -> None:
        """Stops waiting; the request stays."""
        if self._waiting is not None:
            self._waiting.cancel()
            # `answer` raised the error to whoever waited for it.
            with suppress(asyncio.CancelledError, CountersignError):
                await self._waiting


def _short(arguments: dict[str, Any]) -> str:
    return " ".join(str(value) for value in arguments.values())


def _receipt(approval: dict[str, Any]) -> str:
    receipt = (approval["outcome"] or {}).get("receipt")
    return f"receipt {receipt[:12]}…" if receipt else "no receipt"
