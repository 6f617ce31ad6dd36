"""The right column: what is happening to a request, and trouble at the press of a button."""

from __future__ import annotations

import re

from playwright.async_api import Locator, Page, expect

from tests.demo.conftest import Demo
from tests.demo.test_walk import become, card, type_in


def step(page: Page, words: str) -> Locator:
    return page.get_by_test_id("story").locator("li").filter(has_text=words)


async def ask(page: Page, demo: Demo, title: str) -> None:
    await page.goto(f"{demo.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, f"/request-approval payment 10 {title}")
    await expect(card(page, title).get_by_role("button", name="Approve")).to_be_visible()


async def test_the_panel_follows_a_request_through_a_kill(demo: Demo, page: Page) -> None:
    panel, note = page.get_by_test_id("story-panel"), page.get_by_test_id("story-note")
    await page.goto(f"{demo.url}/#as=U0RITA&channel=C0PURCHASES")
    await expect(panel).to_contain_text("Nothing yet")
    await ask(page, demo, "Pencils")
    await expect(page.get_by_test_id("story-id")).to_have_text(re.compile("^payment-"))
    await expect(step(page, "Started")).to_contain_text("Rita Moreno")
    await expect(step(page, "Card posted")).to_contain_text("#purchases")
    await expect(page.get_by_test_id("story-waiting")).to_contain_text("Waiting for Finance")
    await expect(page.get_by_test_id("story-countdown")).to_have_text(re.compile(r"23 h 5\d min \d+ s left"))

    await page.get_by_test_id("kill").click()
    await expect(note).to_contain_text("Killed. Nothing runs now; 3 steps are on disk, and the timer too.")
    await expect(step(page, "Card posted")).to_be_visible()
    await page.get_by_test_id("start").click()
    await expect(note).to_have_text("Back again. Nothing was lost: all 3 steps are still there.")

    await become(page, "U0ADA", "C0PURCHASES")
    await card(page, "Pencils").get_by_role("button", name="Approve").click()
    await expect(step(page, "Event received")).to_contain_text("ApprovalDecision: approve")
    await expect(page.get_by_test_id("story-standing")).to_have_text("Approved")
    await expect(step(page, "Completed")).to_be_visible()
    await expect(page.get_by_test_id("story-waiting")).to_be_hidden()


async def test_the_id_on_a_card_brings_its_story(demo: Demo, page: Page) -> None:
    """Else the newest is shown; and another one's time that is up is seen by nobody but who looks for it."""
    await ask(page, demo, "Pencils")
    shown = page.get_by_test_id("story-id")
    await expect(shown).to_have_text(re.compile("^payment-"))
    first = await shown.inner_text()
    await ask(page, demo, "Erasers")
    await expect(page.get_by_test_id("story-panel")).to_contain_text("Erasers")
    await page.get_by_test_id(f"work-{first}").first.click()
    await expect(shown).to_have_text(first)
    await page.get_by_test_id("next-deadline").click()
    await expect(step(page, "Timer fired").first).to_be_visible()
    await expect(page.get_by_test_id("story-standing")).to_have_text("Escalated")


async def test_slack_that_refuses_is_waited_out(demo: Demo, page: Page) -> None:
    """The decision counts at once, and its effects are put off durably. Both switches, each on and off again."""
    await ask(page, demo, "Pencils")
    await become(page, "U0ADA", "C0PURCHASES")
    await page.get_by_test_id("trouble").click()
    limited, broken = page.get_by_test_id("fault-429"), page.get_by_test_id("fault-500")
    await broken.click()
    await expect(broken).to_contain_text(re.compile(r"on, \d\d s more"))
    await broken.click()
    await expect(broken).to_have_attribute("aria-pressed", "false")
    await limited.click()
    await expect(limited).to_have_attribute("aria-pressed", "true")
    await card(page, "Pencils").get_by_role("button", name="Approve").click()
    await expect(step(page, "Put off: card edited")).to_contain_text("#purchases")
    await expect(limited).to_contain_text(re.compile(r"hit \d+"))
    await expect(page.get_by_test_id("story-standing")).to_have_text("Approved")
    await expect(card(page, "Pencils").get_by_role("button", name="Approve")).to_be_visible()
    await limited.click()
    await expect(limited).to_have_attribute("aria-pressed", "false")
    await page.get_by_test_id("advance-hour").click()
    await expect(card(page, "Pencils")).to_contain_text("Approved by @Ada Okafor")


async def test_clumsy_fingers_and_the_wrong_ones_change_nothing(demo: Demo, page: Page) -> None:
    await ask(page, demo, "Pencils")
    await page.get_by_test_id("trouble").click()
    await page.get_by_test_id("wrong-person").click()
    outcome = page.get_by_test_id("trouble-outcome")
    await expect(outcome).to_contain_text("Sam Whitlock pressed Approve, and alone sees:")
    await expect(outcome).to_contain_text("You are not one of the approvers of this request")
    await page.get_by_test_id("fault-twice").click()
    await become(page, "U0ADA", "C0PURCHASES")
    await card(page, "Pencils").get_by_role("button", name="Approve").click()
    await expect(page.get_by_test_id("toast")).to_contain_text("sent twice")
    await expect(card(page, "Pencils")).to_contain_text("Approved by @Ada Okafor")
    await expect(page.get_by_test_id("fault-twice")).to_have_attribute("aria-pressed", "false")
    await expect(step(page, "Completed")).to_be_visible()


async def test_a_text_that_vanishes_and_a_card_that_is_deleted(demo: Demo, page: Page) -> None:
    await page.goto(f"{demo.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval payment 12400 Steel")
    await expect(card(page, "Steel").get_by_role("button", name="Approve")).to_be_visible()
    await page.get_by_test_id("trouble").click()
    await page.get_by_test_id("fault-sms").click()
    await become(page, "U0ADA", "C0PURCHASES")
    await card(page, "Steel").get_by_role("button", name="Approve").click()
    await expect(page.get_by_test_id("fault-sms")).to_contain_text("on, until switched off · hit 1")
    await expect(step(page, "Code sent by SMS")).to_contain_text("Ada Okafor")
    await expect(page.get_by_test_id("phone-texts").locator(".text")).to_have_count(0)
    await page.get_by_test_id("delete-card").click()
    await expect(page.get_by_test_id("trouble-outcome")).to_contain_text("The card is gone for everyone")
    await expect(card(page, "Steel").get_by_role("button", name="Approve")).to_have_count(0)
    await expect(page.get_by_test_id("story-standing")).to_have_text("Waiting")
