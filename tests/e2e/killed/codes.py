"""Codes that are on their way at the first kill, and answered at the second, by the programs of the guide."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.support import PATIENCE_S
from tests.support.people import NUMBERS
from tests.support.process_world import ProcessWorld
from tests.support.recipes import recipe

RITA, SAM = "rita@example.com", "sam@example.com"


def program(name: str, bot: ProcessWorld) -> dict[str, Any]:
    """What the guide's program defines, once it has read where the server is."""
    settings = {
        "COUNTERSIGN_URL": bot.process.public_url,
        "COUNTERSIGN_TOKEN": bot.token("U0RITA", "challenge"),
    }
    before = dict(os.environ)
    os.environ.update(settings)
    found: dict[str, Any] = {}
    try:
        exec(compile(recipe(name), "the guide", "exec"), found)  # noqa: S102 - the guide's own text
    finally:
        for setting in settings:
            os.environ.pop(setting)
        os.environ.update(before)
    return found


class MailedCodes:
    """Rita resets her password. At the second kill she enters her code, and Sam's is asked for."""

    def __init__(self, bot: ProcessWorld) -> None:
        self._bot = bot
        self._site = program("password_reset", bot)
        self._beginning: asyncio.Future[str] | None = None
        self.changed = 0
        self.said: list[str] = []

    def codes(self, address: str) -> list[str]:
        """Every code that was mailed to that address."""
        mails = [one for one in self._bot.mail.messages if one["To"] == address]
        return [one.get_content().split()[3] for one in mails]

    async def _finish(self, challenge: str, code: str) -> None:
        def change() -> None:
            self.changed += 1

        self.said.append(await asyncio.to_thread(self._site["finish_reset"], challenge, code, change))

    async def begin(self) -> None:
        """The mail server has the message, but has not answered."""
        self._beginning = asyncio.ensure_future(asyncio.to_thread(self._site["begin_reset"], RITA))
        await self._bot.eventually(lambda: len(self.codes(RITA)) == 1)

    async def prepare(self) -> None:
        await self._bot.eventually(lambda: len(self.codes(RITA)) == 2)

    async def go_on(self) -> None:
        assert self._beginning is not None
        challenge = await self._beginning
        await asyncio.gather(
            self._finish(challenge, self.codes(RITA)[-1]),
            asyncio.to_thread(self._site["begin_reset"], SAM),
        )

    async def finish(self) -> None:
        await self._bot.eventually(lambda: bool(self.codes(SAM)))


class TextedCodes:
    """Ada's phone is verified by a reply, Fin's by what he types."""

    def __init__(self, bot: ProcessWorld) -> None:
        self._bot = bot
        self._site = program("phone_verification", bot)
        self._beginning: list[asyncio.Future[str]] = []
        self.states: list[str] = []
        self.typed: list[bool] = []

    async def codes(self, user: str) -> list[str]:
        """Every code that came to that person's phone."""
        texts = await self._bot.person(user).texts()
        return [
            one["body"].split()[2] for one in texts if one["direction"] == "in" and "reply" in one["body"]
        ]

    async def begin(self) -> None:
        """The provider has one of the texts, but has not answered."""
        self._bot.sms.hold("Messages.json", NUMBERS["U0ADA"])
        for user in ("U0ADA", "U0FIN"):
            beginning = asyncio.to_thread(self._site["begin"], NUMBERS[user])
            self._beginning.append(asyncio.ensure_future(beginning))
        await asyncio.wait_for(self._bot.sms.held.wait(), PATIENCE_S)

    async def prepare(self) -> None:
        while not (len(await self.codes("U0ADA")) == 2 and await self.codes("U0FIN")):
            await self._bot.eventually(lambda: True)

    async def go_on(self) -> None:
        await asyncio.gather(self._replied(), self._typed())

    async def _replied(self) -> None:
        """A text that the bot does not take is lost, so its sender sends it again."""
        ada, [code, *_] = self._bot.person("U0ADA"), await self.codes("U0ADA")
        while (await self._state(0)) == "waiting":
            await ada.reply_sms(code)

    async def _typed(self) -> None:
        challenge, [code, *_] = await self._beginning[1], await self.codes("U0FIN")
        self.typed.append(await asyncio.to_thread(self._site["enter"], challenge, code))

    async def _state(self, number: int) -> str:
        challenge = await self._beginning[number]
        state, _ = await asyncio.to_thread(self._site["state"], challenge)
        return str(state)

    async def finish(self) -> None:
        self.states = [await self._state(number) for number in (0, 1)]
