"""Response URLs: the links by which the app answers a command or an interaction."""

import secrets
from dataclasses import dataclass
from typing import Literal

from bot.simulator.workspace.store import Store

USES = 5
LIFETIME = 30 * 60.0


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    """Where answers by this link go, and the message that the link came from (None for a command)."""

    channel: str
    person: str
    message_ts: str | None


class ResponseUrls:
    """Issues links, each valid for five uses within thirty minutes, as at Slack."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(self, answer_to: ResponseUrl, now: float) -> str:
        """Return the secret part of a new link. `now` is in epoch seconds."""
        secret = secrets.token_urlsafe(18)
        with self._store.transaction():
            self._store.execute("DELETE FROM response_url WHERE expires < ?", now - LIFETIME)
            self._store.execute(
                "INSERT INTO response_url VALUES (?, ?, ?, ?, ?, ?)",
                secret,
                answer_to.channel,
                answer_to.person,
                answer_to.message_ts,
                now + LIFETIME,
                USES,
            )
        return secret

    def use(self, secret: str, now: float) -> ResponseUrl | Literal["expired_url", "used_url"]:
        """Use a link once. Returns its target, or Slack's error code for a link that cannot be used."""
        row = self._store.one("SELECT * FROM response_url WHERE secret = ?", secret)
        if row is None or row["expires"] <= now:
            return "expired_url"
        if row["uses_left"] <= 0:
            return "used_url"
        self._store.execute("UPDATE response_url SET uses_left = uses_left - 1 WHERE secret = ?", secret)
        return ResponseUrl(row["channel"], row["person"], row["message_ts"])
