"""Finds messages that this app has already posted, by their metadata."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.api.codes import BLIND, NO_THREAD
from bot.slack.api.errors import as_delivery_errors, code_of
from bot.slack.api.own_account import OwnAccount

log = logging.getLogger(__name__)

Found = Mapping[str, Any]

# Messages in each page; Slack gives at most 999. The first is small, as it has what was posted a moment ago. The others
# are large, to save calls.
PAGES: Final = (200, 900, 900)


class History:
    """Searches channels and threads. A channel that the app may not read is logged once."""

    def __init__(self, client: WebClient, own: OwnAccount) -> None:
        self._client = client
        self._own = own
        self._lock = threading.Lock()
        self._blind: set[str] = set()

    def in_channel(self, channel: str, wanted: Callable[[Found], bool]) -> Found | None:
        """The app's newest `wanted` message among the newest 2,000; None also where the app may not read."""
        return next(self._in_channel(channel, wanted), None)

    def all_in_channel(self, channel: str, wanted: Callable[[Found], bool]) -> list[Found]:
        """All `wanted` messages of the app among the newest 2,000; empty also where the app may not read."""
        return list(self._in_channel(channel, wanted))

    def in_thread(self, channel: str, ts: str, wanted: Callable[[Found], bool]) -> Found | None:
        """The app's first `wanted` reply among the oldest 2,000 under a message; None also if the app may not read."""
        return next(self._in_thread(channel, ts, wanted), None)

    def all_in_thread(self, channel: str, ts: str, wanted: Callable[[Found], bool]) -> list[Found]:
        """All `wanted` replies of the app among the oldest 2,000; empty also where the app may not read."""
        return list(self._in_thread(channel, ts, wanted))

    def _in_channel(self, channel: str, wanted: Callable[[Found], bool]) -> Iterator[Found]:
        """Newest first.

        The search has no start time: the request was dated by another clock than Slack's.
        """

        def page(size: int, cursor: str | None) -> SlackResponse:
            return self._client.conversations_history(
                channel=channel, include_all_metadata=True, limit=size, cursor=cursor
            )

        return self._search(channel, page, wanted)

    def _in_thread(self, channel: str, ts: str, wanted: Callable[[Found], bool]) -> Iterator[Found]:
        """Oldest first."""

        def page(size: int, cursor: str | None) -> SlackResponse:
            return self._client.conversations_replies(
                channel=channel, ts=ts, include_all_metadata=True, limit=size, cursor=cursor
            )

        return self._search(channel, page, wanted)

    def _search(
        self, channel: str, page: Callable[[int, str | None], SlackResponse], wanted: Callable[[Found], bool]
    ) -> Iterator[Found]:
        with as_delivery_errors():
            try:
                for message in _all(page):
                    if wanted(message) and self._own.get().posted(message):
                        yield message
            except SlackApiError as error:
                if code_of(error) == NO_THREAD:
                    return
                if code_of(error) not in BLIND:
                    raise
                self._warn_blind(channel, code_of(error))

    def _warn_blind(self, channel: str, code: str) -> None:
        with self._lock:
            first = channel not in self._blind
            self._blind.add(channel)
        if first:
            log.warning(
                "cannot read the history of %s (%s), so after a crash something might be posted there twice; "
                "invite the app to the channel, and check its scopes against manifest.yml",
                channel,
                code,
            )


def _all(page: Callable[[int, str | None], SlackResponse]) -> Iterator[Found]:
    cursor: str | None = None
    for size in PAGES:
        found = page(size, cursor)
        yield from found["messages"]
        cursor = (found.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
