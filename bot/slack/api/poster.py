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
    """The default `begin`: posts without a last check, for messages that were looked for, or may be posted twice."""
    return True


class Poster:
    """What all notifiers share: the client, the pace of messages and of edits, direct channels, and the history."""

    def __init__(self, client: WebClient, pace: Pace | None = None, edits: EditTurns | None = None) -> None:
        self.client = client
        self.own = OwnAccount(client)
        self.history = History(client, self.own)
        self.edits = edits or EditTurns()
        self._pace = pace or Pace()
        self._lock = threading.Lock()
        self._direct: dict[str, str] = {}

    def place(self, user: str) -> str:
        """The channel of an ID: a person's direct message channel, else the ID itself. Raises what the ports raise."""
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
        """Posts when it is the turn of `name` in the channel. If `begin` then returns False, returns None instead.

        Raises what the ports raise.
        """
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
        """Edits the message `copy` (its channel and `ts`) when it is its turn. Raises what the ports raise.

        Returns None if it was edited, or Slack's code if it is deleted or can no longer be edited.
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
        """The direct message channel with `user`. It never changes, so Slack is asked once."""
        with self._lock:
            known = self._direct.get(user)
        if known is None:
            known = str(self.client.conversations_open(users=user)["channel"]["id"])
            with self._lock:
                self._direct[user] = known
        return known
