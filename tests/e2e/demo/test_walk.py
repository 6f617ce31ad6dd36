"""The demo as a newcomer uses it: the real command, a real browser, keys and buttons."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.demo.conftest import Demo, started
from tests.support.page import become, card, type_in

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def press_until(page: Page, title: str, words: str) -> None:
    """Presses Approve, and again where the page says that the app did not answer in Slack's three seconds.

    On a busy machine a bot that has just started can be that slow; a person presses again, and it counts once.
    """
    for _ in range(3):
        approve = card(page, title).get_by_role("button", name="Approve")
        if await approve.count():
            await approve.click()
        try:
            await expect(card(page, title)).to_contain_text(words, timeout=8_000)
        except AssertionError:
            continue
        return
    await expect(card(page, title)).to_contain_text(words)


async def test_silence_escalates_and_then_times_out(shared: Demo, page: Page) -> None:
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval payment 10 Pencils")
    await expect(card(page, "Pencils").get_by_role("button", name="Approve")).to_be_visible()
    await page.get_by_test_id("next-deadline").click()
    await expect(card(page, "Pencils")).to_contain_text("Escalated")
    await become(page, "U0DIRK", "C0ESCALATIONS")
    await expect(card(page, "Pencils").get_by_role("button", name="Approve")).to_be_visible()
    await page.get_by_test_id("advance-day").click()
    await expect(card(page, "Pencils")).to_contain_text("Timed out")
    await page.get_by_test_id("channel-C0PURCHASES").click()
    await expect(card(page, "Pencils")).to_contain_text("Timed out")
    await expect(card(page, "Pencils").locator("[data-action-id]:not([data-action-id=more])")).to_have_count(
        0
    )


async def test_ask_approve_and_see_the_card_say_so(shared: Demo, page: Page) -> None:
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval purchase 4200 New laptops for the team")
    laptops = card(page, "New laptops for the team")
    await expect(laptops.get_by_role("button", name="Approve")).to_be_visible()
    await expect(laptops).to_contain_text("4,200.00 USD")

    await become(page, "U0ADA", "C0PURCHASES")
    await laptops.get_by_role("button", name="Approve").click()
    await expect(laptops).to_contain_text("✓ Manager · @Ada Okafor")
    await become(page, "U0FIN", "C0PURCHASES")
    await expect(laptops).to_contain_text("Finance")
    await laptops.get_by_role("button", name="Approve").click()
    await expect(laptops).to_contain_text("Approved by @Fin Larsen")
    await expect(laptops).to_contain_text("Order")
    await expect(laptops.locator("[data-action-id]:not([data-action-id=more])")).to_have_count(0)

    await become(page, "U0RITA")
    await page.get_by_role("navigation").get_by_text("Countersign", exact=True).click()
    # The page also reads out what comes while it is looked at, so the words may stand twice.
    told = page.locator("#main").get_by_text("@Fin Larsen approved “New laptops for the team”")
    await expect(told).to_be_visible()


async def test_a_large_payment_is_confirmed_by_a_reply_to_an_sms(shared: Demo, page: Page) -> None:
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval payment 12,400 Steel for hall 3")
    steel = card(page, "Steel for hall 3")
    await expect(steel.get_by_role("button", name="Approve")).to_be_visible()
    await become(page, "U0ADA", "C0PURCHASES")
    await steel.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("dialog")).to_contain_text("“Steel for hall 3” · 12,400.00 USD")
    await page.get_by_test_id("confirm").click()
    await expect(steel).to_contain_text("Waiting for @Ada Okafor to confirm by SMS")
    await expect(page.get_by_test_id("story-waiting")).to_contain_text("Waiting for the code by SMS")
    text = page.get_by_text("Countersign: reply").last
    await expect(text).to_be_visible()
    code = (await text.inner_text()).split("reply ")[1].split(" ")[0]
    # Killed with SIGKILL between the send and the reply: the code that was sent still counts.
    await page.get_by_test_id("kill").click()
    await page.get_by_test_id("start").click()
    await expect(page.get_by_test_id("kill")).to_be_visible(timeout=20_000)
    await page.get_by_test_id("phone-reply").fill(code)
    await page.get_by_test_id("phone-reply").press("Enter")
    # After its use the phone is folded, and its last text stays.
    await expect(page.get_by_test_id("phone-last")).to_have_text("Thanks, confirmed.")
    await expect(page.get_by_test_id("phone-reply")).to_be_hidden()
    await expect(steel).to_contain_text("Approved by @Ada Okafor")


async def test_the_form_and_a_rejection_with_its_reason(shared: Demo, page: Page) -> None:
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval")
    form = page.get_by_test_id("modal")
    await form.get_by_label("What kind of approval?").click()
    await page.get_by_role("option", name="Payment").click()
    await form.get_by_label("What do you need?").fill("A better coffee machine")
    await form.get_by_label("Amount").fill("900")
    await page.get_by_test_id("modal-submit").click()
    coffee = card(page, "A better coffee machine")
    await expect(coffee).to_contain_text("900.00 USD")

    await become(page, "U0FIN", "C0PURCHASES")
    await coffee.get_by_role("button", name="Reject").click()
    await page.get_by_test_id("modal").get_by_role("textbox").fill("The old one still works.")
    await page.get_by_test_id("modal-submit").click()
    await expect(coffee).to_contain_text("Rejected by @Fin Larsen")
    await expect(coffee).to_contain_text("The old one still works.")


async def test_who_may_not_decide_is_told_privately(shared: Demo, page: Page) -> None:
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval payment 10 Rulers")
    await become(page, "U0SAM", "C0PURCHASES")
    await card(page, "Rulers").get_by_role("button", name="Approve").click()
    told = page.locator("[data-testid^=message-]").filter(has_text="You are not one of the approvers")
    await expect(told).to_contain_text("Only visible to you")
    await become(page, "U0ADA", "C0PURCHASES")
    await expect(card(page, "Rulers").get_by_role("button", name="Approve")).to_be_visible()
    await expect(told).to_have_count(0)
    await card(page, "Rulers").get_by_role("button", name="Approve").click()
    await expect(card(page, "Rulers")).to_contain_text("Approved by @Ada Okafor")


async def test_killed_under_the_page_and_started_again_nothing_is_lost(shared: Demo, page: Page) -> None:
    await page.goto(f"{shared.url}/#as=U0RITA&channel=C0PURCHASES")
    await type_in(page, "/request-approval payment 10 Erasers")
    await expect(card(page, "Erasers").get_by_role("button", name="Approve")).to_be_visible()
    await become(page, "U0ADA", "C0PURCHASES")
    await page.get_by_test_id("kill").click()
    await page.get_by_test_id("start").click()
    await expect(page.get_by_test_id("kill")).to_be_visible(timeout=20_000)
    await press_until(page, "Erasers", "Approved by @Ada Okafor")


async def test_the_whole_demo_stopped_and_started_is_as_it_was(tmp_path: Path, page: Page) -> None:
    """By Ctrl-C, and by `kill -9` of the supervisor, whose bot must then end by itself."""
    async with started(tmp_path / "demo") as demo:
        await page.goto(f"{demo.url}/#as=U0RITA&channel=C0PURCHASES")
        for how, title in ((signal.SIGINT, "Pencils"), (signal.SIGKILL, "Erasers")):
            await become(page, "U0RITA", "C0PURCHASES")
            await type_in(page, f"/request-approval payment 10 {title}")
            await expect(card(page, title).get_by_role("button", name="Approve")).to_be_visible()
            await demo.stop(how)
            await demo.start()
            await page.goto("about:blank")
            await page.goto(f"{demo.url}/#as=U0ADA&channel=C0PURCHASES")
            await card(page, title).get_by_role("button", name="Approve").click()
            await expect(card(page, title)).to_contain_text("Approved by @Ada Okafor")
