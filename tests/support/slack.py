"""Asks and presses in a world's workspace, as a person does or by deliveries that no page offers."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
from slack_sdk.signature import SignatureVerifier

from bot.simulator import Person
from tests.support.messages import Message, actions_of, text_of
from tests.support.simulated import SIGNING_SECRET
from tests.support.world import World

PURCHASES = "C0PURCHASES"
ESCALATIONS = "C0ESCALATIONS"


def is_card(message: Message) -> bool:
    return message["metadata"] is not None and message["metadata"]["event_type"] == "approval_requested"


def undecided(message: Message) -> bool:
    return is_card(message) and "approve" in actions_of(message)


def decided(message: Message) -> bool:
    return is_card(message) and not actions_of(message)


async def ask(person: Person, text: str = "purchase 4200 New laptops", channel: str = PURCHASES) -> Message:
    """Asks by command, and returns the card."""
    await person.command(channel, f"/request-approval {text}")
    return await person.wait_for_message(channel, undecided)


async def ephemeral(person: Person, channel: str, words: str) -> None:
    """Waits for a sentence that only this person can see."""
    await person.wait_for_message(channel, lambda message: message["ephemeral"] and words in text_of(message))


def id_on(card: Message) -> str:
    """The ID of the request that a card belongs to, from its metadata."""
    found: str = card["metadata"]["event_payload"]["instance_id"]
    return found


async def has_card(world: World, request_id: str) -> None:
    """Returns once the request's status lists its card; people may see the card a moment earlier."""
    await world.until(request_id, lambda progress: bool(progress.cards))


async def deliver(world: World, **form: str) -> tuple[int, str]:
    """Signs and sends a delivery as Slack would, such as for an old button or a second time."""
    return await deliver_late(world, 0, **form)


async def deliver_late(world: World, age: int, /, **form: str) -> tuple[int, str]:
    """As `deliver`, of a delivery that Slack sent `age` seconds ago."""
    body = urlencode(form)
    headers = {"Content-Type": "application/x-www-form-urlencoded", **signed(body, age)}
    url = f"{world.url}/slack/events"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


def signed(body: str, age: int = 0) -> dict[str, str]:
    """Slack's signature headers for a body that it sent `age` seconds ago."""
    stamp = str(int(time.time()) - age)
    signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=stamp, body=body)
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature or ""}


def pressed(person: str, card: Message, action_id: str = "approve", **message: Any) -> dict[str, str]:
    """The form of a press on `card` as it was read; `message` replaces parts of the card."""
    [button] = [
        element
        for block in card["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if element["action_id"] == action_id
    ]
    where = {"channel_id": card["channel"], "message_ts": card["ts"], "type": "message"}
    payload = {
        "type": "block_actions",
        "user": {"id": person, "team_id": "T0ACME"},
        "team": {"id": "T0ACME"},
        "api_app_id": "A0APP",
        "container": where,
        "channel": {"id": card["channel"], "name": "purchases"},
        "trigger_id": "1.2.3",
        "message": {"type": "message", "ts": card["ts"], "metadata": card["metadata"], **message},
        "actions": [{**button, "block_id": "decision", "action_ts": "1.000001"}],
    }
    return {"payload": json.dumps(payload)}
