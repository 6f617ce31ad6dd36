"""A gathering: a system is being asked at the first kill, two people answer at the second, it ends at the third."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from bot.simulator import ActionRefusedError, Person
from tests.support import PATIENCE_S
from tests.support.gathering import ANSWER, DEPLOYS, answer, asked, open_card
from tests.support.messages import actions_of
from tests.support.process_world import ProcessWorld

TITLE = "Is 4.2 ready?"
SCANNER = "/done"


class AnsweredGathering:
    """People whose answers are refused because the bot is away answer again."""

    def __init__(self, bot: ProcessWorld) -> None:
        self._bot = bot

    async def begin(self) -> None:
        rita = self._bot.person("U0RITA")
        await rita.command(DEPLOYS, f"/request-approval readiness {TITLE}")
        await self._bot.eventually(lambda: SCANNER in self._bot.system.paths)

    async def prepare(self) -> None:
        await self._bot.person("U0RITA").wait_for_message(DEPLOYS, open_card)
        for user in ("U0ADA", "U0FAY"):
            await asked(self._bot.person(user), TITLE)

    async def go_on(self) -> None:
        ada, fay = self._bot.person("U0ADA"), self._bot.person("U0FAY")
        await asyncio.gather(
            self._answered(ada, lambda: self._answer(ada, ready="yes")),
            self._answered(fay, lambda: self._answer(fay, ready="no", notes="Not yet.")),
        )

    async def finish(self) -> None:
        """The last answer is on disk, and the messages of the end are not yet out."""
        found = zip(self._bot.system.paths, self._bot.system.got, strict=True)
        address = next(json.loads(body)["answer_uri"] for path, (_, body) in found if path == SCANNER)
        taken = await self._bot.insist("POST", address, json={"findings": 3})
        assert taken.status == 202

    @staticmethod
    async def _answer(person: Person, **values: str) -> None:
        await answer(person, await asked(person, TITLE), **values)

    async def _answered(self, person: Person, try_it: Callable[[], Awaitable[None]]) -> None:
        home = f"D{person.user_id[1:]}"
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await try_it()
            except (ActionRefusedError, TimeoutError):
                for view in await person.views():
                    await person.close_view(view)
            else:
                return
            assert any(ANSWER in actions_of(one) for one in await person.messages(home))
