"""Several bots on one hub, each a process of its own. One after the other is killed by chance and started again.

`pytest --bots=3` has each `World` be so. A process is forked from one that has imported everything, so that it is there
again in a moment. What a test does to the bot comes through one front door, which gives each call to the next process.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import pickle
import random
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import pytest
from aiohttp import web

from bot import config
from bot.app import running
from bot.composition.resources import Resources
from bot.composition.services import Services
from bot.records.log import RecordLog
from bot.slack.api.pace import Pace
from bot.terminal import stop_signal
from orchestration.runtime.connect import Connection, connect
from orchestration.sealing.keys import SealKeys
from tests.faults.passing import answered, passed_on
from tests.faults.processes import is_ready, reserved
from tests.support import PATIENCE_S, hub_forms

# The arguments of `bot.app.running` in a world, besides its settings: shorter waits than a real workspace needs.
PACE: Final = 0.01
PROMPT: Final[dict[str, Any]] = {
    "sweep_every": 0.5,
    "redraw_every": 0.02,
    "records_every": 0.1,
    "documents_every": 0.05,
}

PAUSE: Final = (0.1, 1.0)  # seconds in which all bots run, until the next is killed
_LOOK: Final = 0.02
_AGAIN: Final = frozenset({502, 503})  # a bot that starts, or has not joined the hub yet

one_home: Final = pytest.mark.one_bot(
    "the bot at which a Home was opened draws it, and that one may be killed"
)

Orchestrators = tuple[Callable[..., Any], ...]


_count = 1


def wanted() -> int:
    """How many bots each world has."""
    return _count


def want(count: int) -> None:
    """Sets how many bots each world has from now on."""
    global _count  # noqa: PLW0603 - worlds are built by tests that know nothing of it
    _count = count


class KillTally:
    """How many bots this process has killed, and in how many worlds."""

    kills = 0
    worlds = 0


def can_run(orchestrators: Orchestrators) -> bool:
    """Whether another process can import these orchestrators."""
    try:
        pickle.dumps(orchestrators)
    except (pickle.PicklingError, AttributeError):
        return False
    return True


class BotReplica:
    """One of the bots."""

    def __init__(self, number: int, log: Path) -> None:
        self._port = reserved()
        self.name = f"bot {number}"
        self.listen = f"127.0.0.1:{self._port.getsockname()[1]}"
        self.url = f"http://{self.listen}"
        self._log = log
        self._process: ForkServerProcess | None = None
        self._killed = False

    def launch(self, settings: Mapping[str, str], orchestrators: Orchestrators) -> None:
        given = {**settings, **hub_forms.identity(), "COUNTERSIGN_LISTEN": self.listen}
        self._process = _forking().Process(
            target=_run, args=(given, orchestrators, str(self._log)), name=self.name, daemon=True
        )
        self._process.start()
        self._killed = False

    async def until_ready(self, http: aiohttp.ClientSession) -> None:
        # Counts looks and not time: the event loop of a shared world stands still while other tests use their own.
        for _ in range(int(PATIENCE_S / _LOOK)):
            if await is_ready(http, self.url):
                return
            self.must_run()
            await asyncio.sleep(_LOOK)
        raise TimeoutError(f"{self.name} is not ready: {self._log.read_text()[-4000:]}")

    def must_run(self) -> None:
        """Fails where the bot has ended by itself."""
        code = self._process.exitcode if self._process else None
        assert code is None or self._killed, (
            f"{self.name} ended by itself, with {code}:\n{self._log.read_text()[-4000:]}"
        )

    async def end(self, number: signal.Signals) -> None:
        """Sends the bot the signal, where it runs, and returns once it has ended."""
        if self._process is None or self._process.pid is None or self._process.exitcode is not None:
            return
        self._killed = number is signal.SIGKILL
        os.kill(self._process.pid, number)
        await asyncio.to_thread(self._process.join, PATIENCE_S)
        assert self._process.exitcode is not None, (
            f"{self.name} does not end: {self._log.read_text()[-4000:]}"
        )

    def close(self) -> None:
        self._port.close()


class Replicas:
    """`count` bots behind a front door at `url`. Use it as an async context manager: it ends them by SIGTERM.

    A call that gets no answer, because its bot was killed, goes to the next bot, as behind a load balancer. That holds
    for calls by Slack and Twilio, calls that only read, and calls with an idempotency key. Any other call is answered
    502.
    """

    def __init__(
        self,
        count: int,
        url: str,
        place: Path,
        settings: Mapping[str, str],
        orchestrators: Orchestrators,
    ) -> None:
        """`settings` is the environment of each bot, and `orchestrators` run in each; their logs come into `place`."""
        place.mkdir(exist_ok=True)
        self._bots = [BotReplica(number, place / f"bot-{number}.log") for number in range(1, count + 1)]
        self._launch = lambda bot: bot.launch(settings, orchestrators)
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._turn = 0
        seed = os.environ.get("COUNTERSIGN_SEED") or str(random.SystemRandom().randrange(10**6))
        print(f"COUNTERSIGN_SEED={seed}")  # noqa: T201 - pytest shows it where a test fails
        self._chance = random.Random(seed)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        KillTally.worlds += 1
        async with AsyncExitStack() as opening:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._http = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
            )
            opening.push_async_callback(self._http.close)
            for bot in self._bots:
                opening.callback(bot.close)
            for bot in self._bots:
                self._launch(bot)
            opening.push_async_callback(self._end)
            for bot in self._bots:
                await bot.until_ready(self._http)
            await self._listen(opening)
            killing = asyncio.create_task(self._kill_now_and_then(), name="kill a bot now and then")
            opening.push_async_callback(_ended, killing)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _listen(self, opening: AsyncExitStack) -> None:
        application = web.Application(client_max_size=4 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        opening.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, self._port, reuse_address=True).start()

    async def _end(self) -> None:
        for bot in self._bots:
            bot.must_run()
        await asyncio.gather(*(bot.end(signal.SIGTERM) for bot in self._bots))

    async def _kill_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(*PAUSE))
            bot = self._chance.choice(self._bots)
            bot.must_run()
            KillTally.kills += 1
            await bot.end(signal.SIGKILL)
            self._launch(bot)
            await bot.until_ready(self._http)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        again = (
            request.path.startswith(("/slack/", "/twilio/"))
            or request.method in {"GET", "HEAD"}
            or "Idempotency-Key" in request.headers
        )
        answer: web.Response | None = None
        for _ in range(2 * len(self._bots)):
            self._turn += 1
            bot = self._bots[self._turn % len(self._bots)]
            try:
                async with self._http.request(
                    request.method,
                    bot.url + request.raw_path,
                    data=body or None,
                    headers=passed_on(request.headers),
                    allow_redirects=False,
                ) as found:
                    answer = await answered(found)
                    if answer.status not in _AGAIN:
                        return answer
            except aiohttp.ClientConnectorError:
                continue
            except aiohttp.ClientError:
                if not again:
                    break
        return answer or web.Response(status=502)


@asynccontextmanager
async def looked_at(settings: Mapping[str, str], place: Path) -> AsyncIterator[tuple[Connection, Services]]:
    """The means to look at the bots' hub without a bot: a connection, and services that nobody else uses.

    `place` is the folder for their records, of which there are none.
    """
    read = config.read(settings)
    resources = Resources.of(read)
    keys = SealKeys(resources.secrets.derive_each("seal", ""))
    connection = connect(
        read.hub, read.data_dir, keys, token=read.hub_token, payload_store=read.payload_store
    )
    async with AsyncExitStack() as closing:
        closing.callback(connection.close)
        client, as_stored = connection.client(), connection.client_as_stored()
        closing.push_async_callback(client.close)
        closing.push_async_callback(as_stored.close)
        records = RecordLog.open(place, resources.keys, read.issuer)
        closing.callback(records.close)
        yield connection, Services.over(connection, client, as_stored, resources, records)


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancels the task; raises the error that it failed with, if any."""
    task.cancel()
    [failure] = await asyncio.gather(task, return_exceptions=True)
    if failure is not None and not isinstance(failure, asyncio.CancelledError):
        raise failure


@cache
def _forking() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "bot.app", __name__])
    return context


def _run(settings: Mapping[str, str], orchestrators: Orchestrators, log: str) -> None:
    """Runs a bot until SIGTERM, or until the process of the tests has ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for said in (sys.stdout, sys.stderr):
        os.dup2(written, said.fileno())
    logging.basicConfig(level=logging.WARNING, force=True)
    os.environ.update(settings)
    asyncio.run(_serve(settings, orchestrators))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


async def _serve(settings: Mapping[str, str], orchestrators: Orchestrators) -> None:
    stop: Awaitable[Any] = stop_signal()
    read = config.read(settings)
    async with running(read, pace=Pace(PACE), **PROMPT, orchestrators=orchestrators) as app:
        await app.connecting
        await stop
