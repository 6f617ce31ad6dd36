"""Uses while two bots race for the last one, and while the bot is killed between a use and its answer."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from bot import config
from bot.app import running
from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, BotProcess
from bot.demo.manifest import APP
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import Person, Simulator, Workspace
from bot.slack.api.pace import Pace
from bot.slack.views import grant_form
from orchestration.domain.request import Status
from orchestration.hub import Hub, SkippableClock
from tests.support import PATIENCE_S
from tests.support.granting import CHANNEL, GrantWorld, an_edit, at, is_grantable
from tests.support.world import policies, read

PROOF = bool(os.environ.get("COUNTERSIGN_PROOF"))
ROUNDS = 3 if PROOF else 1

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_bots_race_for_the_last_uses(tmp_path: Path) -> None:
    place, clock = tmp_path / "elsewhere.db", SkippableClock()
    call = an_edit()
    async with AsyncExitStack() as open_:
        hub = open_.enter_context(Hub(place, listen="127.0.0.1:0", authenticate=False, clock=clock))
        grants = await open_.enter_async_context(GrantWorld(tmp_path / "data", hub=hub))
        settings = grants.settings() | {"COUNTERSIGN_LISTEN": "127.0.0.1:0"}
        other = await open_.enter_async_context(running(config.read(settings), pace=Pace(0.01)))
        request_id = await grants.asked_people(call)
        await grants.grant(grants.person("U0DIRK"), request_id, grant_uses="3")
        urls = [grants.url, f"http://127.0.0.1:{other.port}"]

        async def ask(number: int) -> str:
            body = at(call, f"/srv/{number}.py")
            answer = await grants.call("POST", f"{urls[number % 2]}/api/calls", grants.agent, json=body)
            return str(answer.body["id"])

        asked = await asyncio.gather(*map(ask, range(10)))
        known = [await grants.until(one, lambda one: one.status.ended or bool(one.cards)) for one in asked]
        assert sorted(one.status for one in known) == [Status.APPROVED] * 3 + [Status.PENDING] * 7
        used = [one.outcome.grant for one in known if one.outcome and one.outcome.grant]
        assert sorted(use.number for use in used) == [1, 2, 3]
        await grants.eventually(lambda: "3 of 3 uses" in grants.says(request_id))
        await grants.eventually(lambda: len(grants.told_uses(request_id)) == 3)


class KilledGrantBot:
    """The bot as a process in front of the simulator, and an agent that tries each call until it is answered."""

    def __init__(self, folder: Path) -> None:
        data = folder / "data"
        data.mkdir(mode=0o700)
        book = folder / "policies.toml"
        book.write_text(policies("grants"))
        self._agent = TokenFile(data / TOKENS).create("agent", "U0RITA", ["request"])
        self.bot = BotProcess(data, book, folder / "log")
        self.workspace = Workspace.open(None)
        self.simulator = Simulator(
            self.workspace,
            bot_token=BOT_TOKEN,
            app_token="xapp-1-A0APP-1-x",
            signing_secret=SIGNING_SECRET,
            request_url=self.bot.request_url,
            app=APP,
        )

    async def __aenter__(self) -> Self:
        await self.simulator.start()
        self.bot.reach(self.simulator.api_url, "http://127.0.0.1:9")
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._agent}"})
        await self.bot.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.bot.stop()
        await self._http.close()
        await self.simulator.stop()
        self.workspace.close()

    async def killed(self) -> None:
        """Kills it, and starts it again."""
        await self.bot.kill()
        await self.bot.start()

    async def sent(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with asyncio.timeout(60):
            while True:
                try:
                    async with self._http.request(method, self.bot.public_url + path, json=body) as answer:
                        if answer.status < 500:
                            return answer.status, await answer.json()
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)


@pytest.mark.timeout(120 + 90 * (ROUNDS - 1))
async def test_a_bot_that_is_killed_between_a_use_and_its_answer_uses_it_once(tmp_path: Path) -> None:
    """SIGKILL right after the press, at once after each call was asked, and while its approval is claimed."""
    call, ids = an_edit(), []
    async with KilledGrantBot(tmp_path) as world, Person(world.simulator.url, "U0DIRK") as dirk:
        await world.sent("POST", "/api/calls", call)
        card = await dirk.wait_for_message(CHANNEL, is_grantable)
        await dirk.click(CHANNEL, card["ts"], "grant_like_this")
        await dirk.submit(await dirk.wait_for_view(grant_form.ID), {grant_form.USES: str(ROUNDS)})
        await world.killed()
        await dirk.wait_for_message(CHANNEL, lambda one: f"0 of {ROUNDS} uses" in str(one["blocks"]))
        for number in range(ROUNDS):
            body = at(call, f"/srv/{number}.py")
            _, first = await world.sent("POST", "/api/calls", body)
            await asyncio.sleep(0.02 * number)
            await world.killed()
            assert (await world.sent("POST", "/api/calls", body))[1]["id"] == first["id"]
            status, found = await world.sent("GET", f"/api/approvals/{first['id']}?wait=20s")
            assert (status, found["status"]) == (200, "approved")
            attempt = {"attempt": secrets.token_urlsafe(16)}
            claiming = asyncio.create_task(world.sent("POST", f"/api/calls/{first['id']}/claim", attempt))
            await asyncio.sleep(0.01 * number)
            if PROOF:
                await world.killed()
            assert (await claiming)[0] == 200
            assert (await world.sent("POST", f"/api/calls/{first['id']}/claim", attempt))[0] == 200
            ids.append(first["id"])
        _, asked = await world.sent("POST", "/api/calls", at(call, "/srv/last.py"))
        await dirk.wait_for_message(CHANNEL, lambda one: is_grantable(one) and "last.py" in str(one))
        assert asked["id"] not in ids
        used = f"{ROUNDS} of {ROUNDS} uses"
        await dirk.wait_for_message(CHANNEL, lambda one: used in str(one["blocks"]), timeout=60)
        [grant] = [one for one in world.workspace.messages.in_channel(CHANNEL) if used in read(one)]

        def told() -> list[int]:
            thread = "\n".join(map(read, world.workspace.messages.in_thread(CHANNEL, grant.ts)[1:]))
            return [thread.count(f"`{one}`") for one in ids]

        async with asyncio.timeout(PATIENCE_S):
            while 0 in told():
                await asyncio.sleep(0.05)
        assert told() == [1] * ROUNDS
