"""What a person does at the page of the simulated workspace, in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from playwright.async_api import Locator, Page, expect

PICTURES = os.environ.get("COUNTERSIGN_PICTURES")


async def picture(page: Page, name: str, scheme: Literal["light", "dark"] = "light") -> None:
    """Saves a picture of the page for the documentation, when `make pictures` asks for it."""
    if PICTURES:
        await page.emulate_media(color_scheme=scheme)
        await page.screenshot(path=Path(PICTURES) / f"{name}.png")
        await page.emulate_media(color_scheme="light")


async def become(page: Page, user: str, channel: str | None = None) -> None:
    person = page.get_by_test_id(f"person-{user}")
    await person.click()
    # Before that the channels of the previous person are shown, and a click on one of them is lost.
    await expect(person).to_have_attribute("aria-pressed", "true")
    if channel:
        await page.get_by_test_id(f"channel-{channel}").click()


async def type_in(page: Page, text: str) -> None:
    composer = page.get_by_test_id("composer")
    await composer.fill(text)
    await composer.press("Enter")


def card(page: Page, title: str) -> Locator:
    """The newest message with this title that others see, too."""
    messages = page.locator("[data-testid^=message-]").filter(has_text=title)
    return messages.filter(has_not_text="Only visible to you").last
