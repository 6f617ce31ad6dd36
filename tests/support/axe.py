"""What keeps a person from using a page, as axe finds it."""

from __future__ import annotations

from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE: Final = {"moderate", "serious", "critical"}
# Not run by default: what is read on a control has to be in its name, for people who speak to their machine.
OPTIONS: Final = {"rules": {"label-content-name-mismatch": {"enabled": True}}}
# What is drawn anew while axe looks at it is taken for broken: a label whose field has just been replaced.
STILL: Final = """() => new Promise((still) => {
  let timer = 0;
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => { seen.disconnect(); still(); }, 250); };
  const seen = new MutationObserver(wait);
  seen.observe(document.body, { subtree: true, childList: true, attributes: true });
  wait();
})"""


async def grave(page: Page) -> list[tuple[str, list[Any]]]:
    """The violations that axe calls more than minor, once the page stands still: the rule, and where it is broken."""
    await page.evaluate(STILL)
    found = await Axe().run(page, options=OPTIONS)
    return [
        (violation["id"], [node["target"] for node in violation["nodes"]])
        for violation in found.response["violations"]
        if violation["impact"] in GRAVE
    ]
