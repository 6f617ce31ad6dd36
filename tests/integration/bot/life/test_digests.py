"""A channel that hears of auto-approvals once an hour: in Slack, by HTTP, and while the bot is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.simulator.control.person import Person
from bot.slack.messages import digests
from tests.integration.bot.life.conftest import GENERAL, PURCHASES, sees
from tests.support.api_world import ApiWorld
from tests.support.messages import text_of

POLICY = """
[policies.spend]
title = "Spend"
channel = "C0PURCHASES"
currency = "USD"
auto_approve_below = 1000
notify = "digest"
[[policies.spend.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "2d"
"""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with ApiWorld(tmp_path / "data", sms=False) as found:
        found.write(POLICY)
        yield found


async def held(api: ApiWorld, token: str) -> list[int]:
    answer = await api.call("GET", "/api/digests", token)
    assert answer.status == 200, answer.body
    return [one["held"] for one in answer.body["digests"]]


async def spend(api: ApiWorld, person: Person, count: int, *amounts: int) -> None:
    """Ask for these amounts; return once the digest holds `count` of them."""
    for amount in amounts:
        await person.command(GENERAL, f"/request-approval spend {amount} Thing{amount}")
    token = api.token("reader", "U0RITA", "read")
    while await held(api, token) != [count]:
        pass


async def test_a_channel_reads_once_an_hour_what_was_approved_by_rule(api: ApiWorld) -> None:
    rita, ada = api.person("U0RITA"), api.person("U0ADA")
    await spend(api, rita, 2, 20, 300)
    await spend(api, ada, 3, 7)
    # The bot is away when the hour is over.
    await api.stop()
    await api.start()
    assert await rita.messages(PURCHASES) == []
    await api.skip(hours=1)
    message = await sees(rita, PURCHASES, "✓ 3 approved by rule since", "327.00 USD in all")
    assert "the largest 300.00 USD by <@U0RITA>" in text_of(message)
    assert "Asked for by <@U0RITA> (2), <@U0ADA> (1)." in text_of(message)
    assert message["metadata"]["event_type"] == "approval_digest"
    # Its button leads to the whole request.
    await rita.click(PURCHASES, message["ts"], digests.DETAILS)
    view = await rita.wait_for_view("details")
    details = text_of({"text": "", "blocks": view["blocks"]})
    assert "Approved by rule" in details
    assert "in the thread under the card" not in details
    # An hour with nothing is silent.
    await api.skip(hours=2)
    assert await held(api, api.token("reader", "U0RITA", "read")) == []
    assert len(await rita.messages(PURCHASES)) == 1


async def test_an_operator_has_it_posted_now_and_nobody_else(api: ApiWorld) -> None:
    rita = api.person("U0RITA")
    await spend(api, rita, 1, 20)
    stop = f"/api/digests/{PURCHASES}/stop"
    assert (await api.call("POST", stop, api.token("reader", "U0RITA", "read"))).status == 403
    answer = await api.call("POST", stop, api.token("op", "U0DIRK", "admin"))
    assert (answer.status, answer.body["held"]) == (202, 1)
    await sees(rita, PURCHASES, "✓ 1 approved by rule since")
    answer = await api.call("POST", "/api/digests/C0NOWHERE/stop", api.token("op", "U0DIRK", "admin"))
    assert answer.status == 404
    assert "No digest is being gathered for C0NOWHERE." in answer.body["detail"]


async def test_a_policy_that_gathers_no_more_has_what_is_held_posted_at_once(api: ApiWorld) -> None:
    rita = api.person("U0RITA")
    await spend(api, rita, 1, 20)
    api.write(POLICY.replace('notify = "digest"', ""))
    await sees(rita, PURCHASES, "✓ 1 approved by rule since")
    await rita.command(GENERAL, "/request-approval spend 30 Thing30")
    await sees(rita, PURCHASES, "Thing30", "Approved by rule")
