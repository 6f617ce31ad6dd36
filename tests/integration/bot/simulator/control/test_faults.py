"""Trouble on demand: rate limits, breakdowns, any error; and the record of calls."""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator


async def plan(sim: Simulator, **fault: Any) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.url}/sim/faults", json=fault) as response,
    ):
        assert response.status == 200, await response.text()


async def attempt(client: AsyncWebClient, channel: str = "C0GENERAL") -> Any:
    try:
        return await client.chat_postMessage(channel=channel, text="x")
    except SlackApiError as error:
        return error.response


async def test_a_rate_limit_says_when_to_come_back(sim: Simulator, client: AsyncWebClient) -> None:
    await plan(sim, method="chat.postMessage", error="ratelimited", count=1, retry_after=7)
    limited = await attempt(client)
    assert (limited.status_code, limited["error"], limited.headers["Retry-After"]) == (
        429,
        "ratelimited",
        "7",
    )
    assert (await attempt(client))["ok"]
    assert len(sim.workspace.messages.in_channel("C0GENERAL")) == 1


async def test_a_breakdown_is_http_500(sim: Simulator, client: AsyncWebClient) -> None:
    await plan(sim, method="chat.postMessage", error="http_500", count=-1)
    assert [(await attempt(client)).status_code for _ in range(3)] == [500, 500, 500]
    async with aiohttp.ClientSession() as session:
        await session.delete(f"{sim.url}/sim/faults")
    assert (await attempt(client))["ok"]


async def test_any_error_for_one_channel_only(sim: Simulator, client: AsyncWebClient) -> None:
    await plan(sim, error="is_archived", count=2, channel="C0DEPLOYS")
    assert (await attempt(client))["ok"]
    assert [(await attempt(client, "C0DEPLOYS")).get("error") for _ in range(3)] == ["is_archived"] * 2 + [
        None
    ]


async def test_a_fault_must_make_sense(sim: Simulator) -> None:
    for nonsense in ({"metod": "x"}, {"error": "x", "count": "three"}, {"error": 5}):
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{sim.url}/sim/faults", json=nonsense) as response,
        ):
            assert (response.status, (await response.json())["ok"]) == (400, False)


async def test_calls_are_recorded_with_how_they_ended(sim: Simulator, client: AsyncWebClient) -> None:
    await plan(sim, method="chat.postMessage", error="ratelimited")
    await attempt(client)
    await attempt(client)
    await client.auth_test()
    with pytest.raises(SlackApiError):
        await client.users_info(user="U0NOBODY")

    async def calls(query: str = "") -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/sim/calls{query}") as response:
            found: list[dict[str, Any]] = (await response.json())["calls"]
            return found

    assert [(call["method"], call["ok"], call["error"]) for call in await calls()] == [
        ("chat.postMessage", False, "ratelimited"),
        ("chat.postMessage", True, None),
        ("auth.test", True, None),
        ("users.info", False, "user_not_found"),
    ]
    first, second = await calls("?method=chat.postMessage")
    assert first["args"]["channel"] == "C0GENERAL"
    assert second["at"] >= first["at"] > 1_700_000_000
    assert "xoxb" not in str(await calls()), "a token is nobody's to read back"


async def test_what_is_on_is_listed_and_can_be_ended(sim: Simulator, client: AsyncWebClient) -> None:
    await plan(sim, error="ratelimited", method="chat.*", count=-1, seconds=60)
    await plan(sim, error="http_500", method="users.*", count=1)
    await attempt(client)
    async with aiohttp.ClientSession(sim.url) as http:
        limited, broken = (await (await http.get("/sim/faults")).json())["faults"]
        assert (limited["error"], limited["struck"]) == ("ratelimited", 1)
        assert 50 < limited["left"] <= 60
        assert (broken["error"], broken["struck"], broken["left"]) == ("http_500", 0, None)
        assert (await http.delete(f"/sim/faults/{limited['id']}")).status == 200
        assert (await attempt(client))["ok"]
        left = (await (await http.get("/sim/faults")).json())["faults"]
        assert [fault["id"] for fault in left] == [broken["id"]]


async def test_a_fault_with_a_time_is_over_after_it(sim: Simulator, client: AsyncWebClient) -> None:
    """The time is real time: skipping time does not end the fault."""
    await plan(sim, error="http_500", count=-1, seconds=0.2)
    assert (await attempt(client)).status_code == 500
    await asyncio.sleep(0.25)
    assert (await attempt(client))["ok"]
    async with aiohttp.ClientSession(sim.url) as http:
        assert (await (await http.get("/sim/faults")).json())["faults"] == []
