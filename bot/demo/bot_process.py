"""The bot as a child process, which can be killed and started again while the workspace goes on."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp

from orchestration.domain.errors import CountersignError
from orchestration.hub.service.clock_client import ClockClient
from orchestration.runtime.connect import HUB_ADDRESS_FILE

START_LIMIT: Final = 30.0  # seconds until the bot must be ready
STOP_LIMIT: Final = 10.0  # seconds that it may take to stop by itself
POLL: Final = 0.05
BOT_TOKEN: Final = "xoxb-demo"  # noqa: S105 - the simulator's, made up
SMS_ACCOUNT: Final = "AC" + "0" * 32
SMS_TOKEN: Final = secrets.token_hex(16)
SMS_NUMBER: Final = "+12025550100"
SIGNING_SECRET: Final = secrets.token_hex(16)


class BotProcess:
    """Runs the real bot, with its data in `data_dir`, against the servers that `reach` sets.

    Its log is appended to the file `log`; without one it goes where the supervisor's log goes. `settings` are more
    variables of its environment.
    """

    def __init__(
        self,
        data_dir: Path,
        policies: Path,
        log: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._log = log
        self._port = _free_port()
        self._environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SLACK_", "COUNTERSIGN_", "TWILIO_", "DURABLE_TASK_"))
            },
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "COUNTERSIGN_LISTEN": f"127.0.0.1:{self._port}",
            "COUNTERSIGN_DATA_DIR": str(data_dir),
            "COUNTERSIGN_HUB_CLOCK": "skippable",
            "COUNTERSIGN_LOG_FORMAT": "text",  # people read it, in a terminal or in a file
            "COUNTERSIGN_CALLBACK_NETWORKS": "127.0.0.0/8",  # where the demo's order system listens
            "COUNTERSIGN_POLICIES": str(policies),
            "COUNTERSIGN_PUBLIC_URL": self.public_url,
            "TWILIO_ACCOUNT_SID": SMS_ACCOUNT,
            "TWILIO_AUTH_TOKEN": SMS_TOKEN,
            "TWILIO_FROM": SMS_NUMBER,
            **(settings or {}),
        }
        self._process: Process | None = None
        self._was_ready = False
        self._starting = asyncio.Lock()

    def reach(self, slack_api_url: str, sms_api_url: str) -> None:
        """Sets the addresses of Slack and of the SMS provider. To be called before `start`."""
        self._environment |= {
            "COUNTERSIGN_SLACK_API_URL": slack_api_url,
            "COUNTERSIGN_TWILIO_API_URL": sms_api_url,
        }

    @property
    def public_url(self) -> str:
        """The bot's URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def request_url(self) -> str:
        """The URL to which Slack delivers."""
        return f"{self.public_url}/slack/events"

    @property
    def running(self) -> bool:
        """Whether it runs and was ready. While it is starting it refuses whatever is sent to it."""
        return self._alive and self._was_ready

    @property
    def _alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts it and waits until it is ready. Raises `CountersignError` when it ends or is not ready in time."""
        async with self._starting:
            if not self._alive:
                await self._start()

    async def _start(self) -> None:
        self._was_ready = False
        with self._log.open("ab") if self._log else nullcontext() as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot.demo.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Ctrl-C in the terminal goes to the supervisor alone, which then stops the bot in good order.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_LIMIT), aiohttp.ClientSession() as http:
                while not await self._ready(http):  # noqa: ASYNC110 - another process is watched, which sets no event
                    await asyncio.sleep(POLL)
            self._was_ready = True
        except TimeoutError:
            await self.kill()
            raise CountersignError(
                f"The bot was not ready after {START_LIMIT:.0f} s; its log is {self._log or 'above'}."
            ) from None

    async def _ready(self, http: aiohttp.ClientSession) -> bool:
        if not self._alive:
            raise CountersignError(f"The bot did not start; its log is {self._log or 'above'}.")
        try:
            async with http.get(f"http://127.0.0.1:{self._port}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        """Ends it by SIGKILL: nothing is cleaned up, as when a machine loses power."""
        if self._process is not None and self._alive:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ends it by SIGTERM, or by SIGKILL when it does not end in time."""
        if self._process is None or not self._alive:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    # ---- the hub's clock ---------------------------------------------------------------------------------

    def _clock(self) -> ClockClient:
        return ClockClient((self._data_dir / HUB_ADDRESS_FILE).read_text())

    async def now(self) -> datetime:
        """The hub's time."""
        return await asyncio.to_thread(self._clock().now)

    async def advance(self, by: timedelta) -> datetime:
        """Moves the hub's clock forward. Timers that were due in between fire now."""
        return await asyncio.to_thread(self._clock().advance, by)

    async def next_deadline(self, beyond: timedelta | None = None) -> datetime | None:
        """When the next timer of the hub is due, or the next that is more than so long from now; None without one."""
        return await asyncio.to_thread(self._clock().next_timer, beyond)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
