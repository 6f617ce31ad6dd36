"""The bots, and the hub where it is a process of its own. Each can be killed, stopped, held and started again."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Final

import aiohttp

from bot.security.keys import FILE as KEYS
from bot.security.keys import SigningKeys
from bot.security.secrets import FILE as SECRET
from bot.security.secrets import Secrets
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from orchestration.hub.service.clock_client import ClockClient

READY_LIMIT: Final = 90.0  # seconds until a process has to be ready
STOP_LIMIT: Final = 30.0  # seconds that a process may take to stop after SIGTERM; it promises to take fewer
SHARED: Final = (SECRET, KEYS, TOKENS)
ROOT: Final = Path(__file__).parents[2]


class RunningProcess:
    """A process of ours with its log. It never outlives the context of the run."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.died_by_itself: list[int] = []
        self.memory = 0  # bytes; the most that it has had in memory
        self.stops: list[float] = []  # seconds from SIGTERM to its end
        self._command = [sys.executable, "-m", "tests.faults.child", *arguments]
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
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
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._environment, cwd=ROOT
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._keep, args=[self._process.stdout], daemon=True).start()

    def _keep(self, said: IO[bytes]) -> None:
        """Writes the process's log here, because the process itself cannot write while its disk is full."""
        with said, self.log.open("ab") as log:
            while some := os.read(said.fileno(), 65536):
                log.write(some)
                log.flush()

    def note_death(self) -> None:
        """Remembers an end that nobody asked for."""
        if self._process is not None and self._process.poll() is not None and not self._expected:
            self.died_by_itself.append(self._process.returncode)
            self._expected = True

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, where it runs."""
        if self._process is None or not self.alive:
            self.note_death()
            return
        self._measure(self._process.pid)
        self._expected = self._expected or number in {signal.SIGKILL, signal.SIGTERM}
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def may_write(self, *, room: bool) -> bool:
        """Sets whether the process's files can grow; `room=False` plays a full disk. False where it cannot."""
        if self._process is None or not self.alive or not hasattr(resource, "prlimit"):
            return False
        soft = resource.RLIM_INFINITY if room else 0
        with suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        return True

    async def end(self, number: signal.Signals) -> None:
        """Sends the signal, and returns once the process has ended; sends SIGKILL where it takes too long."""
        if self._process is None:
            return
        self.send(signal.SIGCONT)
        alive, began = self.alive, time.monotonic()
        self.send(number)
        try:
            await asyncio.to_thread(self._process.wait, STOP_LIMIT)
            if alive and number is signal.SIGTERM:
                self.stops.append(time.monotonic() - began)
        except subprocess.TimeoutExpired:
            self.died_by_itself.append(-number)  # it did not end in time
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _measure(self, pid: int) -> None:
        with suppress(OSError, StopIteration, ValueError):
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak = next(line for line in status if line.startswith("VmHWM:"))
            self.memory = max(self.memory, int(peak.split()[1]) * 1024)


class Deployment:
    """`bots` bots and their hub: one bot has it embedded; several share one in a process of its own."""

    def __init__(self, place: Path, policies: str, bots: int) -> None:
        self._place = place
        self.clock = place / "clock"
        self.clock.write_text("0")
        self.data = [place / f"bot-{number}" for number in range(bots)]
        for data in self.data:
            data.mkdir(mode=0o700)
        (place / "policies.toml").write_text(policies)
        Secrets.load(None, self.data[0])
        SigningKeys.load(None, self.data[0])
        self.tokens = TokenFile(self.data[0] / TOKENS)
        self._reserved = [reserved() for _ in self.data]
        self.ports = [int(one.getsockname()[1]) for one in self._reserved]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.hub: RunningProcess | None = None
        self.bots: list[RunningProcess] = []
        self.hub_file = self.data[0] / "hub.db" if bots == 1 else place / "hub.db"
        self.ready: list[float] = []

    def prepare(self, public_url: str, settings: Mapping[str, str]) -> None:
        """Gives each bot its settings. All tokens have to be made before."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLACK_", "COUNTERSIGN_", "TWILIO_", "DURABLE_TASK_"))
        }
        hub = "embedded"
        if len(self.data) > 1:
            hub = f"unix:{self.hub_file}.sock/hub"
            for data in self.data[1:]:
                for name in SHARED:
                    shutil.copy2(self.data[0] / name, data / name)
            arguments = [str(self.clock), "hub", "--db", str(self.hub_file), "--skippable"]
            self.hub = RunningProcess("hub", arguments, clean, self._place / "hub.log")
        for number, (data, url) in enumerate(zip(self.data, self.urls, strict=True)):
            own = {
                "COUNTERSIGN_LISTEN": url.removeprefix("http://"),
                "COUNTERSIGN_DATA_DIR": str(data),
                "COUNTERSIGN_PUBLIC_URL": public_url,
                "COUNTERSIGN_HUB": hub,
                "COUNTERSIGN_POLICIES": str(self._place / "policies.toml"),
                "COUNTERSIGN_CALLBACK_NETWORKS": "127.0.0.0/8",
            }
            if hub == "embedded":
                own["COUNTERSIGN_HUB_CLOCK"] = "skippable"
            log = self._place / f"bot-{number}.log"
            environment = {**clean, **own, **settings}
            self.bots.append(RunningProcess(f"bot-{number}", [str(self.clock), "run"], environment, log))

    @property
    def all(self) -> list[RunningProcess]:
        """Every process, the hub first."""
        return [*([self.hub] if self.hub else []), *self.bots]

    async def start(self) -> None:
        """Starts each process that does not run; returns once all bots are ready, or raises TimeoutError."""
        began = time.monotonic()
        if self.hub is not None:
            self.hub.launch()
        for bot in self.bots:
            bot.launch()
        async with aiohttp.ClientSession() as http:
            for bot, url in zip(self.bots, self.urls, strict=True):
                await self._until_ready(http, bot, url)
        self.ready.append(time.monotonic() - began)

    async def _until_ready(self, http: aiohttp.ClientSession, bot: RunningProcess, url: str) -> None:
        deadline = asyncio.get_running_loop().time() + READY_LIMIT
        while not await is_ready(http, url):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{bot.name} was not ready after {READY_LIMIT:.0f} s; see {bot.log}")
            for one in self.all:
                one.launch()  # where it ended by itself, which the ledger counts
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """Ends whatever runs."""
        await asyncio.gather(*(one.end(signal.SIGTERM) for one in self.bots))
        if self.hub:
            await self.hub.end(signal.SIGTERM)
        for one in self._reserved:
            one.close()

    async def skip(self, by: timedelta) -> None:
        """Moves the hub's clock on."""
        if self.hub is not None:
            address = f"unix://{self.hub_file}.sock/hub"
        else:
            address = (self.data[0] / "hub.address").read_text()
        await asyncio.to_thread(ClockClient(address).advance, by)


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether the bot at `url` says that it is ready."""
    try:
        async with http.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=3)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def reserved() -> socket.socket:
    """A socket that reserves a port for the whole run: bound, but not listening."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
