"""`countersign simulate`, used by somebody who develops a Bolt app of their own."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncSay
from slack_sdk.web.async_client import AsyncWebClient

from bot.cli.main import main
from bot.simulator import ActionRefusedError, Person
from tests.support import PATIENCE_S

Serve = Callable[[web.Application], AbstractAsyncContextManager[str]]
BUTTON = {
    "type": "button",
    "action_id": "take",
    "text": {"type": "plain_text", "text": "Take one"},
    "value": "1",
}


@asynccontextmanager
async def simulating(*options: str) -> AsyncIterator[str]:
    """The command, until left; gives its address."""
    command = (sys.executable, "-m", "bot", "simulate", "--listen", "127.0.0.1:0", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := re.search(rb"open (http://\S+)", await process.stdout.readline())):
                assert process.returncode is None
        yield found[1].decode()
    finally:
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


def lunch(app: AsyncApp) -> AsyncApp:
    """An app as a beginner would write it."""

    @app.command("/lunch")
    async def order(ack: AsyncAck, say: AsyncSay, command: dict[str, Any]) -> None:
        await ack()
        await say(text=f"Lunch: {command['text']}", blocks=[{"type": "actions", "elements": [BUTTON]}])

    @app.action("take")
    async def take(ack: AsyncAck, say: AsyncSay, body: dict[str, Any]) -> None:
        await ack()
        await say(f"One for <@{body['user']['id']}>")

    return app


async def saying(person: Person, words: str) -> dict[str, Any]:
    return await person.wait_for_message("C0GENERAL", lambda message: words in message["text"])


async def test_a_bolt_app_over_http_and_then_in_socket_mode_in_a_workspace_that_is_kept(
    tmp_path: Path, serve: Serve
) -> None:
    """Bolt itself checks the signatures of what is posted to it."""
    client = AsyncWebClient("xoxb-9")
    app = lunch(AsyncApp(client=client, signing_secret="secret"))
    kept = ("--data", str(tmp_path / "workspace.db"), "--command", "/lunch")
    async with serve(app.web_app("/slack/events")) as served:
        http = (
            "--request-url",
            f"{served}/slack/events",
            "--signing-secret",
            "secret",
            "--bot-token",
            "xoxb-9",
        )
        async with simulating(*kept, *http) as url, Person(url, "U0RITA") as rita:
            client.base_url = f"{url}/api/"
            assert (await client.auth_test())["user"] == "app"
            await rita.command("C0GENERAL", "/lunch soup")
            posted = await saying(rita, "Lunch: soup")
            await rita.click("C0GENERAL", posted["ts"], "take")
            await saying(rita, "One for <@U0RITA>")
            with pytest.raises(ActionRefusedError, match="/dinner is not a valid command"):
                await rita.command("C0GENERAL", "/dinner")

    async with simulating(*kept, "--app-token", "xapp-9") as url, Person(url, "U0RITA") as rita:
        await saying(rita, "One for <@U0RITA>")
        app = lunch(AsyncApp(client=AsyncWebClient("xoxb-simulated", base_url=f"{url}/api/")))
        handler = AsyncSocketModeHandler(app, "xapp-9")
        await handler.connect_async()
        await rita.command("C0GENERAL", "/lunch bread")
        await saying(rita, "Lunch: bread")
        await handler.close_async()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--listen", "0.0.0.0:0"), "argument --listen: '0.0.0.0' is not loopback"),
        (("--listen", "3030"), "argument --listen: '3030' is not HOST:PORT, such as 127.0.0.1:3030"),
        (("--request-url", "localhost:3000"), "is not an http:// or https:// address"),
        (("--command", "lunch"), "'lunch' is not a slash command, such as /lunch"),
        (("--listen", "127.0.0.1:0", "--data", "/nowhere/at/all"), "/nowhere/at/all cannot be opened"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["simulate", *options])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 4
    assert words in capsys.readouterr().err.splitlines()[-1]
