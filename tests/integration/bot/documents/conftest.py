"""The review of documents through the real bot: a folder, a workspace, and the people who decide."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.simulator.workspace.messages import Message
from tests.support.world import World, read, request_of

CHANNEL = "C0DOCS"
FIRST, SECOND = b"%PDF-1.7 The first version.\n", b"%PDF-1.7 The second version.\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def names(folder: Path) -> list[str]:
    """The names in the folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def policy(place: object, published: object, archived: object, *more: str) -> str:
    """A policy file with one policy for documents, and one that is asked."""
    return "\n".join(
        [
            "[policies.contract]",
            'title = "Contracts"',
            f'channel = "{CHANNEL}"',
            'owner = "U0DIRK"',
            "[[policies.contract.levels]]",
            'name = "Reader"',
            'approvers = ["U0ADA", "U0FIN"]',
            "[policies.contract.documents]",
            f'place = "{place}"',
            f'published = "{published}"',
            f'archived = "{archived}"',
            'requester = "U0RITA"',
            'look_every = "PT0.05S"',
            'unchanged_for = "PT0.1S"',
            *more,
            "[policies.plain]",
            'title = "Plain"',
            'channel = "C0GENERAL"',
            "[[policies.plain.levels]]",
            'name = "Anyone"',
            'approvers = ["U0ADA"]',
            'timeout = "1d"',
            "",
        ]
    )


class Shelf(World):
    """A world with a place for documents, and where they go."""

    def __init__(self, data: Path, *more: str) -> None:
        self.inbox, self.published, self.archived = (
            data / name for name in ("inbox", "published", "archived")
        )
        for folder in (self.inbox, self.published, self.archived):
            folder.mkdir()
        bot = data / "bot"
        bot.mkdir(mode=0o700)
        super().__init__(bot, policy(self.inbox, self.published, self.archived, *more))

    def put(self, name: str, data: bytes = FIRST) -> Path:
        """Puts a document into the place."""
        path = self.inbox / name
        path.write_bytes(data)
        return path

    async def card(self, *words: str) -> Message:
        """The newest card with these words, once there is one."""
        found: list[Message] = []

        def look() -> bool:
            found[:] = [card for card in self.cards() if all(word in read(card) for word in words)]
            return bool(found)

        await self.eventually(look)
        return found[-1]

    async def press(self, user: str, card: Message, action: str = "approve") -> None:
        """Somebody presses a button of the card."""
        await self.person(user).click(card.channel, card.ts, action)

    async def reject(self, user: str, card: Message, why: str = "Not like this.") -> None:
        person = self.person(user)
        await person.click(card.channel, card.ts, "reject")
        await person.submit(await person.wait_for_view("reject_reason"), {"reason": why})

    async def says(self, request_id: str, *words: str) -> str:
        """What the card says, once it says these words."""
        await self.eventually(lambda: all(word in self.shown(request_id) for word in words))
        return self.shown(request_id)

    def files_under(self, card: Message) -> list[str]:
        """The titles of the files in the card's thread."""
        replies = self.workspace.messages.in_thread(card.channel, card.ts)[1:]
        return [file["title"] for reply in replies for file in reply.files or ()]


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with Shelf(tmp_path) as found:
        yield found


__all__ = ["CHANNEL", "FIRST", "SECOND", "Shelf", "names", "policy", "request_of", "sha256"]
