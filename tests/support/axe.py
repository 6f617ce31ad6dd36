"""Accessibility faults of a page, as axe finds them."""

from __future__ import annotations

from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE: Final = {"moderate", "serious", "critical"}
# Not run by default: the name of a control has to contain its visible label, for people who use speech input.
OPTIONS: Final = {"rules": {"label-content-name-mismatch": {"enabled": True}}}
# axe reports elements that are redrawn while it looks, such as a label whose field was just replaced.
STILL: Final = """() => new Promise((still) => {
  let timer = 0;
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => { seen.disconnect(); still(); }, 250); };
  const seen = new MutationObserver(wait);
  seen.observe(document.body, { subtree: true, childList: true, attributes: true });
  wait();
})"""


async def grave(page: Page) -> list[tuple[str, list[Any]]]:
    """The violations that axe calls more than minor, once the page stands still: each rule and the elements."""
    await page.evaluate(STILL)
    found = await Axe().run(page, options=OPTIONS)
    return [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in found.response["violations"]
        if violation["impact"] in GRAVE
    ]
