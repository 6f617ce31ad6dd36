"""An agent waits by MCP while the bot is killed: the request is asked once, and the answer comes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.types import CallToolResult

from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, BotProcess
from bot.demo.manifest import APP
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import Person, Simulator, Workspace
from bot.simulator.workspace.messages import Message
from tests.support import PATIENCE_S
from tests.support.mcp import answered, mcp_over_http, mcp_over_stdio
from tests.support.world import policies, request_of

ASKED = {"policy": "deploy", "title": "Deploy 4f2c1a to production?"}


@pytest.mark.timeout(120)
async def test_a_wait_goes_on_after_the_bot_is_killed(tmp_path: Path) -> None:
    (tmp_path / "policies.toml").write_text(policies("api"))
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    bot = BotProcess(data, tmp_path / "policies.toml", tmp_path / "bot.log")
    workspace = Workspace.open(None)
    simulator = Simulator(
        workspace,
        bot_token=BOT_TOKEN,
        app_token="xapp-unused",
        signing_secret=SIGNING_SECRET,
        request_url=bot.request_url,
        app=APP,
    )
    token = TokenFile(data / TOKENS).create("agent", "U0RITA", ["request"])
    await simulator.start()
    bot.reach(simulator.api_url, "http://127.0.0.1:9/")
    await bot.start()

    async def asked(client: Client, key: str) -> str:
        found: str = answered(await client.call_tool("request_approval", ASKED | {"idempotency_key": key}))[
            "id"
        ]
        async with asyncio.timeout(PATIENCE_S):
            while not cards(workspace, found):
                await asyncio.sleep(0.05)
        return found

    def wait(client: Client, request_id: str) -> asyncio.Task[CallToolResult]:
        given: dict[str, Any] = {"id": request_id, "wait_seconds": 60}
        return asyncio.create_task(client.call_tool("wait_for_approval", given))

    async def wait_till_killed(begun: asyncio.Future[str]) -> None:
        async with mcp_over_http(bot.public_url, token) as called:
            request_id = await asked(called, "two")
            waiting = wait(called, request_id)
            await asyncio.sleep(0.5)  # until the call is held by the bot, a process that nobody sees into
            begun.set_result(request_id)
            await waiting

    try:
        async with Person(simulator.url, "U0ADA") as ada, mcp_over_stdio(bot.public_url, token) as piped:
            first = await asked(piped, "one")
            over_pipe = wait(piped, first)
            begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            over_http = asyncio.create_task(wait_till_killed(begun))
            second = await begun
            await bot.kill()
            # An answer that was lost: nobody is there, and later the same key finds the same request.
            again = asyncio.create_task(
                piped.call_tool("request_approval", ASKED | {"idempotency_key": "one"})
            )
            with pytest.raises(ExceptionGroup):
                await over_http  # its connection has ended, and the SDK's client with it
            await bot.start()
            assert answered(await again)["id"] == first
            for request_id in (first, second):
                [card] = cards(workspace, request_id)
                await ada.click(card.channel, card.ts, "approve")
            async with mcp_over_http(bot.public_url, token) as called:
                # The one over the pipe has gone on waiting; the other is called again.
                for result in (await over_pipe, await wait(called, second)):
                    answer = answered(result)
                    assert (answer["answer"], answer["standing"]["decided_by"]) == ("yes", "U0ADA")
                assert await asked(called, "two") == second
    finally:
        await bot.stop()
        await simulator.stop()
        workspace.close()


def cards(workspace: Workspace, request_id: str) -> list[Message]:
    posted = [
        message
        for channel in workspace.channels.all()
        for message in workspace.messages.in_channel(channel.id)
        if message.metadata
    ]
    return [message for message in posted if request_of(message) == request_id]
