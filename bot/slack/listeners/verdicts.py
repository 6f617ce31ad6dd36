"""What became of a command, once it is on disk, and where the person hears of it."""

from __future__ import annotations

import time
from typing import Final

from bot.slack.listeners.interaction import Act
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import HubUnavailableError
from orchestration.service.approvals import Door, Ticket
from orchestration.service.messages import sentence

PATIENCE: Final = 10.0  # seconds
# Seconds after an act by which its ack is sent, verdict or none. Slack waits 3, and the way to it takes some.
ACK_BY: Final = 2.2


async def verdict_on(door: Door, ticket: Ticket, *, within: float = PATIENCE) -> Verdict:
    """The verdict, or `NO_ANSWER_YET` after `within` seconds.

    A hub that cannot be reached now has the command all the same: "nothing was recorded" would not be true.
    """
    try:
        return await door.verdict(ticket, timeout=within)
    except HubUnavailableError:
        return Verdict(command_id=ticket.command_id, reason=Reason.NO_ANSWER_YET)


async def words_on(act: Act, door: Door, ticket: Ticket, accepted: str = "") -> str:
    """For a press: acks, and returns what there is to say; mostly nothing, as the card changes."""
    await act.done()
    verdict = await verdict_on(door, ticket)
    return accepted if verdict.reason is Reason.RECORDED else sentence(verdict)


async def answer_press(act: Act, door: Door, ticket: Ticket, accepted: str = "") -> None:
    """For a press: ack, then say what changed nothing."""
    if words := await words_on(act, door, ticket, accepted):
        await act.tell(words)


async def answer_form(act: Act, door: Door, ticket: Ticket, field: str) -> None:
    """For a submitted form: a refusal is shown at `field` while the form is still there, else apart."""
    verdict = await verdict_on(door, ticket, within=_left(act))
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(act, door, ticket)
    elif verdict.begun:
        await act.done()
        await act.tell(sentence(verdict))
    elif verdict.accepted:
        await act.done()
    else:
        await act.ack(response_action="errors", errors={field: sentence(verdict)})


async def answer_command(act: Act, door: Door, ticket: Ticket, accepted: str) -> None:
    """For a slash command: by the ack where the verdict is quick, else apart."""
    verdict = await verdict_on(door, ticket, within=_left(act))
    if verdict.reason is Reason.NO_ANSWER_YET:
        await answer_press(act, door, ticket, accepted)
    else:
        await act.ack(accepted if verdict.accepted else sentence(verdict))


def _left(act: Act) -> float:
    """Seconds for a verdict that the ack is to show: what the commit has left of them."""
    return max(ACK_BY - (time.monotonic() - act.began), 0.0)
