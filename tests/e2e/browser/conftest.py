"""The page in a real Chromium, over a real simulator and a small real Bolt app. One browser for all tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Error, Page
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import AppConfig, CommandHint, Simulator, SmsAccount, Timeouts, Workspace
from tests.support import chromium
from tests.support.chromium import Windows

BOT_TOKEN = "xoxb-test"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ACCOUNT_SID, AUTH_TOKEN = "AC" + "a1" * 16, "2f" * 16
NOON = 1796382000.0  # Friday 4 December 2026, 12:00 in Berlin
Json = dict[str, Any]
Open = Callable[..., Awaitable[Page]]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def field(block_id: str, **element: Any) -> Json:
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain(block_id.capitalize()),
        "element": {"type": "plain_text_input", "action_id": block_id, **element},
    }


def form(*, vendor: bool = False) -> Json:
    kinds = [{"text": plain(kind), "value": kind.lower()} for kind in ("Purchase", "Deploy")]
    chooser = field("kind", type="static_select", options=kinds, placeholder=plain("Choose"))
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain("Ask for approval"),
        "submit": plain("Ask"),
        "blocks": [chooser | {"dispatch_action": True}, field("title")]
        + ([field("vendor")] if vendor else []),
    }


OPTIONS = [{"text": plain(f"Option {number}"), "value": f"o{number}"} for number in range(1, 9)]
EVERYTHING = {
    "type": "modal",
    "callback_id": "everything",
    "title": plain("Everything"),
    "submit": plain("Save"),
    "blocks": [
        field("needed"),
        field("one", type="static_select", options=OPTIONS),
        field("many", type="multi_static_select", options=OPTIONS),
        field("person", type="users_select"),
        field("people", type="multi_users_select", initial_users=["U0FIN"]),
        field("place", type="conversations_select"),
        field("either", type="radio_buttons", options=OPTIONS[:3]),
        field("some", type="checkboxes", options=OPTIONS[:3], initial_options=OPTIONS[:1]),
        field("day", type="datepicker"),
        field("time", type="timepicker"),
        field("moment", type="datetimepicker"),
        field("count", type="number_input", is_decimal_allowed=False),
    ],
}

CARD: list[Json] = [
    {"type": "section", "block_id": "what", "text": {"type": "mrkdwn", "text": "*Laptops*"}},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "style": "primary",
                "text": plain("Approve"),
                "value": "1",
            },
            {
                "type": "button",
                "action_id": "drop",
                "text": plain("Drop"),
                "confirm": {
                    "title": plain("Sure?"),
                    "text": plain("It is gone."),
                    "confirm": plain("Drop it"),
                    "deny": plain("Keep it"),
                },
            },
        ],
    },
]


def serve_form(app: AsyncApp) -> None:
    """`/ask` opens a form whose title may not be "no"; `/everything` one with every element."""

    @app.command("/ask")
    async def ask(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=form())

    @app.command("/everything")
    async def everything(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=EVERYTHING)

    @app.action("kind")
    async def kind(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_update(view_id=body["view"]["id"], view=form(vendor=True))

    @app.view("form")
    async def submitted(ack: Any, view: Json, client: AsyncWebClient) -> None:
        title = view["state"]["values"]["title"]["title"]["value"]
        if title == "no":
            await ack(response_action="errors", errors={"title": "Say what you need."})
            return
        await ack()
        await client.chat_postMessage(channel="C0PURCHASES", text=f"Asked: {title}")


def serve_card(app: AsyncApp) -> None:
    """`/card` posts a card that everyone but Sam may approve."""

    @app.command("/card")
    async def card(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.chat_postMessage(channel=body["channel_id"], text="Laptops", blocks=CARD)

    @app.action("approve")
    async def approve(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        user, channel = body["user"]["id"], body["channel"]["id"]
        if user == "U0SAM":
            await client.chat_postEphemeral(channel=channel, user=user, text="That is not yours to decide.")
            return
        ts, words = body["message"]["ts"], f"Approved by <@{user}>"
        await client.chat_update(channel=channel, ts=ts, text=words, blocks=[])

    @app.action("drop")
    async def drop(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.chat_delete(channel=body["channel"]["id"], ts=body["message"]["ts"])


def serve_home(app: AsyncApp) -> None:
    """Publishes a Home to whoever looks at it."""

    @app.event("app_home_opened")
    async def home(event: Json, client: AsyncWebClient) -> None:
        blocks = [{"type": "header", "text": plain("What waits for you")}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})


def bolt_app(simulator: Simulator) -> AsyncApp:
    client = AsyncWebClient(token=BOT_TOKEN, base_url=simulator.api_url)
    app = AsyncApp(client=client, signing_secret=SIGNING_SECRET)
    for serve in (serve_form, serve_card, serve_home):
        serve(app)
    return app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium.launched() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def sim() -> AsyncIterator[Simulator]:
    """A workspace whose clock stands at noon, with the app behind it."""
    workspace = Workspace.open(None, now=lambda: NOON)
    simulator = Simulator(
        workspace,
        bot_token=BOT_TOKEN,
        app_token="xapp-test",
        signing_secret=SIGNING_SECRET,
        app=AppConfig(hints=(CommandHint("/request-approval", "Ask for an approval", "[policy] [title]"),)),
        timeouts=Timeouts(status_delay=0.005),
        sms=SmsAccount(ACCOUNT_SID, AUTH_TOKEN),
    )
    await simulator.start()
    runner = web.AppRunner(bolt_app(simulator).web_app("/slack/events"), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    simulator.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield simulator
    await runner.cleanup()
    await simulator.stop()
    workspace.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def windows(browser: Browser) -> Windows:
    """For all tests: a profile for each costs twice what a window does."""
    # Playwright's own waiting needs eval, which the page's content security policy refuses to everyone.
    return Windows(await browser.new_context(bypass_csp=True, reduced_motion="reduce"))


@pytest_asyncio.fixture(loop_scope="session")
async def show(windows: Windows, sim: Simulator) -> AsyncIterator[Open]:
    """Opens the page as someone, somewhere. What goes wrong in its scripts fails the test."""
    faults: list[str] = []
    async with AsyncExitStack() as closing:

        async def open_page(
            person: str = "U0RITA", channel: str = "C0PURCHASES", *, width: int = 1280
        ) -> Page:
            page = await closing.enter_async_context(windows.lent())
            page.set_default_timeout(8000)
            await page.set_viewport_size({"width": width, "height": 800})
            note = partial(_note, faults)
            page.on("pageerror", note)
            closing.push_async_callback(_unhook, page, note)
            await page.goto(f"{sim.url}/#as={person}&channel={channel}")
            await page.locator("body[data-ready]").wait_for()
            return page

        yield open_page
    assert faults == []


def _note(faults: list[str], error: Error) -> None:
    faults.append(str(error))


async def _unhook(page: Page, note: Callable[[Error], None]) -> None:
    await page.evaluate("0")  # errors until now arrive before the answer
    page.remove_listener("pageerror", note)
