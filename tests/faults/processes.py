"""The bots, and the hub where it is a process of its own. Each can be killed, stopped, held and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp

from bot.security.keys import FILE as KEYS
from bot.security.keys import SigningKeys
from bot.security.secrets import FILE as SECRET
from bot.security.secrets import Secrets
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from orchestration.hub.service.clock_client import ClockClient

READY_LIMIT: Final = 60.0  # seconds until a process has to be ready
STOP_LIMIT: Final = 20.0  # seconds that it may take to end by itself
SHARED: Final = (SECRET, KEYS, TOKENS)


class RunningProcess:
    """A process of ours with its log. It never outlives the context of the run."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self.died_by_itself: list[int] = []
        self._expected = False

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Starts it, unless it runs."""
        if self.alive:
            return
        self.note_death()
        self._expected = False
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", *self._arguments], stdout=log, stderr=log, env=self._environment
            )

    def note_death(self) -> None:
        """Remembers an end that nobody asked for."""
        if self._process is not None and self._process.poll() is not None and not self._expected:
            self.died_by_itself.append(self._process.returncode)
            self._expected = True

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, where it runs."""
        if self._process is not None and self.alive:
            self._expected = self._expected or number in {signal.SIGKILL, signal.SIGTERM}
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def end(self, number: signal.Signals) -> None:
        """Sends the signal, and returns once the process is gone; SIGKILL follows where it does not go."""
        if self._process is None:
            return
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            await asyncio.to_thread(self._process.wait, STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


class Deployment:
    """`bots` bots on the hub that is in the first of them, or, where there are two, in a process of its own."""

    def __init__(self, place: Path, policies: str, bots: int) -> None:
        self._place = place
        self.data = [place / f"bot-{number}" for number in range(bots)]
        for data in self.data:
            data.mkdir(mode=0o700)
        (place / "policies.toml").write_text(policies)
        Secrets.load(None, self.data[0])
        SigningKeys.load(None, self.data[0])
        self.tokens = TokenFile(self.data[0] / TOKENS)
        self.ports = [_free_port() for _ in self.data]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.hub: RunningProcess | None = None
        self.bots: list[RunningProcess] = []
        self.hub_file = self.data[0] / "hub.db" if bots == 1 else place / "hub.db"

    def prepare(self, settings: Mapping[str, str]) -> None:
        """Gives each bot its settings. Whatever tokens there are have to be made before."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLACK_", "COUNTERSIGN_", "TWILIO_"))
        }
        hub = "embedded"
        if len(self.data) > 1:
            hub = f"unix:{self.hub_file}.sock/hub"
            for data in self.data[1:]:
                for name in SHARED:
                    shutil.copy2(self.data[0] / name, data / name)
            arguments = ["hub", "--db", str(self.hub_file), "--skippable"]
            self.hub = RunningProcess("hub", arguments, clean, self._place / "hub.log")
        for number, (data, port, url) in enumerate(zip(self.data, self.ports, self.urls, strict=True)):
            own = {
                "COUNTERSIGN_LISTEN": f"127.0.0.1:{port}",
                "COUNTERSIGN_DATA_DIR": str(data),
                "COUNTERSIGN_PUBLIC_URL": url,
                "COUNTERSIGN_HUB": hub,
                "COUNTERSIGN_POLICIES": str(self._place / "policies.toml"),
                "COUNTERSIGN_CALLBACK_NETWORKS": "127.0.0.0/8",
            }
            if hub == "embedded":
                own["COUNTERSIGN_HUB_CLOCK"] = "skippable"
            log = self._place / f"bot-{number}.log"
            self.bots.append(RunningProcess(f"bot-{number}", ["run"], {**clean, **own, **settings}, log))

    @property
    def all(self) -> list[RunningProcess]:
        """Every process, the hub first."""
        return [*([self.hub] if self.hub else []), *self.bots]

    async def start(self) -> None:
        """Starts what does not run, and returns once every bot is ready. Raises TimeoutError naming what is not."""
        if self.hub is not None and not self.hub.alive:
            self.hub.launch()
            await _until_there(Path(f"{self.hub_file}.sock/hub"))
        for bot in self.bots:
            bot.launch()
        async with aiohttp.ClientSession() as http:
            for bot, url in zip(self.bots, self.urls, strict=True):
                await self._until_ready(http, bot, url)

    async def _until_ready(self, http: aiohttp.ClientSession, bot: RunningProcess, url: str) -> None:
        deadline = asyncio.get_running_loop().time() + READY_LIMIT
        while not await _ready(http, url):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{bot.name} was not ready after {READY_LIMIT:.0f} s; see {bot.log}")
            if not bot.alive:
                bot.launch()  # it ended by itself, which the ledger counts
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """Ends whatever runs."""
        await asyncio.gather(*(one.end(signal.SIGTERM) for one in self.bots))
        if self.hub:
            await self.hub.end(signal.SIGTERM)

    async def skip(self, by: timedelta) -> None:
        """Moves the hub's clock on."""
        if self.hub is not None:
            address = f"unix://{self.hub_file}.sock/hub"
        else:
            address = (self.data[0] / "hub.address").read_text()
        await asyncio.to_thread(ClockClient(address).advance, by)

    def check(self) -> str:
        """What `hub check` complains about; "" where it is clean."""
        done = subprocess.run(
            [sys.executable, "-m", "bot", "hub", "check", str(self.hub_file)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip()


async def _ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=3)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _until_there(path: Path) -> None:
    async with asyncio.timeout(READY_LIMIT):
        while not path.exists():
            await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
