"""Posts as the app, each channel in its turn. Sync: activities run on worker threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.api.codes import GONE
from bot.slack.api.edit_turns import EditRank, EditTurns
from bot.slack.api.errors import as_delivery_errors, code_of
from bot.slack.api.history import History
from bot.slack.api.own_account import OwnAccount
from bot.slack.api.pace import Pace
from bot.slack.ids import is_person
from orchestration.domain.errors import ThrottledError


def at_once() -> bool:
    """Nothing is asked before it is posted: it was looked for before, or may stand twice."""
    return True


class Poster:
    """What whatever posts has in common: client, pace, turns for edits, direct channels, and what was posted before."""

    def __init__(self, client: WebClient, pace: Pace | None = None, edits: EditTurns | None = None) -> None:
        self.client = client
        self.own = OwnAccount(client)
        self.history = History(client, self.own)
        self.edits = edits or EditTurns()
        self._pace = pace or Pace()
        self._lock = threading.Lock()
        self._direct: dict[str, str] = {}

    def place(self, user: str) -> str:
        """The channel itself, or the direct message channel of a person. Raises as the ports say."""
        if not is_person(user):
            return user
        with as_delivery_errors():
            return self._direct_channel(user)

    def say(
        self,
        channel: str,
        name: Hashable,
        begin: Callable[[], bool] = at_once,
        *,
        urgent: bool = False,
        **message: Any,
    ) -> SlackResponse | None:
        """Posts when it is the turn of `name` in the channel, unless `begin` says no then. Raises as the ports say."""
        self._pace.wait(channel, name, urgent=urgent)
        if not begin():
            return None
        try:
            with as_delivery_errors():
                return self.client.chat_postMessage(
                    channel=channel, unfurl_links=False, unfurl_media=False, **message
                )
        except ThrottledError as error:
            self._pace.hold(channel, error.retry_after)
            raise

    def edit(self, copy: tuple[str, str], rank: EditRank, **message: Any) -> str | None:
        """Makes a posted message (its channel and `ts`) say that, when it is its turn. Raises as the ports say.

        Returns Slack's code where it is deleted, or in an archived channel; None where it was edited.
        """
        channel, ts = copy
        with self.edits.turn(copy, rank), as_delivery_errors():
            try:
                self.client.chat_update(channel=channel, ts=ts, **message)
            except SlackApiError as error:
                if code_of(error) not in GONE:
                    raise
                return code_of(error)
        return None

    def _direct_channel(self, user: str) -> str:
        """The direct message channel with `user`, which never changes and so is asked for once."""
        with self._lock:
            known = self._direct.get(user)
        if known is None:
            known = str(self.client.conversations_open(users=user)["channel"]["id"])
            with self._lock:
                self._direct[user] = known
        return known
