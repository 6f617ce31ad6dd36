"""The bot is a process that is killed, again and again, while people and a system answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Self

import aiohttp

from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, BotProcess
from bot.demo.manifest import APP
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import Person, Simulator, Workspace
from bot.simulator.workspace.messages import Message
from bot.slack.views.home import NOTHING_WAITS
from tests.support import PATIENCE_S
from tests.support.gathering import DEPLOYS, answer, asked
from tests.support.messages import says
from tests.support.receiver import Receiver, receiver
from tests.support.world import policies, read


def posted(workspace: Workspace, channel: str, words: str) -> list[Message]:
    return [one for one in workspace.messages.in_channel(channel) if words in read(one)]


class Killable:
    """The bot as a process against a simulated workspace, and people in it."""

    def __init__(self, directory: Path, book: str) -> None:
        written = directory / "policies.toml"
        written.write_text(book)
        self.data = directory / "data"
        self.bot = BotProcess(self.data, written, directory / "log")
        self.workspace = Workspace.open(None)
        self._simulator = Simulator(
            self.workspace,
            bot_token=BOT_TOKEN,
            app_token="xapp-1-A0APP-1-x",
            signing_secret=SIGNING_SECRET,
            request_url=self.bot.request_url,
            app=APP,
        )
        self._people: list[Person] = []

    async def __aenter__(self) -> Self:
        await self._simulator.start()
        self.bot.reach(self._simulator.api_url, "http://127.0.0.1:9")
        await self.bot.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.bot.stop()
        for person in self._people:
            await person.close()
        await self._simulator.stop()
        self.workspace.close()

    def person(self, user: str) -> Person:
        self._people.append(Person(self._simulator.url, user))
        return self._people[-1]

    async def killed(self) -> None:
        await self.bot.kill()
        await self.bot.start()


async def asked_system(scanner: Receiver) -> str:
    """The address that the scanner was told to answer at."""
    async with asyncio.timeout(PATIENCE_S):
        while not scanner.got:
            await asyncio.sleep(0.05)
    return str(json.loads(scanner.got[0][1])["answer_uri"])


async def post(address: str, body: dict[str, Any], token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, json=body) as taken:
        assert taken.status == 202, await taken.text()
        return await taken.json(content_type=None)


def book(scanner: Receiver) -> str:
    return policies("gathering").replace("https://scanner.example/done", scanner.url)


async def test_no_answer_is_lost_and_nobody_is_asked_twice(tmp_path: Path, scanner: Receiver) -> None:
    """SIGKILL right after asking, when it is looked up who is away, after a delegate's answer, and at the end.

    Then the messages of the end are under way, and so is the response to who waits for the result.
    """
    away = """
[people.U0ADA]
delegate = "U0SAM"
away = { from = 2020-01-01, until = 2099-01-01 }
"""
    async with Killable(tmp_path, book(scanner) + away) as world, receiver() as place:
        rita, ada, fay, sam = [world.person(user) for user in ("U0RITA", "U0ADA", "U0FAY", "U0SAM")]
        for person in (rita, ada, sam):
            await person.open_home()
        scopes = ("request", f"respond:{place.origin}")
        token = TokenFile(world.data / TOKENS).create("flow", "U0RITA", scopes, 1000)
        payload = {"all": "{is_complete}", "given": "{answers}", "proof": "{record}"}
        body = {"policy": "readiness", "title": "Is 4.2 ready?"}
        respond = {"url": f"{place.origin}/done?code=s3cret", "payload": payload}
        await post(f"{world.bot.public_url}/api/gatherings", {**body, "respond": respond}, token)
        await world.killed()
        message = await asked(sam, "in the place of <@U0ADA>, who is away")
        await answer(sam, message, ready="no")
        await world.killed()
        await answer(fay, await asked(fay, "Is 4.2 ready?"), ready="yes", notes="At last.")
        place.free.clear()
        await post(await asked_system(scanner), {"findings": 3})
        async with asyncio.timeout(PATIENCE_S):
            while not place.got:
                await asyncio.sleep(0.05)
        await world.killed()
        place.free.set()
        await rita.wait_for_message("D0RITA", says("Complete"), timeout=60)
        async with asyncio.timeout(60):
            while len(place.got) < 2:
                await asyncio.sleep(0.05)
        for _, told in place.got:
            said = json.loads(told)
            assert said.pop("proof").count(".") == 2
            assert said == {
                "all": True,
                "given": {
                    "legal": {"ready": "no"},
                    "security": {"ready": "yes", "notes": "At last."},
                    "scanner": {"findings": "3"},
                },
            }
        assert len(place.ids) == 1
        workspace = world.workspace
        for person in (sam, fay):
            home = f"D{person.user_id[1:]}"
            await person.wait_for_message(home, says("Your answer is part of the result."), timeout=60)
            assert len(posted(workspace, home, "Is 4.2 ready?")) == 1
        assert not posted(workspace, "D0ADA", "Is 4.2 ready?")
        assert len(posted(workspace, "D0RITA", "Complete")) == 1
        assert len(scanner.ids) == 1
        await rita.wait_for_message(DEPLOYS, says("3 of 3 answered"), timeout=60)
        [card] = [read(one) for one in posted(workspace, DEPLOYS, "Release readiness")]
        assert "<@U0SAM> for <@U0ADA>" in card
        for words in ("> Ready? no", "> Ready? yes\n> Notes: At last.", "> Findings: 3"):
            assert words in card
        for person in (ada, sam):
            await person.open_home()
            await person.wait_for(nothing_waits, timeout=60)


async def nothing_waits(person: Person) -> Any:
    """Whether the running bot has drawn this person's Home, and it says that nothing waits."""
    view = await person.home()
    return view and NOTHING_WAITS in str(view["blocks"])
