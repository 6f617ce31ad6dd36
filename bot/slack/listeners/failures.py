"""When a listener fails: logged, and said to the person in the place where they acted. Never silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import sentence
from bot.slack.listeners.interaction import Interaction
from bot.slack.views.request_form import block_of


def answered(listener: Callable[[Interaction], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The listener as Bolt calls it, none of whose failures escapes.

    Bolt's own error handler comes too late: it takes back the ack of a listener that acks and then fails at once.
    """

    async def run(body: dict[str, Any], ack: AsyncAck, client: AsyncWebClient, respond: AsyncRespond) -> None:
        interaction = Interaction(body, ack, client, respond)
        try:
            await listener(interaction)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            await _say(interaction, sentence(error))

    run.__name__ = listener.__name__  # what Bolt's log calls it
    return run


async def _say(interaction: Interaction, words: str) -> None:
    """By the ack where that is still to come and Slack shows its words; else apart."""
    if interaction.ack.response is None and "command" in interaction.body:
        await interaction.ack(words)
    elif interaction.ack.response is None and interaction.body.get("type") == "view_submission":
        await interaction.ack(response_action="errors", errors={block_of(None, interaction.view): words})
    else:
        if interaction.ack.response is None:
            await interaction.ack()
        await interaction.tell(words)
