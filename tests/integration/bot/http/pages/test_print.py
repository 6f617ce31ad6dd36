"""The record in a browser: styled under its own policy, on a phone, in the dark and on item."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.e2e.browser.conftest import browser  # noqa: F401 - the fixture
from tests.integration.bot.http.pages.conftest import PUBLIC_URL, Worklist
from tests.integration.bot.http.pages.test_record import approved, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "Deploy " + "4f2c1a" * 20
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "print": {"color_scheme": "dark", "viewport": {"width": 680, "height": 960}},
}
ITEM = {"light": "rgb(255, 255, 255)", "dark": "rgb(26, 29, 33)"}


async def test_it_is_readable_wherever_it_is_read(worklist: Worklist, browser: Browser) -> None:  # noqa: F811
    """With COUNTERSIGN_PICTURES set, each look is kept there as a picture."""
    request_id = await asked(worklist.office, title=LONG, description="Why not?\n" * 3)
    await approved(worklist.office, request_id, "Go ahead.")
    address = (worklist.links.make(request_id, "U0RITA") or "").replace(PUBLIC_URL, worklist.url)
    page = await browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    for look, how in LOOKS.items():
        complaints.clear()
        await page.set_viewport_size(how["viewport"])
        await page.emulate_media(
            color_scheme=how["color_scheme"], media="print" if look == "print" else "screen"
        )
        await page.goto(address)
        item = await page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
        assert item == ITEM["dark" if look == "dark" else "light"], look
        width = await page.locator("html").evaluate("node => node.scrollWidth")
        assert width <= how["viewport"]["width"], look
        assert complaints == [], look
        if pictures := os.environ.get("COUNTERSIGN_PICTURES"):
            await page.screenshot(path=Path(pictures) / f"record-{look}.png", full_page=True)
    await page.close()
