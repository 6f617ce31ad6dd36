"""How a request ended, over the bot's HTTP API."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

from bot.demo.access import ApiRefusedError, ApiUnreachableError, BotApi
from orchestration.domain.request import Status

HOLD: Final = 30  # seconds, one long poll
PAUSE: Final = 0.3  # seconds between two tries while the bot is away


async def ended(api: BotApi, request_id: str) -> dict[str, Any]:
    """The approval as the API gives it, once it has ended. Raises `ApiRefusedError` when the API knows no such request.

    Goes on when the bot is stopped: an accepted request is on disk, so asking again is enough.
    """
    while True:
        try:
            found = await api.get(f"/api/approvals/{request_id}", wait=HOLD)
        except ApiUnreachableError:
            await asyncio.sleep(PAUSE)
            continue
        except ApiRefusedError as refused:
            if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            await asyncio.sleep(PAUSE)
            continue
        if Status(found["status"]).ended:
            return found
