"""What reaches the HTTP port: Slack's own requests, forged ones, and questions after its health."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from slack_sdk.signature import SignatureVerifier

from bot.security.receipts import verify
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from tests.support.messages import actions_of
from tests.support.simulated import SIGNING_SECRET
from tests.support.slack import PURCHASES, ask, ephemeral, undecided
from tests.support.world import World


def click(card: dict[str, Any], user: str) -> str:
    """The form that Slack sends for a pressed Approve."""
    payload = {
        "type": "block_actions",
        "user": {"id": user, "team_id": "T0ACME"},
        "team": {"id": "T0ACME", "domain": "acme"},
        "api_app_id": "A0COUNTERSIGN",
        "trigger_id": "1.2.abc",
        "channel": {"id": PURCHASES, "name": "purchases"},
        "container": {"type": "message", "message_ts": card["ts"], "channel_id": PURCHASES},
        "message": {"ts": card["ts"], "metadata": card["metadata"]},
        "response_url": "http://127.0.0.1:9/",
        "actions": [
            {
                "type": "button",
                "block_id": "decision",
                "action_id": "approve",
                "action_ts": "1.0",
                "value": "{}",
            }
        ],
    }
    return urlencode({"payload": json.dumps(payload)})


def signed(body: str, *, secret: str = SIGNING_SECRET, age: int = 0) -> dict[str, str]:
    timestamp = str(int(time.time()) - age)
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
    assert signature
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature,
    }


@pytest.mark.parametrize("how", ["wrong secret", "five minutes old", "altered", "unsigned"])
async def test_a_click_that_slack_did_not_sign_gets_401_and_changes_nothing(world: World, how: str) -> None:
    async with world.person("U0RITA") as rita, aiohttp.ClientSession() as http:
        card = await ask(rita)
        body = click(card, "U0ADA")
        headers = {
            "wrong secret": signed(body, secret="another"),
            "five minutes old": signed(body, age=301),
            "altered": signed(body),
            "unsigned": {"Content-Type": "application/x-www-form-urlencoded"},
        }[how]
        sent = body.replace("U0ADA", "U0FIN") if how == "altered" else body
        async with http.post(world.url + "/slack/events", data=sent, headers=headers) as answer:
            assert answer.status == 401
        progress = await world.service.status(card["metadata"]["event_payload"]["instance_id"])
        assert (progress.verdicts, progress.outcome) == ([], None)
        shown = next(seen for seen in await rita.messages(PURCHASES) if seen["ts"] == card["ts"])
        assert "approve" in actions_of(shown)


async def test_the_same_click_that_slack_did_sign_counts_once_however_often_it_comes(
    world: World,
) -> None:
    """The control of the test above. Slack delivers a click again when it believes it lost."""
    async with (
        world.person("U0RITA") as rita,
        world.person("U0SAM") as sam,
        aiohttp.ClientSession() as http,
    ):
        card = await ask(rita)
        body = click(card, "U0SAM")
        for _ in range(2):
            async with http.post(world.url + "/slack/events", data=body, headers=signed(body)) as answer:
                assert answer.status == 200
        await ephemeral(sam, PURCHASES, "not one of the approvers")
        progress = await world.service.status(card["metadata"]["event_payload"]["instance_id"])
        assert len(progress.verdicts) == 1


async def test_health_and_readiness(any_world: World) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(any_world.url + "/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "alive"})
        ready: dict[str, Any] = {"hub": "up", "slack": "up"}
        if found := any_world.hub.warnings():  # of the hub that this test opens to everybody
            ready["warnings"] = found
        async with http.get(any_world.url + "/readyz") as answer:
            assert (answer.status, await answer.json()) == (200, ready)


async def test_a_program_asks_and_a_person_presses_approve(world: World) -> None:
    """The API of the real process: asked by token, decided in Slack, answered with a receipt."""
    token = TokenFile(world.data / TOKENS).create("ci", "U0RITA", ["request"])
    body = {"policy": "deploy", "title": "Deploy 4f2c1a?", "fields": {"service": "web"}}
    headers = {"Authorization": f"Bearer {token}"}
    async with world.person("U0ADA") as ada, aiohttp.ClientSession(headers=headers) as http:
        async with http.post(world.url + "/api/approvals", json=body) as answer:
            assert answer.status == 202, await answer.text()
            place = answer.headers["Location"]
        card = await ada.wait_for_message("C0DEPLOYS", undecided)
        await ada.click("C0DEPLOYS", card["ts"], "approve")
        async with http.get(f"{world.url}{place}?wait=20s") as answer:
            approval = await answer.json()
            assert (answer.status, approval["status"]) == (200, "approved")
        async with http.get(world.url + "/.well-known/jwks.json") as answer:
            claims = verify(approval["outcome"]["receipt"], await answer.json())
    assert [(vote["actor"], vote["via"]) for vote in claims["decisions"]] == [("U0ADA", "chat")]
