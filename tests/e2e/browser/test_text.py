"""Slack's mrkdwn as the page draws it."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page

from bot.simulator import Simulator

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Page]]

DRAW = """async (text) => {
    const { mrkdwn } = await import("/static/blocks/mrkdwn.js");
    const { names } = await import("/static/app/state.js");
    const box = document.createElement("div");
    box.append(...mrkdwn(text, names(() => {})));
    for (const node of box.querySelectorAll("*")) {
        for (const { name } of [...node.attributes]) if (name !== "href") node.removeAttribute(name);
    }
    return box.innerHTML;
}"""
AT = 1796382000  # noon in Berlin on 4 December 2026, where the clock of `sim` stands
DAY = 86400

TEXTS = {
    "*bold* _italic_ ~gone~ `code`": "<strong>bold</strong> <em>italic</em> <s>gone</s> <code>code</code>",
    "*a _b_ c*": "<strong>a <em>b</em> c</strong>",
    "snake_case_name 2*3*4": "snake_case_name 2*3*4",
    "*not bold *": "*not bold *",
    "*one\ntwo*": "*one<br>two*",
    "&lt;b&gt; &amp;amp;": "&lt;b&gt; &amp;amp;",
    "<script>alert(1)</script>": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<javascript:alert(1)|press>": "&lt;javascript:alert(1)|press&gt;",
    "<https://a.example/?x=1&amp;y=2|*it*>": '<a href="https://a.example/?x=1&amp;y=2"><strong>it</strong></a>',
    "see https://a.example/x.": 'see <a href="https://a.example/x">https://a.example/x</a>.',
    "<@U0ADA> <!here>": "<span>@Ada Okafor</span> <span>@here</span>",
    "<!subteam^S0FINANCE>": "<span>@finance</span>",
    "<@U0NOBODY|gone>": "<span>@gone</span>",
    "> said\n> twice\nthen": "<blockquote>said<br>twice</blockquote>then",
    "&gt;&gt;&gt; all\nof it": "<blockquote>all<br>of it</blockquote>",
    "```\n*raw*\n``` after": "<pre>*raw*</pre> after",
    "``` left open": "``` left open",
    "10:30:15 :no_such_thing:": "10:30:15 :no_such_thing:",
    f"<!date^{AT}^{{date_short_pretty}} at {{time}}|?>": "<time>Today at 12:00</time>",
    f"<!date^{AT + DAY}^due {{date_pretty}}|?>": "<time>due tomorrow</time>",
    f"<!date^{AT - 3 * DAY}^{{date_long}}|?>": "<time>Tuesday, December 1st</time>",
    f"<!date^{AT - 400 * DAY}^{{date_short}}|?>": "<time>Oct 30, 2025</time>",
    "<!date^never^{date}|some day>": "<span>some day</span>",
}


async def test_mrkdwn_becomes_the_nodes_slack_shows(show: Open, sim: Simulator) -> None:
    assert sim.workspace.now() == AT
    page = await show()
    assert {text: await page.evaluate(DRAW, text) for text in TEXTS} == TEXTS


async def test_a_time_is_shown_in_the_readers_own_zone(show: Open) -> None:
    """Sam sits in London, an hour behind Berlin."""
    page = await show("U0SAM")
    assert await page.evaluate(DRAW, f"<!date^{AT}^{{time}}|?>") == "<time>11:00</time>"


@pytest.mark.parametrize(
    ("text", "zone", "epoch"),
    [
        ("2026-12-04T12:00", "Europe/Berlin", AT),
        ("2026-12-04T12:00", "America/New_York", AT + 6 * 3600),
        ("2026-03-29T03:30", "Europe/Berlin", 1774747800),  # half an hour into summer time
    ],
)
async def test_a_chosen_moment_means_the_choosers_zone(show: Open, text: str, zone: str, epoch: int) -> None:
    page = await show()
    convert = (
        '([text, zone]) => import("/static/panel/time.js").then((time) => time.fromLocalInput(text, zone))'
    )
    assert await page.evaluate(convert, [text, zone]) == epoch
