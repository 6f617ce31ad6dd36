"""The phone in the right column: what a person sees of texts, and how they answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Locator, Page, expect

from bot.simulator import Person, Simulator

Open = Callable[..., Awaitable[Page]]

ADA, FROM = "+12025550142", "+12025550100"
ACCOUNT_SID, AUTH_TOKEN = "AC" + "a1" * 16, "2f" * 16

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def text(sim: Simulator, body: str, to: str = ADA) -> None:
    """Sends a text as the app does."""
    url = f"{sim.sms_api_url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    form = {"To": to, "From": FROM, "Body": body}
    headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=form) as response:
        assert response.status == 201, await response.text()


def phone(page: Page) -> Locator:
    return page.get_by_test_id("phone")


@pytest_asyncio.fixture(loop_scope="session")
async def answering(sim: Simulator) -> AsyncIterator[list[tuple[int, str]]]:
    """An app that answers texts with these, in turn: status and words; then with nothing."""
    answers: list[tuple[int, str]] = []

    async def handle(_request: web.Request) -> web.Response:
        status, words = answers.pop(0) if answers else (204, "")
        return web.Response(status=status, text=words)

    app = web.Application()
    app.router.add_post("/sms", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sim.sms_inbound_url = f"http://127.0.0.1:{runner.addresses[0][1]}/sms"
    yield answers
    await runner.cleanup()


async def test_a_text_is_answered_by_keyboard(show: Open, sim: Simulator, answering: Any) -> None:
    page = await show("U0ADA")
    await expect(page.get_by_role("region", name="Ada's phone")).to_be_visible()
    await expect(page.get_by_test_id("phone-number")).to_have_text("+1 202 555 0142")
    await expect(phone(page)).to_contain_text("No texts yet.")
    await text(sim, "Reply <b>481926</b> to approve.")
    arrived = phone(page).locator(".text--in").last
    await expect(arrived).to_contain_text("Reply <b>481926</b> to approve. 12:00")
    await expect(arrived).to_contain_text("+1 202 555 0100 wrote:")
    await expect(page.get_by_test_id("announcer")).to_contain_text("Text message from +1 202 555 0100: Reply")

    answering.append((200, "Thanks, approved."))
    field = page.get_by_role("textbox", name="Reply from Ada Okafor's phone")
    await field.focus()
    await page.keyboard.type("481926")
    await page.keyboard.press("Enter")
    await expect(phone(page).locator(".text--out")).to_contain_text("You wrote: 481926")
    await expect(phone(page).locator(".text--in").last).to_contain_text("Thanks, approved.")
    await expect(field).to_have_value("")
    await expect(field).to_be_focused()


async def test_the_newest_text_is_in_sight(show: Open, sim: Simulator) -> None:
    page = await show("U0ADA")
    for number in range(12):
        await text(sim, f"This is text number {number}, of which there are many.")
    await expect(phone(page).get_by_text("text number 11,")).to_be_in_viewport()
    await expect(phone(page).get_by_text("text number 0,")).not_to_be_in_viewport()
    await expect(page.get_by_test_id("phone-reply")).to_be_in_viewport()


async def test_a_dot_says_whose_phone_rang(show: Open, sim: Simulator) -> None:
    page = await show("U0RITA")
    dot = page.locator("[data-testid=person-U0ADA] .dot")
    await expect(page.get_by_test_id("phone-number")).to_have_text("+1 202 555 0147")
    await expect(dot).to_have_count(0)
    await text(sim, "481926")
    await expect(dot).to_have_count(1)
    await page.get_by_test_id("person-U0ADA").click()
    await expect(phone(page)).to_contain_text("481926")
    async with Person(sim.url, "U0ADA") as ada:

        async def read(person: Person) -> bool:
            return (await person.phone())["unread"] == 0

        await ada.wait_for(read)
    await page.get_by_test_id("person-U0RITA").click()
    await expect(phone(page)).to_contain_text("No texts yet.")
    await expect(dot).to_have_count(0)


async def test_a_text_to_a_phone_out_of_sight_waits(show: Open, sim: Simulator) -> None:
    page = await show("U0ADA", width=390)
    toggle = page.get_by_role("button", name="Clock, app and phone")
    await expect(phone(page)).to_be_hidden()
    await text(sim, "481926")
    await expect(page.get_by_role("button", name="Clock, app and phone, a text is waiting")).to_be_visible()
    await toggle.click()
    await expect(phone(page).get_by_text("481926")).to_be_in_viewport()
    await expect(toggle).to_have_accessible_name("Clock, app and phone")
    field = page.get_by_test_id("phone-reply")
    await field.scroll_into_view_if_needed()
    await field.fill("hi")
    await field.press("Enter")
    await expect(phone(page).locator(".text--out")).to_contain_text("hi")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_what_did_not_arrive_is_marked_and_its_words_are_not_shown(show: Open, sim: Simulator) -> None:
    page = await show("U0ADA")
    fault = {"service": "sms", "kind": "undeliverable", "code": 30006}
    async with aiohttp.ClientSession() as session:
        await session.post(f"{sim.url}/sim/faults", json=fault)
    await text(sim, "481926")
    await expect(phone(page).locator("[data-status=undelivered]")).to_contain_text("did not arrive")
    await expect(phone(page).locator("[data-status=undelivered]")).to_contain_text("30006")
    await expect(phone(page)).not_to_contain_text("481926")


async def test_a_reply_the_app_did_not_take_can_be_delivered_again(show: Open, answering: Any) -> None:
    page = await show("U0ADA")
    answering += [(500, ""), (500, ""), (200, "Thanks.")]
    await page.get_by_test_id("phone-reply").fill("481926")
    await page.get_by_test_id("phone-reply").press("Enter")
    await expect(phone(page).locator(".text__failed")).to_have_text("The app did not take it (11200)")
    await page.get_by_test_id("phone-redeliver").click()
    await expect(phone(page).locator(".text__failed")).to_have_count(0)
    await expect(phone(page)).to_contain_text("Thanks.")
    await expect(phone(page).locator(".text--out")).to_have_count(1)


async def test_opting_out_is_said(show: Open) -> None:
    page = await show("U0ADA")
    notice = page.get_by_test_id("phone-opted-out")
    await expect(notice).to_be_hidden()
    for word, check in (("STOP", notice.is_visible), ("START", notice.is_hidden)):
        await page.get_by_test_id("phone-reply").fill(word)
        await page.get_by_test_id("phone-reply").press("Enter")
        await expect(phone(page).locator(".text--in").last).to_contain_text("successfully been")
        await expect(notice).to_be_visible(visible=word == "STOP")
        assert await check()


async def test_half_typed_words_stay_with_whose_phone_it_is(show: Open) -> None:
    page = await show("U0ADA")
    field = page.get_by_test_id("phone-reply")
    await field.fill("4819")
    await page.get_by_test_id("person-U0FIN").click()
    await expect(field).to_have_accessible_name("Reply from Fin Larsen's phone")
    await expect(field).to_have_value("")
    await page.get_by_test_id("person-U0ADA").click()
    await expect(field).to_have_accessible_name("Reply from Ada Okafor's phone")
    await expect(field).to_have_value("4819")
