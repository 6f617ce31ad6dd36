"""Times that a person sees in the demo: until the first card is there, and from a click to its effect."""

import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.support.chromium import FLAGS, installed

PAUSE = 1.2  # seconds between asking and clicking: Slack takes one message a second in a channel
_STOP_S = 20

# Milliseconds from the press to the frame that shows the decision on the card.
_PRESS = """title => new Promise(done => {
  const cards = () => [...document.querySelectorAll("#main .message")];
  const card = () => cards().filter(one => one.innerText.includes(title)).at(-1);
  const seen = new MutationObserver(() => {
    if (!card()?.innerText.includes("Approved by")) return;
    seen.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  seen.observe(document.getElementById("main"), {subtree: true, childList: true, characterData: true});
  const began = performance.now();
  card().querySelector('[data-action-id="approve"]').click();
})"""


def figures(directory: Path, clicks: int) -> tuple[float, float]:
    """Seconds from `countersign demo` on a fresh directory to its first card; median ms from click to effect.

    The browser already runs, as a person's does. Opening the page and asking by command are included.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        began = time.perf_counter()
        with _demo(directory) as url:
            page.goto(f"{url}/#as=U0RITA&channel=C0PURCHASES")
            _ask(page, "The first")
            first_card = time.perf_counter() - began
            times = [_click(page, f"Number {number}") for number in range(clicks)]
        browser.close()
    return first_card, statistics.median(times)


def _click(page: Page, title: str) -> float:
    page.get_by_test_id("person-U0RITA").click()
    _ask(page, title)
    page.get_by_test_id("person-U0FIN").click()
    page.wait_for_timeout(PAUSE * 1000)
    taken: float = page.evaluate(_PRESS, title)
    return taken


def _ask(page: Page, title: str) -> None:
    composer = page.get_by_test_id("composer")
    composer.fill(f"/request-approval payment 10 {title}")
    composer.press("Enter")
    card = page.locator("#main .message").filter(has_text=title)
    card.get_by_role("button", name="Approve").last.wait_for()


@contextmanager
def _demo(directory: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "bot", "demo", "--data", str(directory), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        try:
            yield _address(started)
        finally:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                started.kill()


def _address(started: subprocess.Popen[str]) -> str:
    for line in started.stdout or ():
        if found := re.search(r"http://[^/\s]+", line):
            return found.group()
    raise RuntimeError("the demo ended before it said where it is")
