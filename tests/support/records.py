"""Asks by the API, and reads the record as a browser does."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.http.pages.links import RecordLinks
from bot.security.secrets import Secrets
from tests.support.api_world import NEW_SECRET, ApiWorld


@dataclass(frozen=True)
class PageSeen:
    """The answer that the browser got."""

    status: int
    headers: Any
    text: str


@dataclass(frozen=True)
class RecordReader:
    """Somebody who has links to records and follows them."""

    api: ApiWorld

    def address(self, request_id: str, person: str = "U0RITA", minutes_ago: int = 0) -> str:
        """A link as the bot made it so many minutes ago."""
        made = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        found = RecordLinks(self.api.url, Secrets(NEW_SECRET.encode()), lambda: made).make(request_id, person)
        assert found is not None
        return found

    async def get(self, address: str) -> PageSeen:
        async with self.api.http.get(address) as answer:
            return PageSeen(answer.status, answer.headers, await answer.text())

    async def read(self, request_id: str, person: str = "U0RITA") -> str:
        """The record as the person reads it."""
        seen = await self.get(self.address(request_id, person))
        assert seen.status == 200, seen.text
        return seen.text


async def asked(api: ApiWorld, **changes: object) -> str:
    return await api.ask(api.token("ci", "U0RITA", "request"), **changes)


async def approved(api: ApiWorld, request_id: str, comment: str = "") -> None:
    """Approves as Ada, and returns once the outcome is signed."""
    ada = api.token("ada", "U0ADA", "decide:deploy")
    assert (await api.decide(ada, request_id, comment=comment)).status == 200
    await api.until(request_id, lambda progress: not progress.receipt_pending and progress.status.ended)
