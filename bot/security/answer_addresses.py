"""The URLs at which systems answer a gathering. The key in each is for one event of one start of a gathering."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from bot.security.secrets import Secrets

ANSWER: Final = "gathering-answer"
# Longer than any gathering runs, so that a late answer is refused as late, and not because of an expired key.
LIFETIME: Final = timedelta(days=400)


class AnswerAddresses:
    """Makes and checks these URLs. They need no token, and can only give the answer of one source."""

    def __init__(self, public_url: str | None, secrets: Secrets) -> None:
        self.base = public_url or ""
        self._secrets = secrets

    def make(self, instance_id: str, event_name: str, nonce: str) -> str:
        """Returns the URL; it is relative if no public address is set."""
        key = self._secrets.sign(
            ANSWER, _about(instance_id, event_name, nonce), until=datetime.now(UTC) + LIFETIME
        )
        path = f"/hooks/{quote(instance_id, safe='')}/{quote(event_name, safe='')}"
        return f"{self.base}{path}?of={quote(nonce, safe='')}&code={key}"

    def admits(self, instance_id: str, event_name: str, nonce: str, key: str) -> bool:
        """Whether the key is valid for this event of this start."""
        about = _about(instance_id, event_name, nonce)
        return self._secrets.verify(ANSWER, about, key, now=datetime.now(UTC))


def _about(instance_id: str, event_name: str, nonce: str) -> str:
    return f"{instance_id}\0{event_name}\0{nonce}"
