"""Posts, finds and edits cards, and sends direct messages. Sync: activities run on the worker's threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import target
from bot.slack.cards import render
from bot.slack.errors import SLACK_FAILURES, as_delivery_errors, code_of
from bot.slack.notices import notice
from bot.slack.target import Target
from orchestration.cards import Card
from orchestration.models import CardRef

log = logging.getLogger(__name__)

TIMEOUT: Final = 10  # seconds a call; an activity holds one of the worker's threads for as long
SKEW: Final = timedelta(minutes=5)  # by how much Slack's clock may be behind the hub's
PAGE: Final = 200
PAGES: Final = 10

# The card is gone or frozen for good, and so nothing on it can be wrong any more.
GONE: Final = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "is_archived", "is_inactive"}
)
# There is no way to look. The message may then be posted twice, which is better than not at all.
BLIND: Final = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "not_allowed_token_type"})


@dataclass(frozen=True)
class _Self:
    bot: str
    user: str


def web_client(token: str, base_url: str) -> WebClient:
    """A client that leaves retrying to the outbox, which does it durably."""
    return WebClient(token=token, base_url=base_url, timeout=TIMEOUT, retry_handlers=[])


class SlackNotifier:
    """`orchestration.ports.Notifier` over the Web API. Safe to share between threads."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._own: _Self | None = None
        self._direct: dict[str, str] = {}
        self._blind: set[str] = set()

    def post(self, channel: str, card: Card, notify: Sequence[str]) -> CardRef:
        """Posts `card` to `channel`, pinging `notify`."""
        rendered = render(card, notify)
        with as_delivery_errors():
            posted = self._client.chat_postMessage(
                channel=channel,
                text=rendered.text,
                blocks=rendered.blocks,
                metadata=rendered.metadata,
                unfurl_links=False,
                unfurl_media=False,
            )
        return CardRef(channel=str(posted["channel"]), ts=str(posted["ts"]), round=card.round)

    def find(self, channel: str, request_id: str, round: int, since: datetime) -> CardRef | None:
        """The copy this app already posted for the round at or after `since`, by its metadata.

        None when there is none among the newest 2,000 messages since then, or where the app may not read the
        channel's history, which is logged once a channel.
        """
        wanted = Target(instance_id=request_id, round=round)
        with as_delivery_errors():
            try:
                for message in self._history(channel, since - SKEW):
                    if target.of_message(message) == wanted and self._is_own(message):
                        return CardRef(channel=channel, ts=str(message["ts"]), round=round)
            except SlackApiError as error:
                if code_of(error) not in BLIND:
                    raise
                self._warn_blind(channel, code_of(error))
        return None

    def edit(self, ref: CardRef, card: Card) -> None:
        """Makes the copy say what `card` says. One that is deleted, or in an archived channel, is only logged."""
        rendered = render(card)
        with as_delivery_errors():
            try:
                # Without `metadata` Slack keeps what the message has; an empty one would clear it.
                self._client.chat_update(
                    channel=ref.channel, ts=ref.ts, text=rendered.text, blocks=rendered.blocks
                )
            except SlackApiError as error:
                if code_of(error) not in GONE:
                    raise
                log.info(
                    "%s: the card %s in %s is out of reach (%s)",
                    card.request_id,
                    ref.ts,
                    ref.channel,
                    code_of(error),
                )

    def tell(self, user: str, card: Card, where: CardRef | None) -> None:
        """Sends `user` a direct message about the state of `card`, with a link to `where` if there is one to be had."""
        text = notice(card, self._permalink(where) if where else None)
        with as_delivery_errors():
            self._client.chat_postMessage(
                channel=self._direct_channel(user), text=text, unfurl_links=False, unfurl_media=False
            )

    # ---- pieces ------------------------------------------------------------------------------------------

    def _history(self, channel: str, oldest: datetime) -> Iterator[Mapping[str, Any]]:
        cursor: str | None = None
        for _ in range(PAGES):
            page = self._client.conversations_history(
                channel=channel,
                oldest=f"{oldest.timestamp():.6f}",
                include_all_metadata=True,
                limit=PAGE,
                cursor=cursor,
            )
            yield from page["messages"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    def _is_own(self, message: Mapping[str, Any]) -> bool:
        """Whether this app posted it: metadata can be written by any app in the channel."""
        own = self._own = self._own or self._who_am_i()
        return message.get("bot_id") == own.bot or message.get("user") == own.user

    def _who_am_i(self) -> _Self:
        answer = self._client.auth_test()
        return _Self(bot=str(answer["bot_id"]), user=str(answer["user_id"]))

    def _permalink(self, ref: CardRef) -> str | None:
        try:
            link = self._client.chat_getPermalink(channel=ref.channel, message_ts=ref.ts)["permalink"]
        except SLACK_FAILURES as error:
            log.info("no link to the card %s in %s: %s", ref.ts, ref.channel, code_of(error) or error)
            return None
        return str(link)

    def _direct_channel(self, user: str) -> str:
        """The direct message channel with `user`, which never changes and so is asked for once."""
        with self._lock:
            known = self._direct.get(user)
        if known is None:
            known = str(self._client.conversations_open(users=user)["channel"]["id"])
            with self._lock:
                self._direct[user] = known
        return known

    def _warn_blind(self, channel: str, code: str) -> None:
        with self._lock:
            first = channel not in self._blind
            self._blind.add(channel)
        if first:
            log.warning(
                "cannot read the history of %s (%s), so after a crash a card might be posted there twice; "
                "invite the app to the channel, and check its scopes against manifest.yml",
                channel,
                code,
            )
