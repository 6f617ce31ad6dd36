"""The app's own account in its workspace. It depends on the token only, so Slack is asked once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient

from orchestration.domain.request import CardRef


def permalink(workspace: str, ref: CardRef) -> str:
    """Makes the address of a message as `chat.getPermalink` returns it, without a call to Slack.

    `workspace` is the workspace's address, with its last slash.
    """
    return f"{workspace}archives/{ref.channel}/p{ref.ts.replace('.', '')}"


@dataclass(frozen=True)
class Account:
    """The app's bot in the workspace of its token. `url` is the workspace's address, with its last slash."""

    bot: str
    user: str
    team: str
    url: str

    def posted(self, message: Mapping[str, Any]) -> bool:
        """Whether this app posted `message`. Metadata is no proof of that: any app in the channel can write it."""
        return message.get("bot_id") == self.bot or message.get("user") == self.user

    def permalink(self, ref: CardRef) -> str:
        """The address of a message in a channel."""
        return permalink(self.url, ref)


class OwnAccount:
    """Looks the account up once. Safe to share between threads."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: Account | None = None

    def get(self) -> Account:
        """Returns the account, the first time by `auth.test`. Raises what the client raises."""
        with self._lock:
            if self._known is None:
                me = self._client.auth_test()
                self._known = Account(
                    bot=str(me["bot_id"]),
                    user=str(me["user_id"]),
                    team=str(me["team_id"]),
                    url=str(me["url"]),
                )
            return self._known
