"""The address of a request's record: for one request and one person, for an hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from bot.security.secrets import Secrets
from bot.slack.ids import is_person

PURPOSE: Final = "record"
# Long enough to read and print the record. A link that gets into other hands soon stops working.
LIFETIME: Final = timedelta(hours=1)
PERSON: Final = "for"
KEY: Final = "key"


def _now() -> datetime:
    return datetime.now(UTC)


class RecordLinks:
    """Makes and checks such addresses. Older secrets that still verify are accepted."""

    def __init__(self, public_url: str | None, secrets: Secrets, now: Callable[[], datetime] = _now) -> None:
        """`public_url` without a last slash. When it is None, `make` returns None."""
        self.public_url = public_url
        self._secrets = secrets
        self._now = now

    def make(self, request_id: str, person: str) -> str | None:
        """Returns the address at which `person` can read the record from now on."""
        if self.public_url is None:
            return None
        key = self._secrets.sign(PURPOSE, _about(request_id, person), until=self._now() + LIFETIME)
        return (
            f"{self.public_url}/requests/{quote(request_id, safe='')}?{urlencode({PERSON: person, KEY: key})}"
        )

    def good_until(self, request_id: str, person: str, key: str) -> datetime | None:
        """Returns when this address expires; None if it has, or was not made for this request and this person."""
        if not is_person(person):
            return None
        if not self._secrets.verify(PURPOSE, _about(request_id, person), key, now=self._now()):
            return None
        return datetime.fromtimestamp(int(key.partition(".")[0]), UTC)


def _about(request_id: str, person: str) -> str:
    """Returns the text that the key signs. A person's ID holds no NUL, so each pair gives another text."""
    return f"{request_id}\0{person}"
