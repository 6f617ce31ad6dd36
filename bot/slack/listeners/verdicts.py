"""What became of a command, once it is on disk."""

from __future__ import annotations

from typing import Final

from orchestration.client import Door, Ticket
from orchestration.errors import HubUnavailableError
from orchestration.models import Reason, Verdict

PATIENCE: Final = 10.0  # seconds


async def verdict_on(door: Door, ticket: Ticket, *, within: float = PATIENCE) -> Verdict:
    """The verdict, or `NO_ANSWER_YET` after `within` seconds.

    A hub that cannot be reached now has the command all the same: "nothing was recorded" would not be true.
    """
    try:
        return await door.verdict(ticket, timeout=within)
    except HubUnavailableError:
        return Verdict(command_id=ticket.command_id, reason=Reason.NO_ANSWER_YET)
