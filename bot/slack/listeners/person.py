"""Who acted, where, and by which act; and how to tell them something that only they see."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import SLACK_FAILURES, code_of
from orchestration.client import Actor
from orchestration.models import Via

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Person:
    """Somebody who acted, as Slack's signed payload says; and the channel where they did, where there is one."""

    id: str
    channel: str | None

    @property
    def actor(self) -> Actor:
        """For the door."""
        return Actor(self.id, Via.SLACK)


def person_of(body: Mapping[str, Any]) -> Person:
    """The person behind a command, a press or a form."""
    if "command" in body:
        return Person(body["user_id"], body.get("channel_id"))
    return Person(body["user"]["id"], _channel(body))


def _channel(body: Mapping[str, Any]) -> str | None:
    """Where a press was; for a form, where it was opened from."""
    where = (body.get("channel") or {}).get("id") or (body.get("container") or {}).get("channel_id")
    if where is None and "view" in body:
        try:
            where = json.loads(body["view"].get("private_metadata") or "{}").get("channel")
        except ValueError:
            where = None
    return where if isinstance(where, str) else None


def act_id(body: Mapping[str, Any]) -> str:
    """A name for this one act, the same if Slack delivers it again and another for the next act of the same person.

    The trigger is made by Slack for each act and travels in its payload; a press has its own time besides.
    """
    action = (body.get("actions") or [{}])[0]
    parts = [
        body.get("trigger_id"),
        (body.get("user") or {}).get("id") or body.get("user_id"),
        (body.get("message") or {}).get("ts") or (body.get("view") or {}).get("id"),
        action.get("action_id"),
        action.get("action_ts"),
    ]
    return "slack-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def form_id(view: Mapping[str, Any]) -> str:
    """A name for this one form: however often it is submitted, it asks once."""
    return "slack-" + hashlib.sha256(str(view["id"]).encode()).hexdigest()[:40]


async def tell(
    client: AsyncWebClient, person: Person, text: str, respond: AsyncRespond | None = None
) -> None:
    """Says `text` (mrkdwn) to the person alone: where they acted, else by the response URL, else directly.

    Never raises: there is nobody left to tell that it did not work but the log.
    """
    if person.channel:
        try:
            await client.chat_postEphemeral(channel=person.channel, user=person.id, text=text)
        except SLACK_FAILURES as error:
            # The app need not be in the channel where a command was typed.
            log.debug("no ephemeral in %s: %s", person.channel, code_of(error) or error)
        else:
            return
    if respond and respond.response_url:
        try:
            answer = await respond(text=text, response_type="ephemeral", replace_original=False)
        except SLACK_FAILURES as error:
            log.debug("no answer by the response URL: %s", error)
        else:
            if answer.status_code == 200:
                return
    try:
        opened = await client.conversations_open(users=person.id)
        await client.chat_postMessage(channel=opened["channel"]["id"], text=text)
    except SLACK_FAILURES as error:
        log.error("%s could not be told by any way (%s): %s", person.id, code_of(error) or error, text)  # noqa: TRY400 - the trace says no more than the code
