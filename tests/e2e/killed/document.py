"""A document: its review is begun at the first kill, looked at at the second, and it is being moved at the third."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.simulator.workspace.messages import Message
from tests.integration.bot.documents.conftest import CHANNEL, FIRST, names
from tests.support.process_world import ProcessWorld
from tests.support.world import read

NAME = "contract.pdf"


class MovedDocument:
    """`place` holds the folders of its policy."""

    def __init__(self, bot: ProcessWorld, place: Path) -> None:
        self._bot = bot
        self.inbox, self.published = place / "inbox", place / "published"

    def cards(self) -> list[Message]:
        """The reviews of it."""
        return [one for one in self._bot.workspace.messages.in_channel(CHANNEL) if NAME in read(one)]

    def files(self) -> list[str]:
        """What is shown under its card."""
        [card] = self.cards()
        replies = self._bot.workspace.messages.in_thread(CHANNEL, card.ts)[1:]
        return [file["title"] for reply in replies for file in reply.files or ()]

    async def begin(self) -> None:
        (self.inbox / NAME).write_bytes(FIRST)
        await self._bot.eventually(lambda: bool(self.cards()))

    async def prepare(self) -> None:
        await self._bot.eventually(lambda: bool(self.cards()))

    async def go_on(self) -> None:
        """Nobody decides yet."""

    async def finish(self) -> None:
        """The kill is in the middle of the move."""
        [card] = self.cards()
        await self._bot.person("U0ADA").click(CHANNEL, card.ts, "approve")
        while names(self.published) != [NAME]:
            await asyncio.sleep(0.001)
