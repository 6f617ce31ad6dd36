"""Which user groups a person is in, for display and early checks. A decision makes its own look-up."""

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

FRESH_FOR: Final = 60.0  # seconds; the look-up of a decision is at most as old
PATIENCE: Final = 1.0  # seconds; a form has to be open within three
AGAIN: Final = 10.0  # seconds until the next try after a failure


@dataclass(frozen=True)
class _Known:
    at: float = float("-inf")
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class Groups:
    """A cache of all groups of the workspace, read by one call at most once a minute. For one event loop."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known = _Known()
        self._next_look = float("-inf")
        self._turn = asyncio.Lock()

    async def of(self, person: str) -> frozenset[str] | None:
        """The IDs of the person's groups; None where Slack does not answer, or the app lacks the scope."""
        known = await self._fresh()
        if known is None:
            return None
        return frozenset(group for group, people in known.members.items() if person in people)

    async def names(self) -> Mapping[str, str]:
        """The names of the known groups, by group ID."""
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
