"""`countersign demo`: the workspace in a browser, with the real bot behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bot.cli import stop_signal
from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, BotProcess
from bot.simulator import Simulator, Workspace
from orchestration.errors import CountersignError

APP_TOKEN: Final = "xapp-demo"  # noqa: S105 - the simulator's, made up

BANNER: Final = """
  Countersign is running against a small workspace of its own. Open

      {url}

  Everything is kept in {place}
  Ctrl-C stops it; the next run goes on where this one stopped.
"""


async def run_demo(data: Path | None, port: int) -> int:
    """Runs until Ctrl-C. All state is in `data`, so that the next run goes on where this one stopped."""
    place = (data or Path.home() / ".local" / "share" / "countersign" / "demo").absolute()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop = stop_signal()
    async with demo(place, port) as url:
        print(BANNER.format(url=url, place=place), flush=True)  # noqa: T201 - what the person is waiting for
        await stop
    return 0


@asynccontextmanager
async def demo(place: Path, port: int) -> AsyncIterator[str]:
    """The workspace and the bot, with their state in `place`; yields the page's URL. Port 0 takes any free one."""
    clock = _Clock()
    workspace = Workspace.open(place / "workspace.db")
    simulator = Simulator(
        workspace,
        bot_token=BOT_TOKEN,
        app_token=APP_TOKEN,
        signing_secret=SIGNING_SECRET,
        now=clock.now,
    )
    try:
        await simulator.start(port=port)
    except OSError as error:
        raise CountersignError(
            f"Port {port} cannot be listened on ({error.strerror}); choose another with --port."
        ) from error
    bot = BotProcess(place / "bot", simulator.api_url)
    try:
        yield simulator.url
    finally:
        await bot.stop()
        await simulator.stop()
