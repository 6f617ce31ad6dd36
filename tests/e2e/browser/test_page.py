"""What a person does at the page: write, decide, fill in forms, become someone else."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from bot.simulator import Person, Simulator

Open = Callable[..., Awaitable[Page]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def write(page: Page, text: str) -> None:
    await page.get_by_test_id("composer").fill(text)
    await page.get_by_test_id("composer").press("Enter")


async def test_a_message_appears_as_it_was_typed(show: Open) -> None:
    page = await show()
    await write(page, "2 < 3 & <@U0ADA> <b>bold</b>, right @ada?")
    shown = page.locator(".main .message__text").last
    await expect(shown).to_have_text("2 < 3 & <@U0ADA> <b>bold</b>, right @Ada Okafor?")


async def test_the_effect_of_a_click_is_seen_by_everyone(show: Open) -> None:
    rita, ada = await show("U0RITA"), await show("U0ADA")
    await write(rita, "/card")
    await ada.locator(".main [data-action-id=approve]").click()
    for page in (rita, ada):
        await expect(page.locator(".main .message").last).to_contain_text("Approved by @Ada Okafor")
        await expect(page.locator("[data-action-id=approve]")).to_have_count(0)


async def test_an_ephemeral_is_seen_by_one_person_only(show: Open) -> None:
    page = await show()
    await write(page, "/card")
    await page.get_by_test_id("person-U0SAM").click()
    await page.locator(".main [data-action-id=approve]").click()
    notice = page.locator(".main [data-ephemeral]")
    await expect(notice).to_contain_text("Only visible to you")
    await expect(notice).to_contain_text("That is not yours to decide.")
    await page.get_by_test_id("person-U0RITA").click()
    await expect(page.get_by_test_id("me")).to_contain_text("Rita Moreno")
    await expect(page.locator(".main [data-action-id=approve]")).to_be_visible()
    await expect(notice).to_have_count(0)


async def test_a_confirm_question_is_asked_first(show: Open) -> None:
    page = await show()
    await write(page, "/card")
    await page.locator(".main [data-action-id=drop]").click()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.locator(".main [data-action-id=drop]")).to_be_focused()
    await page.locator(".main [data-action-id=drop]").click()
    await page.get_by_test_id("confirm").click()
    await expect(page.locator(".main [data-action-id=drop]")).to_have_count(0)


async def test_a_modal_by_keyboard_alone(show: Open) -> None:
    """Opened, refused at the field, mended, submitted with Ctrl+Enter; the focus is back where it was."""
    page = await show()
    await write(page, "/ask")
    title = page.locator("[data-testid=modal] input[data-action-id=title]")
    await expect(title).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-testid=modal] [data-action-id=vendor]")).to_be_visible()
    await expect(page.locator("[data-testid=modal] button[data-action-id=kind]")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.type("no")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("alert").filter(has_text="required field")).to_have_count(1)
    await page.locator("[data-testid=modal] [data-action-id=vendor]").fill("Nordlicht")
    await page.keyboard.press("Control+Enter")
    await expect(title).to_be_focused()
    await expect(title).to_have_accessible_description("Say what you need.")
    await title.fill("Laptops")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_test_id("modal")).to_have_count(0)
    await expect(page.get_by_test_id("composer")).to_be_focused()
    await expect(page.locator(".main .message").last).to_contain_text("Asked: Laptops")


async def test_escape_closes_the_list_before_the_modal(show: Open, sim: Simulator) -> None:
    page = await show()
    await write(page, "/ask")
    chooser = page.locator("[data-testid=modal] button[data-action-id=kind]")
    await chooser.click()
    await expect(page.get_by_role("option", name="Deploy")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("option")).to_have_count(0)
    await expect(chooser).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("modal")).to_have_count(0)
    async with Person(sim.url, "U0RITA") as rita:
        assert await rita.views() == []


async def test_an_unread_dot_says_whom_something_waits_for(show: Open, sim: Simulator) -> None:
    page = await show("U0RITA", "C0GENERAL")
    dot = page.locator("[data-testid=person-U0FIN] .dot")
    await expect(dot).to_have_count(0)
    async with Person(sim.url, "U0ADA") as ada:
        await ada.say("C0DEPLOYS", "<@U0FIN> may I?")
    await expect(dot).to_have_count(1)
    await page.get_by_test_id("person-U0FIN").click()
    await page.get_by_test_id("channel-C0DEPLOYS").click()
    await expect(page.locator(".main .message").last).to_contain_text("@Fin Larsen may I?")
    await page.get_by_test_id("person-U0RITA").click()
    await expect(dot).to_have_count(0)


async def test_a_thread_opens_beside_the_conversation(show: Open, sim: Simulator) -> None:
    async with Person(sim.url, "U0ADA") as ada:
        parent = await ada.say("C0PURCHASES", "Which model?")
        await ada.say("C0PURCHASES", "Anyone?", parent["ts"])
    page = await show()
    await page.get_by_test_id(f"thread-{parent['ts']}").click()
    await expect(page.get_by_test_id("thread-composer")).to_be_focused()
    await page.keyboard.type("The small one.")
    await page.keyboard.press("Enter")
    await expect(page.locator("#thread .message").last).to_contain_text("The small one.")
    await page.keyboard.press("Escape")
    await expect(page.locator("#thread")).to_be_hidden()
    opener = page.get_by_test_id(f"thread-{parent['ts']}")
    await expect(opener).to_contain_text("2 replies")
    await expect(opener).to_be_focused()


async def test_home_is_asked_for_when_it_is_looked_at(show: Open) -> None:
    page = await show("U0ADA", "D0ADA")
    await page.get_by_test_id("tab-home").click()
    await expect(page.get_by_role("heading", name="What waits for you")).to_be_visible()


async def test_the_address_says_who_and_where(show: Open) -> None:
    page = await show("U0ADA", "C0DOCS")
    await expect(page.get_by_test_id("me")).to_contain_text("Ada Okafor")
    await page.get_by_test_id("channel-C0ACCESS").click()
    await page.reload()
    await expect(page.get_by_test_id("channel-C0ACCESS")).to_have_attribute("aria-current", "page")
    await expect(page.get_by_test_id("person-U0ADA")).to_have_attribute("aria-pressed", "true")


async def test_a_permalink_leads_there_in_this_page(show: Open, sim: Simulator) -> None:
    async with Person(sim.url, "U0ADA") as ada:
        target = await ada.say("C0DOCS", "Here it is.")
        await ada.say("C0PURCHASES", f"See {sim.url}/archives/C0DOCS/p{target['ts'].replace('.', '')}")
    page = await show()
    await page.locator(".main .message__text a").click()
    await expect(page.locator(".main").get_by_test_id(f"message-{target['ts']}")).to_be_focused()
    await expect(page.get_by_test_id("me")).to_contain_text("Rita Moreno")


async def test_a_command_that_fails_is_said_and_not_lost(show: Open, sim: Simulator) -> None:
    page = await show()
    sim.request_url = "http://127.0.0.1:1/slack/events"
    await write(page, "/card now")
    await expect(page.locator(".main [data-ephemeral]")).to_contain_text("/card failed")
    await expect(page.get_by_test_id("composer")).to_have_value("/card now")


async def test_the_slash_suggests_and_tab_completes(show: Open) -> None:
    page = await show()
    await page.get_by_test_id("composer").press_sequentially("/req")
    option = page.get_by_role("option", name="/request-approval")
    await expect(option).to_contain_text("[policy] [title]")
    await page.keyboard.press("Tab")
    await expect(page.get_by_test_id("composer")).to_have_value("/request-approval ")


async def test_the_page_outlives_the_simulator(show: Open, sim: Simulator) -> None:
    page = await show()
    port = int(sim.url.rsplit(":", 1)[1])
    await sim.stop()
    banner = page.get_by_text("The simulator cannot be reached.")
    await expect(banner).to_be_visible()
    await sim.start(port=port)
    await expect(banner).to_be_hidden()
    await write(page, "Back again")
    await expect(page.locator(".main .message").last).to_contain_text("Back again")


async def test_a_phone_has_drawers(show: Open) -> None:
    page = await show(width=360)
    await expect(page.get_by_test_id("channel-C0DOCS")).to_be_hidden()
    await page.get_by_test_id("open-sidebar").click()
    await page.get_by_test_id("channel-C0DOCS").click()
    await expect(page.get_by_test_id("channel-C0DOCS")).to_be_hidden()
    await expect(page.get_by_role("heading", name="doc-reviews", exact=True)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
