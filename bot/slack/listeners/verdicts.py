"""Answers the person who acted, before the ack where that can be, else by an answer that is owed to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from bot.slack.listeners.interaction import Interaction
from orchestration.domain.answers import AwaitedVerdict, OwedAnswer
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import HubUnavailableError
from orchestration.service.approvals import ApprovalService, Ticket
from orchestration.service.messages import sentence

PATIENCE: Final = 10.0  # seconds

# Says the words to the person alone; returns whether they have them.
Say: TypeAlias = Callable[[str], Awaitable[bool]]


async def verdict_on(service: ApprovalService, ticket: Ticket, *, within: float = PATIENCE) -> Verdict:
    """The verdict, or `NO_ANSWER_YET` after `within` seconds.

    A hub that cannot be reached now has the command all the same: "nothing was recorded" would not be true.
    """
    try:
        return await service.verdict(ticket, timeout=within)
    except HubUnavailableError:
        return Verdict(command_id=ticket.command_id, reason=Reason.NO_ANSWER_YET)


async def answer(interaction: Interaction, saying: Awaitable[bool], owed: OwedAnswer) -> None:
    """Answers, then acks. `saying` tells the person, and returns whether they have the whole answer.

    Where that takes longer than Slack waits, the answer is put on record first. So it is told also if this process is
    killed after the ack. What the hub does not take either is not acked.
    """
    telling = asyncio.ensure_future(saying)
    await asyncio.wait({telling}, timeout=interaction.ack_left())
    if telling.done() and telling.result():
        await interaction.done()
        return
    debt = await interaction.owe(owed)
    if debt is None:
        interaction.refuse()
    elif not interaction.acked:
        await interaction.done()
    if await telling and debt is not None:
        await interaction.settle(debt)


async def answer_words(interaction: Interaction, words: str, say: Say | None = None) -> None:
    """Answers by words that are known."""
    owed = OwedAnswer(person=interaction.person, place=interaction.channel, words=words)
    await answer(interaction, (say or interaction.tell)(words), owed)


async def correct(interaction: Interaction, field: str, words: str) -> None:
    """Says at `field` of the form what is wrong with it; apart where Slack does not wait for that any more."""
    if interaction.acked:
        await answer_words(interaction, words)
    else:
        await interaction.ack(response_action="errors", errors={field: words})


async def answer_press(
    interaction: Interaction,
    service: ApprovalService,
    ticket: Ticket,
    accepted: str = "",
    say: Say | None = None,
) -> str:
    """For a press: says why nothing changed, or `accepted`, and returns it; "" where the card shows it already."""
    words = ""

    async def tell() -> bool:
        nonlocal words
        verdict = await verdict_on(service, ticket)
        words = accepted if verdict.reason is Reason.RECORDED else sentence(verdict)
        told = not words or await (say or interaction.tell)(words)
        return told and verdict.reason is not Reason.NO_ANSWER_YET

    await answer(interaction, tell(), owed_verdict(interaction, ticket, accepted))
    return words


def owed_verdict(interaction: Interaction, ticket: Ticket, accepted: str = "") -> OwedAnswer:
    """The verdict on the command, owed to whoever sent it."""
    person, place = interaction.person, interaction.channel
    if ticket.known:
        words = accepted if ticket.known.reason is Reason.RECORDED else sentence(ticket.known)
        return OwedAnswer(person=person, place=place, words=words)
    awaited = AwaitedVerdict(
        request_id=ticket.request_id,
        command_id=ticket.command_id,
        fingerprint=ticket.fingerprint,
        retries=ticket.retries,
        accepted=accepted,
    )
    return OwedAnswer(person=person, place=place, verdict=awaited)


async def answer_submission(
    interaction: Interaction, service: ApprovalService, ticket: Ticket, field: str
) -> None:
    """For a submitted form: a refusal is shown at `field` while the form is still there, else apart."""
    verdict = await verdict_on(service, ticket, within=interaction.ack_left())
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(interaction, service, ticket)
    elif verdict.begun:
        await answer_words(interaction, sentence(verdict))
    elif verdict.accepted:
        await interaction.done()
    else:
        await correct(interaction, field, sentence(verdict))


async def answer_command(
    interaction: Interaction, service: ApprovalService, ticket: Ticket, accepted: str
) -> None:
    """For a slash command: by the ack where the verdict is quick, else apart."""
    verdict = await verdict_on(service, ticket, within=interaction.ack_left())
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(interaction, service, ticket, accepted)
    else:
        await interaction.reply(accepted if verdict.accepted else sentence(verdict))
