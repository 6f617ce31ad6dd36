"""axe finds nothing in the page that keeps a person from using it: wide, narrow and on a phone, light and dark."""

from __future__ import annotations

from typing import Final, Literal

import pytest
from playwright.async_api import Page, expect

from tests.e2e.demo.conftest import Demo
from tests.support.axe import grave
from tests.support.page import become, card, type_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Colours do not depend on the width, nor the places on the colours; so each has one of the other.
LOOKS: Final[tuple[tuple[int, Literal["light", "dark"]], ...]] = (
    (390, "light"),
    (768, "dark"),
    (1280, "light"),
)


async def look(page: Page, what: str) -> None:
    """Looks at the page in each form. The window is wide afterwards, and light."""
    for width, scheme in LOOKS:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme)
        assert await grave(page) == [], f"{what}, {width}, {scheme}"


async def test_axe_finds_nothing_grave(shared: Demo, page: Page) -> None:
    """A conversation with a card and its story beside a phone with texts, a form, the menu of scenarios, and Home."""
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval payment 12,400 Lamps")
    approve = card(page, "Lamps").get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    await become(page, "U0ADA", "C0PURCHASES")
    await approve.click()
    await expect(page.get_by_test_id("confirm")).to_be_visible()
    await look(page, "question before Approve")
    await page.get_by_test_id("confirm").click()
    await expect(page.get_by_text("Countersign: reply").last).to_be_visible()
    await page.get_by_test_id("phone-reply").fill("000000")
    await page.get_by_test_id("phone-reply").press("Enter")
    await expect(page.get_by_test_id("phone-texts")).to_contain_text("2 tries left")
    await look(page, "conversation")
    # In the column's drawer, where the phone is under the story.
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.emulate_media(color_scheme="dark")
    await page.get_by_test_id("toggle-panel").click()
    assert await grave(page) == []
    await page.keyboard.press("Escape")
    await page.set_viewport_size({"width": 1280, "height": 800})

    await type_in(page, "/request-approval")
    await expect(page.get_by_test_id("modal")).to_be_visible()
    await look(page, "form")

    await page.keyboard.press("Escape")
    await page.get_by_test_id("guided").click()
    await expect(page.get_by_test_id("play-laptop")).to_be_visible()
    await look(page, "scenarios")

    await page.keyboard.press("Escape")
    await page.get_by_role("navigation").get_by_text("Countersign", exact=True).click()
    await page.get_by_test_id("tab-home").click()
    await expect(page.get_by_text("Recent decisions")).to_be_visible()
    await look(page, "Home")
