"""A page of another site must not reach the simulator from a browser: whoever does can act as anybody."""

import aiohttp
import pytest

from bot.simulator import Simulator

PURCHASES = "C0PURCHASES"


async def ask(
    sim: Simulator, method: str, path: str, headers: dict[str, str], text: str | None = None
) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, f"{sim.url}{path}", headers=headers, data=text, allow_redirects=False
        ) as response,
    ):
        return response.status


def said(sim: Simulator) -> list[str]:
    return [message.text for message in sim.workspace.messages.in_channel(PURCHASES, "U0RITA")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
async def test_a_page_of_another_site_cannot_act_as_a_person(sim: Simulator, headers: dict[str, str]) -> None:
    """A form or a fetch in mode no-cors is sent without asking first: only its headers tell where it is from."""
    body = f'{{"as": "U0RITA", "channel": "{PURCHASES}", "text": "not by Rita"}}'
    before = said(sim)
    assert await ask(sim, "POST", "/sim/message", {**headers, "Content-Type": "text/plain"}, body) == 403
    assert said(sim) == before


async def test_a_picture_of_another_site_cannot_call_the_web_api(sim: Simulator) -> None:
    """The Web API takes its token in the query too, and the tokens of `simulate` are on its page."""
    path = f"/api/chat.postMessage?token=xoxb-test&channel={PURCHASES}&text=hello"
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    before = said(sim)
    assert await ask(sim, "GET", path, foreign) == 403
    # Nor can a link that somebody follows.
    assert await ask(sim, "GET", path, {**foreign, "Sec-Fetch-Mode": "navigate"}) == 403
    assert said(sim) == before


@pytest.mark.parametrize("path", ["/", "/sim/state?as=U0RITA", "/sim/events", "/api/api.test"])
async def test_a_name_that_was_bent_to_this_machine_is_not_served(sim: Simulator, path: str) -> None:
    """DNS rebinding: the browser takes both for one site, so only the host name shows the difference."""
    assert await ask(sim, "GET", path, {"Host": f"evil.example:{sim.url.rpartition(':')[2]}"}) == 403


async def test_the_page_is_reached_by_every_name_of_loopback_and_by_a_link(sim: Simulator) -> None:
    """A forwarded port has another number, and Slack's own links are followed from elsewhere."""
    for host in ("localhost:9", "127.0.0.1:9", "[::1]:9", "localhost"):
        own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert (
            await ask(sim, "POST", "/sim/read", own, f'{{"as": "U0RITA", "channel": "{PURCHASES}"}}') == 200
        )
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert await ask(sim, "GET", "/", link) == 200
    assert await ask(sim, "GET", f"/archives/{PURCHASES}/p1700000000000000", link) == 302


async def test_the_page_is_not_shown_in_a_frame(sim: Simulator) -> None:
    """Another site's visitors would press its buttons without knowing."""
    async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/") as page:
        assert page.headers["X-Frame-Options"] == "DENY"
