"""Asks about calls over the HTTP API, for the gate in front of an MCP server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from bot.cli.api_client import ApiClient, ApiReply, CallRefusedError, UnreachableError, approval_path
from bot.cli.summary import YES, ending
from bot.gate.approved_arguments import approved_arguments
from bot.mcp.gate.asking import Claimed, Ended, KnownCall
from orchestration.domain.errors import CountersignError, UnknownRequestError

HOLD: Final = 30  # seconds; the length of one long poll
PAUSE: Final = 0.25  # seconds between the first two tries while the server is away; grows to `LONGEST_PAUSE`
LONGEST_PAUSE: Final = 5.0
# Seconds to reach the server for the first time. If the agent cannot ask, it learns so soon.
PATIENCE: Final = 5.0


class ApiAsking:
    """Implements `bot.mcp.gate.asking.PeopleAsking` over HTTP. Connects at the first call; `close` disconnects."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises `CountersignError` where a setting is missing or wrong."""
        self._api = ApiClient(environment)
        self._open = AsyncExitStack()
        self._is_open = False

    async def close(self) -> None:
        """Closes the connections."""
        await self._open.aclose()

    async def ask(self, call: Mapping[str, Any], *, resume: bool) -> str:
        """Asks people; returns the ID of the request. Raises `UnreachableError` after `PATIENCE` seconds."""
        asked = await self._reached("POST", "/api/calls", {**call, "resume": resume}, patience=PATIENCE)
        return str(asked.body["id"])

    async def ended(self, request_id: str) -> Ended:
        """Waits until the request has ended; returns how."""
        while True:
            found = await self._reached("GET", approval_path(request_id), wait=HOLD)
            if found.status == HTTPStatus.OK:
                return _ended(found)

    async def look(self, request_id: str) -> Ended | None:
        """How the request ended; None while it is open."""
        try:
            found = await self._reached("GET", approval_path(request_id), patience=PATIENCE)
        except CallRefusedError as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise UnknownRequestError from error
            raise
        return _ended(found) if found.status == HTTPStatus.OK else None

    async def claim(self, request_id: str, attempt: str, call: Mapping[str, Any]) -> Claimed | None:
        """Claims the approval for this attempt; None if another attempt has used it."""
        try:
            claimed = await self._reached("POST", _path(request_id, "claim"), {"attempt": attempt})
        except CallRefusedError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            if await self.known(request_id) is None:
                raise
            return None
        if claimed.body.get("attempt") != attempt:
            raise CountersignError("The server's answer is about another attempt, so the call was not made.")
        return Claimed(approved_arguments(call, claimed.body))

    async def keep(self, request_id: str, attempt: str, result: Mapping[str, Any]) -> None:
        """Stores the call's result, or, if it is too large to store, that there is one."""
        path = _path(request_id, "result")
        try:
            await self._reached("POST", path, {"attempt": attempt, "result": result})
        except CallRefusedError as error:
            if error.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise
            # The result is too large, or JSON that the server does not store. Store at least that the call ran.
            await self._reached("POST", path, {"attempt": attempt, "result": None})

    async def release(self, request_id: str, attempt: str) -> None:
        """Reports that the call was not made."""
        body = {"attempt": attempt, "result": None, "made": False}
        await self._reached("POST", _path(request_id, "result"), body)

    async def known(self, request_id: str) -> KnownCall | None:
        """What the server knows of the call; None if it was not made."""
        found = (await self._reached("GET", _path(request_id, "result"))).body
        if found["made"] == "no":
            return None
        at = datetime.fromisoformat(found["at"]) if found["at"] else None
        return KnownCall(True if found["made"] == "yes" else None, at, found["result"])

    async def _reached(
        self, method: str, path: str, body: object = None, *, wait: float = 0, patience: float | None = None
    ) -> ApiReply:
        """Makes one call. Repeats it while the server is away: for `patience` seconds, or without a limit."""
        if not self._is_open:
            self._is_open = True
            await self._open.enter_async_context(self._api)
        clock = asyncio.get_running_loop()
        until = None if patience is None else clock.time() + patience
        pause = PAUSE
        query = {"wait": f"{wait:.0f}s"} if wait else None
        while True:
            try:
                return await self._api.call(method, path, body, query=query, wait=wait)
            except UnreachableError as error:
                if until is not None and clock.time() >= until:
                    raise
                await asyncio.sleep(max(pause, min(error.retry_after, HOLD)))
                pause = min(pause * 2, LONGEST_PAUSE)


def _ended(found: ApiReply) -> Ended:
    return Ended(found.body["status"] in YES, ending(found.body))


def _path(request_id: str, what: str) -> str:
    return f"/api/calls/{quote(request_id, safe='')}/{what}"
