"""Looks up the names of people, groups and public channels, for a page that Slack does not render."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import SLACK_FAILURES, code_of
from bot.slack.api.groups import Groups
from bot.slack.ids import is_channel, is_group, is_person

log = logging.getLogger(__name__)

KNOWN_FOR: Final = 3600.0  # seconds for which a name is kept
UNKNOWN_FOR: Final = 60.0  # seconds until an ID that Slack did not name is looked up again
KEPT: Final = 5000
PATIENCE: Final = 1.5  # seconds for all of a page's names; the page shows IDs for those that come later
AT_ONCE: Final = 5
ASKED_FOR: Final = 40  # people and channels, for one page


class Names:
    """A cache over `users.info` and `conversations.info`, for one event loop. Never raises.

    It has no names of private channels: the reader of the page may not be allowed to know that they exist.
    """

    def __init__(self, client: AsyncWebClient, groups: Groups, *, patience: float = PATIENCE) -> None:
        self._client = client
        self._groups = groups
        self._patience = patience
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def of(self, principals: Sequence[str]) -> dict[str, str]:
        """The known names, by ID. Looks up at most the first `ASKED_FOR` of those that it does not know."""
        single = [who for who in dict.fromkeys(principals) if is_person(who) or is_channel(who)]
        missing = [who for who in single if not self._is_known(who)][:ASKED_FOR]
        tasks = [asyncio.create_task(self._look_all(missing[at::AT_ONCE])) for at in range(AT_ONCE)]
        if any(map(is_group, principals)):
            tasks.append(asyncio.create_task(self._look_at_groups()))
        _, late = await asyncio.wait(tasks, timeout=self._patience)
        for task in late:
            task.cancel()
        names = {who: self._known[who][1] for who in principals if who in self._known}
        return {who: name for who, name in names.items() if name}

    def _is_known(self, who: str) -> bool:
        return time.monotonic() < self._known.get(who, (0.0, None))[0]

    async def _look_all(self, single: Collection[str]) -> None:
        for who in single:
            try:
                self._keep(who, await self._name(who), KNOWN_FOR)
            except (*SLACK_FAILURES, TimeoutError) as error:
                log.info("%s is not named: %s", who, code_of(error) or error)
                self._keep(who, self._known.get(who, (0.0, None))[1], UNKNOWN_FOR)

    async def _name(self, who: str) -> str | None:
        if is_channel(who):
            channel = (await self._client.conversations_info(channel=who))["channel"]
            return str(channel.get("name") or "") or None if _is_public(channel) else None
        user = (await self._client.users_info(user=who))["user"]
        return str(user.get("real_name") or user.get("name") or "") or None

    async def _look_at_groups(self) -> None:
        for group, name in (await self._groups.names()).items():
            self._keep(group, name, KNOWN_FOR)

    def _keep(self, who: str, name: str | None, seconds: float) -> None:
        self._known[who] = (time.monotonic() + seconds, name)
        self._known.move_to_end(who)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)


def _is_public(channel: Mapping[str, Any]) -> bool:
    return bool(channel.get("is_channel")) and channel.get("is_private") is False
