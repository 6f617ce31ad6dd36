"""Who the app is in its workspace. That never changes while the token is the same, so Slack is asked once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from slack_sdk import WebClient

from orchestration.domain.request import CardRef


@dataclass(frozen=True)
class Account:
    """The app's bot in the workspace of its token. `url` is the workspace's address, with its last slash."""

    bot: str
    user: str
    team: str
    url: str

    @classmethod
    def of(cls, me: Mapping[str, Any]) -> Self:
        """From the answer of `auth.test`."""
        return cls(
            bot=str(me["bot_id"]), user=str(me["user_id"]), team=str(me["team_id"]), url=str(me["url"])
        )

    def posted(self, message: Mapping[str, Any]) -> bool:
        """Whether this app posted it: metadata can be written by any app in the channel."""
        return message.get("bot_id") == self.bot or message.get("user") == self.user

    def permalink(self, ref: CardRef) -> str:
        """The address of a message in a channel, in the form that `chat.getPermalink` gives it. It costs no call."""
        return f"{self.url}archives/{ref.channel}/p{ref.ts.replace('.', '')}"


class OwnAccount:
    """Safe to share between threads. Raises what the client raises."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: Account | None = None

    def get(self) -> Account:
        """By `auth.test`, the first time."""
        with self._lock:
            if self._known is None:
                self._known = Account.of(cast(Mapping[str, Any], self._client.auth_test().data))
            return self._known
