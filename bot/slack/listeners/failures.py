"""Handles the failures of listeners: logs them, and always tells the person, in the place where they acted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from slack_bolt.async_app import AsyncBoltContext, AsyncRespond
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import sentence
from bot.slack.api.under_way import UnderWay
from bot.slack.listeners.interaction import Interaction, PromptAck
from bot.slack.listeners.verdicts import answer_words
from bot.slack.views.request_form import block_of
from orchestration.domain.errors import CountersignError

# Seconds after which the interaction is refused, so that Slack shows a failure: it waits 3, network included.
REFUSED_AFTER: Final = 2.85


LATE: Final = "This reached me only after Slack had given up on it, so nothing was asked. Please ask again."


class LateAskError(CountersignError):
    """Slack had given up on an ask before it was read."""


def answered(listener: Callable[[Interaction], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wraps a listener for Bolt: handles all of its failures, and acks at its end if it has not done so itself.

    The wrapper returns at the ack, and Bolt then answers Slack. The rest of the listener goes on as a task in
    `under_way`. Bolt's own error handler is no help: it takes back the ack of a listener that fails just after it.
    """

    async def run(
        body: dict[str, Any],
        ack: PromptAck,
        client: AsyncWebClient,
        respond: AsyncRespond,
        context: AsyncBoltContext,
        request: AsyncBoltRequest,
    ) -> None:
        interaction = Interaction(body, ack, client, respond, context["owed"], _sent_at(request))
        under_way: UnderWay = context["under_way"]
        under_way.add(asyncio.create_task(_handle(listener, interaction)))
        await ack.given.wait()

    run.__name__ = listener.__name__  # what Bolt's log calls it
    return run


async def _handle(listener: Callable[[Interaction], Awaitable[None]], interaction: Interaction) -> None:
    """Runs the listener. Whatever happens, Slack is answered before it gives up."""
    too_late = asyncio.get_running_loop().call_later(REFUSED_AFTER, interaction.refuse)
    try:
        await listener(interaction)
        if not interaction.acked:
            await interaction.done()
    except LateAskError:
        await _say_late(interaction)
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
        await _say(interaction, sentence(error))
    finally:
        too_late.cancel()
        interaction.refuse()


async def _say(interaction: Interaction, words: str) -> None:
    """Says the words by the ack, if it is still to come and Slack shows them; else by a message of their own."""
    if "command" in interaction.body:
        await interaction.reply(words)
    elif not interaction.acked and interaction.body.get("type") == "view_submission":
        await interaction.ack(response_action="errors", errors={block_of(None, interaction.view): words})
    elif not interaction.acked:
        await answer_words(interaction, words)
    else:
        await interaction.tell(words)


async def _say_late(interaction: Interaction) -> None:
    """Says by a message that it was late: Slack shows no late answer. A form also stays open, with the words in it."""
    if interaction.body.get("type") != "view_submission":
        await answer_words(interaction, LATE)
        return
    await interaction.tell(LATE)
    if not interaction.acked:
        await interaction.ack(response_action="errors", errors={block_of(None, interaction.view): LATE})


def _sent_at(request: AsyncBoltRequest) -> int | None:
    """When Slack signed the request, in seconds since the epoch; None in Socket Mode, which has no such time."""
    stamp = request.headers.get("x-slack-request-timestamp", [""])[0]
    return int(stamp) if stamp.isascii() and stamp.isdigit() else None
