"""The right column: what is happening to a request, and trouble at the press of a button. One demo for all."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.e2e.demo.conftest import Demo
from tests.support.page import become, card, type_in

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def healed(shared: Demo) -> AsyncIterator[None]:
    yield
    async with aiohttp.ClientSession(shared.url) as http:
        await http.delete("/sim/faults")


def step(page: Page, words: str) -> Locator:
    return page.get_by_test_id("story").locator("li").filter(has_text=words)


async def arrive(page: Page, shared: Demo) -> None:
    """As Rita in #purchases; by way of a blank page, as an address that is only edited is followed a moment later."""
    await page.goto("about:blank")
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")


async def ask(page: Page, shared: Demo, title: str) -> None:
    await arrive(page, shared)
    await type_in(page, f"/request-approval payment 10 {title}")
    await expect(card(page, title).get_by_role("button", name="Approve")).to_be_visible()


async def test_the_panel_follows_a_request_through_a_kill(shared: Demo, page: Page) -> None:
    panel, note = page.get_by_test_id("story-panel"), page.get_by_test_id("story-note")
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0DOCS")
    await expect(panel).to_contain_text("Nothing yet")
    await ask(page, shared, "Pencils")
    await expect(page.get_by_test_id("story-id")).to_have_text(re.compile("^payment-"))
    await expect(step(page, "Started")).to_contain_text("Rita Moreno")
    await expect(step(page, "Card posted")).to_contain_text("#purchases")
    await expect(page.get_by_test_id("story-waiting")).to_contain_text("Waiting for Finance")
    await expect(page.get_by_test_id("story-countdown")).to_have_text(re.compile(r"23 h 5\d min \d+ s left"))

    await page.get_by_test_id("kill").click()
    await expect(note).to_contain_text(
        re.compile(r"Killed. Nothing runs now; \d+ steps are on disk, and the timer too.")
    )
    known = re.search(r"\d+", await note.inner_text())
    await expect(step(page, "Card posted")).to_be_visible()
    await page.get_by_test_id("start").click()
    assert known is not None
    await expect(note).to_have_text(f"Back again. Nothing was lost: all {known[0]} steps are still there.")

    await become(page, "U0ADA", "C0PURCHASES")
    await card(page, "Pencils").get_by_role("button", name="Approve").click()
    await expect(step(page, "Event received")).to_contain_text("ApprovalDecision: approve")
    await expect(page.get_by_test_id("story-standing")).to_have_text("Approved")
    await expect(step(page, "Completed")).to_be_visible()
    await expect(page.get_by_test_id("story-waiting")).to_be_hidden()


async def test_the_id_on_a_card_brings_its_story(shared: Demo, page: Page) -> None:
    """Without an ID the newest is shown."""
    await ask(page, shared, "Rulers")
    shown = page.get_by_test_id("story-id")
    await expect(shown).to_have_text(re.compile("^payment-"))
    first = await shown.inner_text()
    await ask(page, shared, "Erasers")
    await expect(page.get_by_test_id("story-panel")).to_contain_text("Erasers")
    await page.get_by_test_id(f"work-{first}").first.click()
    await expect(shown).to_have_text(first)
    await ask(page, shared, "Clips")
    await expect(page.get_by_test_id("story-panel")).to_contain_text("Clips")
    # So does a press on its card.
    await card(page, "Rulers").get_by_role("button", name="Approve").click()
    await expect(shown).to_have_text(first)
    await page.get_by_test_id("advance-day").click()
    await expect(step(page, "Deadline reached").first).to_be_visible()
    await expect(page.get_by_test_id("story-standing")).to_have_text("Escalated")


async def test_clumsy_fingers_and_the_wrong_ones_change_nothing(shared: Demo, page: Page) -> None:
    await ask(page, shared, "Glue")
    await page.get_by_test_id("trouble").click()
    await page.get_by_test_id("wrong-person").click()
    outcome = page.get_by_test_id("trouble-outcome")
    await expect(outcome).to_contain_text("Sam Whitlock pressed Approve, and alone sees:")
    await expect(outcome).to_contain_text("You are not one of the approvers of this request")
    await expect(step(page, "Refused")).to_contain_text("Sam Whitlock")
    await expect(step(page, "Refused")).to_contain_text("“You are not one of the approvers")
    await page.get_by_test_id("fault-twice").click()
    await become(page, "U0ADA", "C0PURCHASES")
    await card(page, "Glue").get_by_role("button", name="Approve").click()
    await expect(page.get_by_test_id("toast")).to_contain_text("sent twice")
    await expect(card(page, "Glue")).to_contain_text("Approved by @Ada Okafor")
    await expect(page.get_by_test_id("fault-twice")).to_have_attribute("aria-pressed", "false")
    await expect(step(page, "Completed")).to_be_visible()


async def test_a_text_that_vanishes_and_a_card_that_is_deleted(shared: Demo, page: Page) -> None:
    await ask(page, shared, "Tin")
    await type_in(page, "/request-approval payment 12400 Steel")
    await expect(card(page, "Steel").get_by_role("button", name="Approve")).to_be_visible()
    await page.get_by_test_id("trouble").click()
    await page.get_by_test_id("fault-sms").click()
    await become(page, "U0ADA", "C0PURCHASES")
    await card(page, "Steel").get_by_role("button", name="Approve").click()
    await page.get_by_test_id("confirm").click()
    await expect(page.get_by_test_id("fault-sms")).to_contain_text("on, until switched off · hit 1")
    await expect(step(page, "Code sent by SMS")).to_contain_text("Ada Okafor")
    await expect(page.get_by_test_id("phone-texts").locator(".text")).to_have_count(0)
    await page.get_by_test_id("delete-card").click()
    await expect(page.get_by_test_id("trouble-outcome")).to_contain_text("The card is gone for everyone")
    await expect(card(page, "Steel").get_by_role("button", name="Approve")).to_have_count(0)
    await expect(page.get_by_test_id("story-standing")).to_have_text("Waiting")
    # Another request's card is in view, with other approvers: the panel's trouble is not for that one.
    await expect(card(page, "Tin").get_by_role("button", name="Approve")).to_be_visible()
    await expect(page.get_by_test_id("delete-card")).to_be_disabled()
    await expect(page.get_by_test_id("wrong-person")).to_be_disabled()


async def test_slack_that_refuses_is_waited_out(shared: Demo, page: Page) -> None:
    """The decision counts at once, and its effects are put off durably. Both switches, each on and off again."""
    await ask(page, shared, "Staples")
    await become(page, "U0ADA", "C0PURCHASES")
    await page.get_by_test_id("trouble").click()
    limited, broken = page.get_by_test_id("fault-429"), page.get_by_test_id("fault-500")
    await broken.click()
    await expect(broken).to_contain_text(re.compile(r"on, \d\d s more"))
    await broken.click()
    await expect(broken).to_have_attribute("aria-pressed", "false")
    await limited.click()
    await expect(limited).to_have_attribute("aria-pressed", "true")
    await card(page, "Staples").get_by_role("button", name="Approve").click()
    await expect(step(page, "Delayed: editing the card")).to_contain_text("#purchases")
    await expect(limited).to_contain_text(re.compile(r"hit \d+"))
    await expect(page.get_by_test_id("story-standing")).to_have_text("Approved")
    await expect(card(page, "Staples").get_by_role("button", name="Approve")).to_be_visible()
    await limited.click()
    await expect(limited).to_have_attribute("aria-pressed", "false")
    await page.get_by_test_id("advance-hour").click()
    await expect(card(page, "Staples")).to_contain_text("Approved by @Ada Okafor")


async def test_its_times_are_those_of_whoever_one_is(shared: Demo, page: Page) -> None:
    await ask(page, shared, "Folders")
    await expect(page.get_by_test_id("story-panel")).to_contain_text("Folders")
    started = step(page, "Started").locator("time")
    berlin = await started.inner_text()
    await become(page, "U0SAM", "C0PURCHASES")
    await expect(started).not_to_have_text(berlin)
