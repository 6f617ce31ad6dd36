"""Other systems that report what happened to an order, each at an address that was made for it, and without a token."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus
from typing import Any

import aiohttp

from bot.demo.access import ANSWER_TIMEOUT, ApiRefusedError, ApiUnreachableError, BotApi
from bot.demo.scenarios.script import ReportEvent


class OtherSystems:
    """A report that is the same as an earlier one has the same ID. `said` has a line for each with its answer."""

    def __init__(self, operator: BotApi) -> None:
        """`operator` is the API with the token that makes the addresses."""
        self._operator = operator
        self._deliveries: dict[str, str] = {}
        self.said: list[str] = []

    async def report(self, request_id: str, report: ReportEvent) -> None:
        """Reports it. Raises `CountersignError` when it is refused or the bot cannot be reached."""
        asked = {"instance_id": request_id, "event_name": report.event}
        made = await self._operator.post("/api/hooks", asked)
        same = json.dumps([request_id, report.event, report.payload], sort_keys=True)
        delivery = self._deliveries.setdefault(same, f"msg_{uuid.uuid4().hex[:12]}")
        status, found = await self._send(str(made["url"]), report.payload, delivery)
        if status >= HTTPStatus.BAD_REQUEST:
            raise ApiRefusedError(found.get("detail") or found["title"], status)
        became = found.get("reason", "on disk")
        self.said.append(
            f"POST /hooks/{request_id}/{report.event} webhook-id: {delivery} → {status} {became}"
        )

    @staticmethod
    async def _send(url: str, payload: dict[str, Any], delivery: str) -> tuple[int, dict[str, Any]]:
        limit = aiohttp.ClientTimeout(ANSWER_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as http,
                http.post(url, json=payload, headers={"webhook-id": delivery}) as answer,
            ):
                body = await answer.read()
                return answer.status, json.loads(body) if body else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiUnreachableError from error
