"""Answers the person who acted: before the ack if possible, else by an answer that is recorded as owed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from bot.slack.listeners.interaction import Interaction
from bot.slack.text import escape
from orchestration.domain.answers import AwaitedVerdict, OwedAnswer
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import HubUnavailableError
from orchestration.service.messages import sentence
from orchestration.service.tickets import Ticket

PATIENCE: Final = 10.0  # seconds


class VerdictReader(Protocol):
    """A service whose commands are answered by verdicts."""

    async def verdict(self, ticket: Ticket, *, timeout: float = ..., last_look: float = ...) -> Verdict:  # noqa: ASYNC109 - as the services have it
        """The verdict, or `NO_ANSWER_YET` after `timeout` seconds."""
        ...


# Tells the person alone the words. Returns whether they have them.
Say: TypeAlias = Callable[[str], Awaitable[bool]]


async def verdict_on(service: VerdictReader, ticket: Ticket, *, within: float = PATIENCE) -> Verdict:
    """The verdict, or `NO_ANSWER_YET` after `within` seconds.

    A hub that cannot be reached has the command already, so an error that says otherwise would be wrong.
    """
    try:
        return await service.verdict(ticket, timeout=within)
    except HubUnavailableError:
        return Verdict(command_id=ticket.command_id, reason=Reason.NO_ANSWER_YET)


async def answer(
    interaction: Interaction, saying: Awaitable[bool], owed: OwedAnswer, *, within: float | None = None
) -> None:
    """Answers, then acks. `saying` tells the person, and returns whether they have the whole answer.

    If that takes longer than `within` seconds (by default what is left until the ack), the answer is first recorded as
    owed. It is then told even if this process is killed after the ack. If the hub does not record it, there is no ack.
    """
    telling = asyncio.ensure_future(saying)
    await asyncio.wait({telling}, timeout=interaction.ack_left() if within is None else within)
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
    """Answers with `words`, which are known already."""
    owed = OwedAnswer(person=interaction.person, place=interaction.channel, words=words)
    await answer(interaction, (say or interaction.tell)(words), owed)


async def correct(interaction: Interaction, field: str, words: str) -> None:
    """Shows at `field` of the form what is wrong with it, or tells it by a message if Slack was answered already.

    `words` are plain text, and may contain what somebody wrote.
    """
    if interaction.acked:
        await answer_words(interaction, escape(words))
    else:
        await interaction.ack(response_action="errors", errors={field: words})


async def answer_press(
    interaction: Interaction,
    service: VerdictReader,
    ticket: Ticket,
    accepted: str = "",
    say: Say | None = None,
    words: Callable[[Verdict], str] = sentence,
) -> str:
    """Answers a press with why nothing changed, or with `accepted`. Returns the words; "" if the card shows it."""
    said = ""

    async def tell() -> bool:
        nonlocal said
        verdict = await verdict_on(service, ticket)
        said = accepted if verdict.reason is Reason.RECORDED else words(verdict)
        told = not said or await (say or interaction.tell)(said)
        return told and verdict.reason is not Reason.NO_ANSWER_YET

    owed = owed_verdict(interaction, ticket, accepted, words)
    await answer(interaction, tell(), owed, within=interaction.verdict_left())
    return said


def owed_verdict(
    interaction: Interaction,
    ticket: Ticket,
    accepted: str = "",
    words: Callable[[Verdict], str] = sentence,
) -> OwedAnswer:
    """The answer to record as owed: the verdict on the command, for the person who sent it."""
    person, place = interaction.person, interaction.channel
    if ticket.known:
        known = accepted if ticket.known.reason is Reason.RECORDED else words(ticket.known)
        return OwedAnswer(person=person, place=place, words=known)
    awaited = AwaitedVerdict(
        request_id=ticket.request_id,
        command_id=ticket.command_id,
        fingerprint=ticket.fingerprint,
        retries=ticket.retries,
        accepted=accepted,
    )
    return OwedAnswer(person=person, place=place, verdict=awaited)


async def answer_submission(
    interaction: Interaction,
    service: VerdictReader,
    ticket: Ticket,
    field: str,
    words: Callable[[Verdict], str] = sentence,
) -> None:
    """Answers a submitted form. A refusal is shown at `field` while the form is open, else by a message."""
    verdict = await verdict_on(service, ticket, within=interaction.ack_left())
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(interaction, service, ticket, words=words)
    elif verdict.begun or verdict.reason is Reason.RESTARTED:
        await answer_words(interaction, words(verdict))
    elif verdict.accepted:
        await interaction.done()
    else:
        await correct(interaction, field, words(verdict))


async def answer_command(
    interaction: Interaction,
    service: VerdictReader,
    ticket: Ticket,
    accepted: str,
    words: Callable[[Verdict], str] = sentence,
) -> None:
    """Answers a slash command: by the ack if the verdict comes in time, else by a message."""
    verdict = await verdict_on(service, ticket, within=interaction.ack_left())
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(interaction, service, ticket, accepted, words=words)
    else:
        await interaction.reply(accepted if verdict.accepted else words(verdict))
