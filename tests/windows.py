"""A browser's windows, used by one test after the other.

Opening a window takes a new process of the browser, and three times the work of loading a page into one that is
open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import BrowserContext, Page


class Windows:
    """Those of one profile. Each is lent to one test at a time, and remembers nothing of those before."""

    def __init__(self, profile: BrowserContext) -> None:
        self._profile = profile
        self._idle: list[Page] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Page]:
        """An empty window, of the size that the last test left it with."""
        page = self._idle.pop() if self._idle else await self._profile.new_page()
        yield page
        await page.evaluate("localStorage.clear(), sessionStorage.clear()")
        await page.goto("about:blank")
        self._idle.append(page)
