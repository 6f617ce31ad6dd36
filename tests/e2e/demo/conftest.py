from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Error, Page, expect

from tests.support import PATIENCE_S
from tests.support.chromium import Windows, launched

expect.set_options(timeout=20_000)  # long enough for a busy machine


class Demo:
    """`countersign demo` as a person runs it: a process of its own, ended by Ctrl-C."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self._process: Process | None = None

    async def start(self) -> None:
        port = self.url.rpartition(":")[2] or "0"
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "demo", "--data", str(self.data), "--port", port, stdout=PIPE
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            async for line in self._process.stdout:
                if found := re.search(rb"http://[^/\s]+", line):
                    self.url = found.group().decode()
                    return
        raise AssertionError("the demo ended before it said where it is")

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await asyncio.wait_for(self._process.wait(), PATIENCE_S)


@asynccontextmanager
async def started(place: Path) -> AsyncIterator[Demo]:
    found = Demo(place)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


def complaints_of(page: Page) -> tuple[list[str], Callable[[], None]]:
    """Whatever the page complains about in its console, from now on until the second is called.

    That a server which a test has stopped cannot be reached, or refuses with a sentence (which the page shows),
    is the browser's own remark, and no fault of the page.
    """
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type == "error" and not any(mark in said.text for mark in ("net::ERR_", "status of 400")):
            complaints.append(said.text)

    def fail(error: Error) -> None:
        complaints.append(str(error))

    def stop() -> None:
        page.remove_listener("console", hear)
        page.remove_listener("pageerror", fail)

    page.on("console", hear)
    page.on("pageerror", fail)
    return complaints, stop


@asynccontextmanager
async def laptop(windows: Windows) -> AsyncIterator[Page]:
    """A laptop's window. Whatever the page complains about fails the test."""
    async with windows.lent() as found:
        await found.set_viewport_size({"width": 1280, "height": 800})
        complaints, stop = complaints_of(found)
        yield found
        await found.evaluate("0")  # what it has said until now is heard before the answer
        stop()
    assert complaints == []


# ---- for tests that share a demo: starting one takes longer than most tests ----------------------------------------


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    async with started(tmp_path_factory.mktemp("shared") / "demo") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_browser() -> AsyncIterator[Browser]:
    async with launched() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_windows(shared_browser: Browser) -> Windows:
    """In one profile, as one for each costs twice what a window does; without motion, which costs some more."""
    profile = await shared_browser.new_context(
        viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    return Windows(profile)


@pytest_asyncio.fixture(loop_scope="module")
async def page(shared_windows: Windows) -> AsyncIterator[Page]:
    async with laptop(shared_windows) as found:
        yield found
