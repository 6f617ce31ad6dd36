"""The two apps under test: `countersign run` with a fake Slack, and a bare Bolt app. Each is a process."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from bot.security.tokens import FILE, TokenFile
from tests.bench import slack_side
from tests.bench.slack_side import PostedCard, SlackSide

CHANNELS: Final = 100
TOKENS: Final = 12  # a token may have 1,000 requests open
APPROVER: Final = "U0APPROVER"
READY: Final = 30.0  # seconds
STOP: Final = 20.0  # seconds
POSTING: Final = 600.0  # seconds
AGAIN: Final = 0.5  # seconds

POLICY: Final = """
[policies.p{number}]
title = "Bench"
channel = "C{number:04}"
levels = [{{ name = "One", approvers = ["{approver}"], timeout = "7d" }}]
"""


class Product:
    """`countersign run` as a process, with a fake Slack."""

    def __init__(self, directory: Path, slack: SlackSide) -> None:
        self._slack = slack
        self._data = directory / "data"
        self._data.mkdir(mode=0o700, parents=True)
        policies = directory / "policies.toml"
        policies.write_text(
            "".join(POLICY.format(number=number, approver=APPROVER) for number in range(CHANNELS))
        )
        self._log = directory / "log"
        self._port = 0
        self._environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SLACK_", "COUNTERSIGN_", "TWILIO_", "DURABLE_TASK_"))
            },
            "SLACK_BOT_TOKEN": slack_side.TOKEN,
            "SLACK_SIGNING_SECRET": slack_side.SECRET,
            "COUNTERSIGN_SLACK_API_URL": slack.url,
            "COUNTERSIGN_DATA_DIR": str(self._data),
            "COUNTERSIGN_POLICIES": str(policies),
            "COUNTERSIGN_OPEN_PER_TOKEN": "1000",
        }
        tokens = TokenFile(self._data / FILE)
        self._tokens = [
            tokens.create(f"bench-{number}", f"U0REQUESTER{number}", ["request"], 100_000)
            for number in range(TOKENS)
        ]
        self._asked = 0

    @property
    def url(self) -> str:
        """The URL that Slack delivers to."""
        return f"http://127.0.0.1:{self._port}/slack/events"

    @asynccontextmanager
    async def running(self, **settings: str) -> AsyncIterator[Process]:
        """Starts the process; yields it once it is ready, and ends it."""
        self._port = _free_port()
        environment = {**self._environment, "COUNTERSIGN_LISTEN": f"127.0.0.1:{self._port}", **settings}
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", stdout=log, stderr=log, env=environment
            )
        try:
            async with aiohttp.ClientSession() as http:
                self._http = http
                await self._until_ready(process)
                yield process
        finally:
            await _end(process)

    async def ask(self, count: int, *, at_once: int = 16, channels: int = CHANNELS) -> list[str]:
        """Asks for `count` approvals over so many channels; returns their IDs."""
        first, self._asked = self._asked, self._asked + count
        gate = asyncio.Semaphore(at_once)

        async def one(number: int) -> str:
            async with gate:
                while (asked := await self._ask_one(number, channels)) is None:
                    await asyncio.sleep(AGAIN)
                return asked

        return await asyncio.gather(*(one(number) for number in range(first, first + count)))

    async def _ask_one(self, number: int, channels: int) -> str | None:
        """Asks for one; returns the request's ID, or None where the server was too busy and has to be asked again."""
        body: dict[str, Any] = {"policy": f"p{number % channels}", "title": f"Number {number}"}
        headers = {
            "Authorization": f"Bearer {self._tokens[number % TOKENS]}",
            "Idempotency-Key": f"bench-{number}",
        }
        url = f"http://127.0.0.1:{self._port}/api/approvals"
        async with self._http.post(url, json=body, headers=headers) as answer:
            said = await answer.json()
        if answer.status in {429, 503}:
            return None
        if answer.status not in {201, 202}:
            raise RuntimeError(f"{answer.status}: {said}")
        return str(said["id"])

    async def cards(self, count: int, *, at_once: int = 16, channels: int = CHANNELS) -> list[PostedCard]:
        """Asks for `count` approvals; returns their cards once all are posted."""
        return await self._slack.posted(await self.ask(count, at_once=at_once, channels=channels), POSTING)

    async def _until_ready(self, process: Process) -> None:
        async with asyncio.timeout(READY):
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"countersign run ended: {self._log.read_text()[-2000:]}")
                try:
                    async with self._http.get(f"http://127.0.0.1:{self._port}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)


@asynccontextmanager
async def bare_bolt(slack: SlackSide) -> AsyncIterator[tuple[str, Process]]:
    """Starts a bare Bolt app; yields the URL that Slack delivers to, and its process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.bare_bolt",
        stdout=PIPE,
        env={
            **os.environ,
            "BENCH_TOKEN": slack_side.TOKEN,
            "BENCH_SECRET": slack_side.SECRET,
            "BENCH_URL": slack.url + "/",
        },
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the process has no output")
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/slack/events", process
    finally:
        await _end(process)


def cpu_ms(process: Process) -> float:
    """Milliseconds of processor time that the process has used, including the kernel's for it."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1000


def resident_mb(process: Process) -> float:
    """The resident memory of the process, in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
