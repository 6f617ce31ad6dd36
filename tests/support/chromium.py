"""The browser of the tests, and its windows, each used by one test after the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

# By default the browser contacts its maker's hosts at every start.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def installed() -> str | None:
    """This machine's Chromium, or None; the headless shell first, as it needs less processor time."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Playwright's own Chromium where it was installed, else the machine's; skips the test where there is none."""
    async with async_playwright() as playwright:
        bundled = playwright.chromium.executable_path
        path = bundled if Path(bundled).exists() else installed()
        if path is None:
            # Without a browser all other tests still run. CI installs one, so there a missing browser is a failure.
            if os.environ.get("CI"):
                pytest.fail("CI has no Chromium; .ci/run installs it.")
            pytest.skip("no Chromium: install one, or run `playwright install chromium`")
        found = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        await found.close()


class Windows:
    """The windows of one profile. Each is lent to one test at a time.

    Opening a window takes a new process of the browser, and three times the work of loading a page into one that
    is open.
    """

    def __init__(self, profile: BrowserContext) -> None:
        self._profile = profile
        self._idle: list[Page] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Page]:
        """A blank window, in the profile's colours. It keeps the size that the last test gave it."""
        page = self._idle.pop() if self._idle else await self._profile.new_page()
        yield page
        try:
            await page.evaluate("localStorage.clear(), sessionStorage.clear()")
            await page.emulate_media(media="null", color_scheme="null")
            await page.goto("about:blank")
        except Error:  # the page has crashed or has no storage: the next test gets a new one
            await page.close()
        else:
            self._idle.append(page)
