"""The bot is a process that is killed, again and again, while people and a system answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp

from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, BotProcess
from bot.demo.manifest import APP
from bot.simulator import Person, Simulator, Workspace
from bot.simulator.workspace.messages import Message
from tests.support.gathering import DEPLOYS, answer, asked, open_card
from tests.support.messages import says, text_of
from tests.support.receiver import Receiver
from tests.support.world import policies, read

GATHERING_DIRECT = ("D0ADA", "D0FAY")


def posted(workspace: Workspace, channel: str, words: str) -> list[Message]:
    return [one for one in workspace.messages.in_channel(channel) if words in read(one)]


async def test_no_answer_is_lost_and_nobody_is_asked_twice(tmp_path: Path, scanner: Receiver) -> None:
    """SIGKILL right after asking, after each answer that was taken, and between the last one and the end's messages."""
    book = tmp_path / "policies.toml"
    book.write_text(policies("gathering").replace("https://scanner.example/done", scanner.url))
    bot = BotProcess(tmp_path / "data", book, tmp_path / "log")
    workspace = Workspace.open(None)
    simulator = Simulator(
        workspace,
        bot_token=BOT_TOKEN,
        app_token="xapp-1-A0APP-1-x",
        signing_secret=SIGNING_SECRET,
        request_url=bot.request_url,
        app=APP,
    )
    await simulator.start()
    bot.reach(simulator.api_url, "http://127.0.0.1:9")
    people = [Person(simulator.url, user) for user in ("U0RITA", "U0ADA", "U0FAY")]
    rita, ada, fay = people
    try:
        await bot.start()

        async def killed() -> None:
            await bot.kill()
            await bot.start()

        await rita.command(DEPLOYS, "/request-approval readiness Is 4.2 ready?")
        await killed()
        await rita.wait_for_message(DEPLOYS, open_card)
        await answer(ada, await asked(ada, "Is 4.2 ready?"), ready="yes")
        await killed()
        await answer(fay, await asked(fay, "Is 4.2 ready?"), ready="no", notes="Not yet.")
        await killed()
        async with asyncio.timeout(30):
            while not scanner.got:
                await asyncio.sleep(0.05)
        address = json.loads(scanner.got[0][1])["answer_uri"]
        async with aiohttp.ClientSession() as http, http.post(address, json={"findings": 3}) as taken:
            assert taken.status == 202
        await killed()
        ended = await rita.wait_for_message(DEPLOYS, says("3 of 3 answered"), timeout=60)
        assert "Complete" in text_of(ended)
        await rita.wait_for_message("D0RITA", says("Complete"), timeout=60)
        for home in GATHERING_DIRECT:
            await (ada if home == "D0ADA" else fay).wait_for_message(home, says("has ended"), timeout=60)
            assert len(posted(workspace, home, "Is 4.2 ready?")) == 1
        assert len(posted(workspace, DEPLOYS, "Release readiness")) == 1
        assert len(posted(workspace, "D0RITA", "Complete")) == 1
        assert len(scanner.ids) == 1
        [found] = posted(workspace, DEPLOYS, "Release readiness")
        card = read(found)
        for words in ("> Ready? yes", "> Ready? no\n> Notes: Not yet.", "> Findings: 3"):
            assert words in card
    finally:
        await bot.stop()
        for person in people:
            await person.close()
        await simulator.stop()
        workspace.close()
