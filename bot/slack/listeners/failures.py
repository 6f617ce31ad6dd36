"""When a listener fails: logged, and said to the person in the place where they acted. Never silence."""

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

# Seconds after which Slack shows the person a failure rather than nothing: it waits 3, network included.
REFUSED_AFTER: Final = 2.85


LATE: Final = "This reached me only after Slack had given up on it, so nothing was asked. Please ask again."


class LateAskError(CountersignError):
    """Slack had given up on an ask before it was read."""


def answered(listener: Callable[[Interaction], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The listener as Bolt calls it, none of whose failures escapes. What it does not ack itself is acked at its end.

    Bolt answers Slack once this returns, which is at the ack. What is left to do then goes on, and `under_way` has it.
    Bolt's own error handler comes too late: it takes back the ack of a listener that acks and then fails at once.
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
    """Whatever happens, Slack is answered before it gives up."""
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
    """By the ack where that is still to come and Slack shows its words; else apart."""
    if "command" in interaction.body:
        await interaction.reply(words)
    elif not interaction.acked and interaction.body.get("type") == "view_submission":
        await interaction.ack(response_action="errors", errors={block_of(None, interaction.view): words})
    elif not interaction.acked:
        await answer_words(interaction, words)
    else:
        await interaction.tell(words)


async def _say_late(interaction: Interaction) -> None:
    """Apart, as Slack shows no answer to what it has given up on. A form stays open, with the words in it."""
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
