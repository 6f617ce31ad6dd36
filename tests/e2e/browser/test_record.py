"""The record in a browser: styled under its own policy, on a phone, in the dark and on paper; and the API's page."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.api_world import ApiWorld
from tests.support.axe import grave
from tests.support.records import RecordReader, approved, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "Deploy " + "4f2c1a" * 20
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "print": {"color_scheme": "dark", "viewport": {"width": 680, "height": 960}},
}
# The sections of the API's page are all made alike, and axe would take half a minute for all.
A_FEW = """() => {
  for (const node of [...document.querySelectorAll("section")].slice(3, -3)) node.remove();
  for (const node of [...document.querySelectorAll("nav a")].slice(3)) node.remove();
}"""
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(26, 29, 33)"}


@pytest_asyncio.fixture(loop_scope="session")
async def reader(tmp_path: Path) -> AsyncIterator[RecordReader]:
    async with ApiWorld(tmp_path) as api:
        yield RecordReader(api)


async def test_it_is_readable_wherever_it_is_read(reader: RecordReader, browser: Browser) -> None:
    """With COUNTERSIGN_PICTURES set, each look is kept there as a picture."""
    request_id = await asked(reader.api, title=LONG, description="Why not?\n" * 3)
    await approved(reader.api, request_id, "Go ahead.")
    address = reader.address(request_id)
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
        paper = await page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
        assert paper == PAPER["dark" if look == "dark" else "light"], look
        width = await page.locator("html").evaluate("node => node.scrollWidth")
        assert width <= how["viewport"]["width"], look
        assert complaints == [], look
        if pictures := os.environ.get("COUNTERSIGN_PICTURES"):
            await page.screenshot(path=Path(pictures) / f"record-{look}.png", full_page=True)
        if look != "print":
            assert await grave(page) == [], look
    await page.set_viewport_size(LOOKS["phone"]["viewport"])
    await page.emulate_media(color_scheme="light", media="screen")
    await page.goto(address.partition("/requests/")[0] + "/api/docs")
    width = await page.locator("html").evaluate("node => node.scrollWidth")
    assert width <= LOOKS["phone"]["viewport"]["width"]
    await page.evaluate(A_FEW)
    assert await grave(page) == []
    await page.close()
