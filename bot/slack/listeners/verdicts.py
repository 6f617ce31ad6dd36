"""Reports a command's verdict to the person who sent it."""

from __future__ import annotations

from typing import Final

from bot.slack.listeners.interaction import Interaction
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import HubUnavailableError
from orchestration.service.approvals import ApprovalService, Ticket
from orchestration.service.messages import sentence

PATIENCE: Final = 10.0  # seconds


async def verdict_on(service: ApprovalService, ticket: Ticket, *, within: float = PATIENCE) -> Verdict:
    """The verdict, or `NO_ANSWER_YET` after `within` seconds.

    A hub that cannot be reached now has the command all the same: "nothing was recorded" would not be true.
    """
    try:
        return await service.verdict(ticket, timeout=within)
    except HubUnavailableError:
        return Verdict(command_id=ticket.command_id, reason=Reason.NO_ANSWER_YET)


async def ack_and_read(
    interaction: Interaction, service: ApprovalService, ticket: Ticket, accepted: str = ""
) -> str:
    """For a press: acks, waits for the verdict and returns what to say; "" where the card shows it already."""
    await interaction.done()
    verdict = await verdict_on(service, ticket)
    return accepted if verdict.reason is Reason.RECORDED else sentence(verdict)


async def answer_press(
    interaction: Interaction, service: ApprovalService, ticket: Ticket, accepted: str = ""
) -> None:
    """For a press: acks, then says why nothing changed, or `accepted`."""
    if words := await ack_and_read(interaction, service, ticket, accepted):
        await interaction.tell(words)


async def answer_submission(
    interaction: Interaction, service: ApprovalService, ticket: Ticket, field: str
) -> None:
    """For a submitted form: a refusal is shown at `field` while the form is still there, else apart."""
    verdict = await verdict_on(service, ticket, within=interaction.ack_left())
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(interaction, service, ticket)
    elif verdict.begun:
        await interaction.done()
        await interaction.tell(sentence(verdict))
    elif verdict.accepted:
        await interaction.done()
    else:
        await interaction.ack(response_action="errors", errors={field: sentence(verdict)})


async def answer_command(
    interaction: Interaction, service: ApprovalService, ticket: Ticket, accepted: str
) -> None:
    """For a slash command: by the ack where the verdict is quick, else apart."""
    verdict = await verdict_on(service, ticket, within=interaction.ack_left())
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(interaction, service, ticket, accepted)
    else:
        await interaction.ack(accepted if verdict.accepted else sentence(verdict))
