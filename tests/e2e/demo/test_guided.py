"""The scenarios in the page, played automatically and by hand. All tests share one demo."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from bot.demo.scenarios.script import NAMES, load
from bot.simulator import Person
from tests.e2e.demo.conftest import Demo, complaints_of
from tests.support.page import PICTURES, become, card, picture, type_in

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("terminal")]

# What the last step of each leaves on the screen, beside the coach bar.
SHOWN = {
    "laptop": "@Fin Larsen approved “New laptops for the team”",
    "deploy": "Approved by @Fin Larsen",
    "payment": "Approved by @Ada Okafor",
    "silence": "Rejected by @Dirk Hahn",
    "order": "Created → Paid → Shipped → Completed",
    "readiness": "2 of 3 answered",
    "database": "Changed by @Ada Okafor",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def context(shared_browser: Browser) -> BrowserContext:
    """One that asks for less motion: then the page does not hold still for people to see."""
    return await shared_browser.new_context(
        viewport={"width": 1400, "height": 900},
        device_scale_factor=2 if PICTURES else 1,
        reduced_motion="reduce",
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def terminal() -> AsyncIterator[Process]:
    """The command without a page, in a demo of its own. It mostly waits, so the tests of the page run meanwhile."""
    command = (sys.executable, "-m", "bot", "demo", "--headless", "--scenario", "all")
    found = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    yield found
    if found.returncode is None:
        found.kill()
        await found.wait()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(shared: Demo, context: BrowserContext) -> AsyncIterator[Page]:
    found = await context.new_page()
    complaints, _ = complaints_of(found)
    await found.goto(f"{shared.url}/#as=U0RITA&channel=C0GENERAL")
    yield found
    await found.close()
    assert complaints == []


async def choose(page: Page, way: str, name: str) -> None:
    await page.get_by_test_id("guided").click()
    await page.get_by_test_id(f"{way}-{name}").click()


async def stands_at(page: Page, step: int, phase: str = "waiting") -> None:
    coach = page.get_by_test_id("coach")
    await expect(coach).to_have_attribute("data-step", str(step))
    await expect(coach).to_have_attribute("data-phase", phase)


@pytest.mark.parametrize("name", SHOWN)
async def test_it_is_played_step_by_step(page: Page, name: str) -> None:
    """The page shows each step, and the next one waits until it was seen. The scenario begins by itself."""
    scenario = load(name)
    coach = page.get_by_test_id("coach")
    await choose(page, "play", name)
    last = len(scenario.steps) - 1
    for number, step in enumerate(scenario.steps):
        if number:
            await page.get_by_test_id("guided-next").click()
        await expect(coach).to_contain_text(step.tell)
        if not number:
            await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_test_id(f"person-{step.who}")).to_have_attribute("aria-pressed", "true")
        await stands_at(page, min(number + 1, last), "over" if number == last else "waiting")
        await expect(page.get_by_test_id("guided-count")).to_have_text(f"Step {number + 1} of {last + 1}")
        if name == "payment" and number == 1:
            await expect(page.get_by_text("Countersign: reply").last).to_be_visible()
            await picture(page, "workspace")
        if name == "database" and number == 2:
            await picture(page, "changed")
        if name == "order" and number == 2:
            await expect(coach).to_contain_text("→ 200 duplicate")
            await picture(page, "order")
        if name == "silence" and number == 2:
            await expect(page.get_by_test_id("story")).to_contain_text("Reminder due")
            await picture(page, "silence", "dark")
    await expect(page.locator(".main")).to_contain_text(SHOWN[name])
    await page.get_by_test_id("guided-leave").click()
    await expect(coach).to_be_hidden()


async def test_by_hand_it_notices_what_was_done_through_a_reload_and_with_a_second_page(
    page: Page, context: BrowserContext
) -> None:
    """A request with another title counts too."""
    await choose(page, "hand", "laptop")
    await expect(page.get_by_test_id("guided-todo")).to_contain_text("Become Rita, open #purchases and send")
    await become(page, "U0RITA", "C0PURCHASES")
    await type_in(page, "/request-approval purchase 4200 Ten chairs")
    await expect(card(page, "Ten chairs").get_by_role("button", name="Approve")).to_be_visible()
    await stands_at(page, 1)

    await page.reload()
    await expect(page.get_by_test_id("guided-todo")).to_have_text("Become Ada and press Approve on the card.")
    second = await context.new_page()
    await second.goto(page.url)
    await stands_at(second, 1)
    await expect(second.get_by_test_id("person-U0RITA")).to_have_attribute("aria-pressed", "true")
    await second.get_by_test_id("guided-there").click()
    await expect(second.get_by_test_id("person-U0ADA")).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_test_id("person-U0RITA")).to_have_attribute("aria-pressed", "true")
    await expect(card(second, "Ten chairs").get_by_role("button", name="Approve")).to_be_focused()
    await second.keyboard.press("Enter")
    await stands_at(page, 2)

    await page.bring_to_front()  # what a browser does not show, it hardly moves
    await page.get_by_test_id("guided-do").click()
    await stands_at(second, 3)
    await expect(page.get_by_test_id("guided-do")).to_have_text(
        "Show me"
    )  # what there is only to see waits for it
    await page.get_by_test_id("guided-do").click()
    await expect(page.locator(".main")).to_contain_text("@Fin Larsen approved “Ten chairs”")
    await stands_at(second, 3, "over")
    await second.close()


async def test_by_hand_a_request_that_took_another_turn_can_be_started_over(page: Page) -> None:
    """Fin's and Ada's yes are enough, so the button that Ada is to press twice is gone."""
    await choose(page, "hand", "deploy")
    for done in (1, 2):  # Sam asks, and Rita may not decide
        await page.get_by_test_id("guided-do").click()
        await stands_at(page, done)
    for who in ("U0FIN", "U0ADA"):
        await become(page, who, "C0DEPLOYS")
        await card(page, "Release 2.4").get_by_role("button", name="Approve").click()
        await expect(card(page, "Release 2.4")).to_contain_text("1 of 2" if who == "U0FIN" else "Approved by")
    coach = page.get_by_test_id("coach")
    await expect(coach.get_by_role("alert")).to_have_text(
        "The request was approved in another way than this scenario goes, so this step can no longer be done.",
        use_inner_text=True,
    )
    await expect(page.get_by_test_id("guided-there")).to_be_hidden()
    await coach.get_by_role("button", name="Start over").click()
    await stands_at(page, 0)
    await expect(page.get_by_test_id("guided-todo")).to_contain_text("Become Sam")
    await expect(coach.get_by_role("alert")).to_be_hidden()
    await page.get_by_test_id("guided-leave").click()


async def test_whoever_it_needs_is_brought_back(page: Page, shared: Demo) -> None:
    """Otherwise somebody else would be asked, and the scenario would wait for a person who is away."""

    async def away(ada: Person) -> bool:
        return "I am back" in str(await ada.home())

    async with Person(shared.url, "U0ADA") as ada:
        await ada.open_home()
        await ada.wait_for(Person.home)
        await ada.command("C0GENERAL", "/request-approval away until 2099-12-24 delegate @dirk")
        await ada.wait_for(away)
    await choose(page, "hand", "payment")
    await expect(page.get_by_test_id("guided-note")).to_have_text(
        "Ada was away, so that somebody else was asked; for this, Ada is back."
    )
    await page.get_by_test_id("guided-do").click()
    await stands_at(page, 1)
    await page.get_by_test_id("guided-do").click()
    await stands_at(page, 2)
    await page.get_by_test_id("guided-there").click()
    await expect(page.get_by_test_id("phone-reply")).to_be_focused()
    await page.get_by_test_id("guided-leave").click()


async def test_an_agent_that_asks_in_vain_tries_again_and_the_rest_plays_by_itself(page: Page) -> None:
    coach, script = page.get_by_test_id("coach"), load("agent")
    await page.get_by_test_id("kill").click()
    await expect(page.get_by_test_id("start")).to_be_visible()
    await choose(page, "play", "agent")
    failed = coach.get_by_role("alert")
    await expect(failed).to_have_text(
        "An agent asks, step 1 of 3: The bot does not answer; it may be stopped.", use_inner_text=True
    )
    await page.get_by_test_id("start").click()
    await expect(page.get_by_test_id("kill")).to_be_visible()
    await page.get_by_role("button", name="Try again").click()
    await stands_at(page, 1)
    await expect(failed).to_be_hidden()

    await page.get_by_role("button", name="Pause").click()
    await page.clock.install()  # so that nobody need read as slowly as a person
    await page.get_by_role("button", name="Auto-play").click()
    for number in (1, 2):
        await page.clock.run_for(20_000)
        await expect(coach).to_contain_text(script.steps[number].tell)
        await stands_at(page, 2, "waiting" if number == 1 else "over")
    await expect(page.locator(".main")).to_contain_text("Approved by @Fin Larsen")
    await expect(coach).to_contain_text("→ 200 approved, receipt")


async def test_all_of_them_in_the_terminal(terminal: Process) -> None:
    """As CI runs it: plain text, each step seen, and a bot of its own."""
    told, complaints = (part.decode() for part in await terminal.communicate())
    assert (terminal.returncode, complaints) == (0, "")
    steps = sum(len(load(name).steps) for name in NAMES)
    assert told.count("✓") == steps
    for name in NAMES:
        assert f"\n{load(name).title}\n" in told
    assert "→ 200 approved, receipt ey" in told
    assert "claim → 200, changed by people: DELETE FROM orders WHERE" in told
    assert f"{len(NAMES)} scenarios, {steps} steps, each seen" in told
    assert "\x1b" not in told
