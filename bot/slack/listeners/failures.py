"""When a listener fails: logged, and said to the person in the place where they acted. Never silence."""

from __future__ import annotations

from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import sentence
from bot.slack.listeners.person import person_of, tell
from bot.slack.modals import block_of


def register(app: AsyncApp) -> None:
    """One handler for all listeners."""
    app.error(on_failure)


async def on_failure(
    error: Exception, body: dict[str, Any], ack: AsyncAck, client: AsyncWebClient, respond: AsyncRespond
) -> BoltResponse | None:
    """Acks what the listener did not, carrying the sentence where Slack shows it; else tells the person apart."""
    words = sentence(error)
    if ack.response is None:
        if "command" in body:
            return await ack(words)
        if body.get("type") == "view_submission":
            return await ack(response_action="errors", errors={block_of(None, body["view"]): words})
        await ack()
        await tell(client, person_of(body), words, respond)
        return ack.response
    await tell(client, person_of(body), words, respond)
    return None
