"""Which user groups a person is in, for what is shown and said beforehand. Who decides is looked up when it counts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import SLACK_FAILURES, code_of

log = logging.getLogger(__name__)

FRESH_FOR: Final = 60.0  # seconds; a decision's own look-up is at most as old
PATIENCE: Final = 1.0  # seconds; a form has to be open within three
AGAIN: Final = 10.0  # seconds after an answer that did not come


@dataclass(frozen=True)
class _Known:
    at: float = float("-inf")
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class Groups:
    """One call for all groups of the workspace, a minute apart at most. For one event loop."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known = _Known()
        self._next_look = float("-inf")
        self._turn = asyncio.Lock()

    async def of(self, person: str) -> frozenset[str] | None:
        """The IDs of their groups; None where Slack does not say so now, or is not allowed to."""
        known = await self._fresh()
        if known is None:
            return None
        return frozenset(group for group, people in known.members.items() if person in people)

    async def names(self) -> Mapping[str, str]:
        """Group ID to its name, as far as known."""
        await self._fresh()
        return self._known.names

    async def _fresh(self) -> _Known | None:
        async with self._turn:
            if time.monotonic() >= self._next_look:
                await self._look()
            return self._known if time.monotonic() - self._known.at < FRESH_FOR else None

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._client.usergroups_list(include_users=True)
        except (*SLACK_FAILURES, TimeoutError) as error:
            self._next_look = time.monotonic() + AGAIN
            log.warning("the user groups cannot be read: %s", code_of(error) or error)
            return
        self._next_look = time.monotonic() + FRESH_FOR
        groups = found["usergroups"]
        self._known = _Known(
            at=time.monotonic(),
            members={str(group["id"]): frozenset(group.get("users") or ()) for group in groups},
            names={str(group["id"]): str(group.get("name") or group["id"]) for group in groups},
        )
