"""axe finds nothing in the page that keeps a person from using it: light and dark, wide and narrow."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.e2e.demo.conftest import Demo
from tests.support.page import card, type_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAVE = {"moderate", "serious", "critical"}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_grave(
    shared: Demo, page: Page, scheme: Literal["light", "dark"], width: int
) -> None:
    """In the conversation with a card and its story, in a form over it, and in the menu of scenarios."""
    await page.set_viewport_size({"width": width, "height": 800})
    await page.emulate_media(color_scheme=scheme)
    title = f"Lamps, {scheme}, {width}"
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, f"/request-approval payment 10 USD {title}")
    approve = card(page, title).get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    assert await grave(page) == []

    await type_in(page, "/request-approval")
    await expect(page.get_by_test_id("modal")).to_be_visible()
    assert await grave(page) == []

    await page.keyboard.press("Escape")
    await page.get_by_test_id("guided").click()
    await expect(page.get_by_test_id("play-laptop")).to_be_visible()
    assert await grave(page) == []


# What is drawn anew while axe looks at it is taken for broken: a label whose field has just been replaced.
STILL = """() => new Promise((still) => {
  let timer = 0;
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => { seen.disconnect(); still(); }, 250); };
  const seen = new MutationObserver(wait);
  seen.observe(document.body, { subtree: true, childList: true, attributes: true });
  wait();
})"""


async def grave(page: Page) -> list[tuple[str, list[Any]]]:
    """The violations that axe calls more than minor, once the page stands still: the rule, and where it is broken."""
    await page.evaluate(STILL)
    found = await Axe().run(page)
    return [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in found.response["violations"]
        if violation["impact"] in GRAVE
    ]
