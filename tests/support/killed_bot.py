"""A bot, and on request its hub, as processes that tests kill, with the simulator as Slack."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import aiohttp

from bot.demo.manifest import APP
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.simulator import Simulator, Workspace
from orchestration.hub import Hub
from tests.support import PATIENCE_S, ROOT, hub_forms
from tests.support.hub_forms import HubForm
from tests.support.simulated import BOT_TOKEN, SIGNING_SECRET
from tests.support.world import policies, read, request_of


class KilledBot:
    """A bot as a process of its own, in front of the simulator. It is killed and started again on the same data.

    With `own_hub` its hub is a process that is killed as well. In a form other than embedded, the hub is in this
    process and goes on. `command` starts the bot, and the hub.
    """

    def __init__(
        self, data: Path, *, own_hub: bool = False, command: Sequence[str] = (sys.executable, "-m", "bot")
    ) -> None:
        self._data = data
        self.command = command
        self._outside: Hub | None = None
        self._hub_file = data.with_suffix(".db") if own_hub else None
        self._hub: Process | None = None
        data.mkdir(mode=0o700)
        (data / "policies.toml").write_text(policies("api"))
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._reserved.getsockname()[1]}"
        self.workspace = Workspace.open(None)
        self._simulator = Simulator(
            self.workspace,
            bot_token=BOT_TOKEN,
            app_token="xapp-unused",
            signing_secret=SIGNING_SECRET,
            request_url=f"{self.url}/slack/events",
            app=APP,
        )
        tokens = TokenFile(data / TOKENS)
        self.agent = tokens.create("agent", "U0RITA", ["request"])
        self._ada = tokens.create("ada", "U0ADA", ["decide:deploy"])
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        if self._hub_file is None and hub_forms.current() is not HubForm.EMBEDDED:
            self._outside = await asyncio.to_thread(hub_forms.outside, self._data)
        await self._simulator.start()
        self._http = aiohttp.ClientSession()
        await self.start_hub()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        await self.kill_hub()
        if self._outside:
            await asyncio.to_thread(self._outside.stop)
        await self._http.close()
        await self._simulator.stop()
        self.workspace.close()
        self._reserved.close()

    async def start(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "COUNTERSIGN_SLACK_API_URL": self._simulator.api_url,
            "COUNTERSIGN_LISTEN": self.url.removeprefix("http://"),
            "COUNTERSIGN_DATA_DIR": str(self._data),
            "COUNTERSIGN_POLICIES": str(self._data / "policies.toml"),
        }
        if self._outside:
            environment |= hub_forms.settings(self._outside) | hub_forms.identity()
        elif self._hub_file is not None:
            environment["COUNTERSIGN_HUB"] = f"unix:{self._hub_file}.sock/hub"
        self._process = await self._started(environment, "run")

    async def start_hub(self) -> None:
        if self._hub_file is not None:
            self._hub = await self._started({"PATH": os.environ["PATH"]}, "hub", "--db", str(self._hub_file))

    async def _started(self, environment: dict[str, str], *command: str) -> Process:
        with (self._data / f"{command[0]}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.command, *command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def kill_hub(self) -> None:
        if self._hub is not None and self._hub.returncode is None:
            self._hub.kill()
            await self._hub.wait()

    async def restart_hub(self) -> None:
        await self.kill_hub()
        await self.start_hub()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    def requests(self, command: str) -> list[str]:
        """The requests whose cards show the command."""
        posted = [
            message
            for channel in self.workspace.channels.all()
            for message in self.workspace.messages.in_channel(channel.id)
            if message.metadata
        ]
        return sorted({request_of(message) for message in posted if command in read(message)})

    async def asked(self, command: str) -> str:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := self.requests(command)):
                await asyncio.sleep(0.05)
        return found[0]

    async def decide(self, request_id: str, choice: str) -> None:
        """Decides the request, by any bot that runs."""
        path = f"{self.url}/api/approvals/{request_id}"
        headers = {"Authorization": f"Bearer {self._ada}"}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    async with self._http.get(path, headers=headers) as seen:
                        shown = await seen.json()
                    body = {"choice": choice, "nonce": shown["nonce"], "digest": shown["digest"]}
                    body["comment"] = "As said."
                    async with self._http.post(
                        f"{path}/decision", headers=headers | key, json=body
                    ) as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, KeyError):
                    pass
                await asyncio.sleep(0.1)
