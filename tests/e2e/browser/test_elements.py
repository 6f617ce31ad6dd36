"""Every input element gives the app what Slack's own gives."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from bot.simulator import Person, Simulator

Open = Callable[..., Awaitable[Page]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


def plainly(values: dict[str, Any]) -> dict[str, Any]:
    """`state.values` by block, an option as its value."""
    found = {}
    for block_id, elements in values.items():
        (entry,) = elements.values()
        (held,) = (value for key, value in entry.items() if key != "type")
        if isinstance(held, list):
            held = [one["value"] if isinstance(one, dict) else one for one in held]
        found[block_id] = held["value"] if isinstance(held, dict) else held
    return found


async def test_every_element_gives_what_slack_sends(show: Open, sim: Simulator) -> None:
    """Submitted with a required field left empty, so that the form stays and its state can be read."""
    page = await show()

    def element(action_id: str) -> Locator:
        return page.locator(f"[data-testid=modal] [data-action-id={action_id}]")

    async def choose(action_id: str, *names: str) -> None:
        await element(action_id).click()
        for name in names:
            await page.get_by_role("option", name=name).click()

    await page.get_by_test_id("composer").fill("/everything")
    await page.get_by_test_id("composer").press("Enter")
    await expect(page.get_by_test_id("modal")).to_be_visible()
    await choose("one", "Option 3")
    await choose("many", "Option 2", "Option 8", "Option 2", "Option 4")
    await page.keyboard.press("Escape")
    await choose("person", "Dirk Hahn")
    await choose("people", "Fay Lindqvist")
    await page.keyboard.press("Escape")
    await element("place").click()
    await page.keyboard.type("deploy")
    await page.keyboard.press("Enter")
    await element("either").get_by_text("Option 2").click()
    await element("some").get_by_text("Option 3").click()
    await element("day").fill("2027-01-15")
    await element("time").fill("08:45")
    await element("moment").fill("2026-12-24T18:00")
    await element("count").fill("4.5")
    await page.get_by_test_id("modal-submit").click()
    await expect(page.get_by_text("Please complete this required field.")).to_have_count(1)
    await expect(page.get_by_text("Please enter a valid number.")).to_have_count(1)
    await expect(element("needed")).to_be_focused()
    async with Person(sim.url, "U0RITA") as rita:
        (view,) = await rita.views()
    assert plainly(view["state"]["values"]) == {
        "needed": None,
        "one": "o3",
        "many": ["o8", "o4"],
        "person": "U0DIRK",
        "people": ["U0FIN", "U0FAY"],
        "place": "C0DEPLOYS",
        "either": "o2",
        "some": ["o1", "o3"],
        "day": "2027-01-15",
        "time": "08:45",
        "moment": 1798131600,  # 18:00 in Berlin
        "count": "4.5",
    }


async def test_what_was_put_in_survives_a_reload(show: Open) -> None:
    """The simulator keeps an open form and what was typed."""
    page = await show()
    await page.get_by_test_id("composer").fill("/ask")
    await page.get_by_test_id("composer").press("Enter")
    await page.locator("[data-testid=modal] [data-action-id=title]").fill("Laptops")
    await page.get_by_test_id("modal-submit").click()
    await expect(page.get_by_text("Please complete this required field.")).to_be_visible()
    await page.reload()
    await expect(page.locator("[data-testid=modal] [data-action-id=title]")).to_have_value("Laptops")

    # Escape closes it quietly, however often it is pressed.
    closed: list[str] = []
    page.on("request", lambda sent: closed.append(sent.url) if "view/close" in sent.url else None)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("modal")).to_have_count(0)
    assert len(closed) == 1
    await expect(page.get_by_text("no longer open")).to_have_count(0)
