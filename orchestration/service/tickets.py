"""Reads the verdict on a command that is on disk."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.domain.commands import Progress, Reason, Verdict
from orchestration.domain.request import Via


@dataclass(frozen=True)
class Ticket:
    """A command that is on disk. Its verdict follows. `via` is the way by which it came in."""

    request_id: str
    command_id: str
    fingerprint: str
    known: Verdict | None = None
    retries: bool = False
    via: str = Via.CHAT


def verdict_in(progress: Progress, ticket: Ticket) -> Verdict | None:
    """The request's verdict on the command; None if there is none yet."""
    return next((one for one in progress.verdicts if one.is_on(ticket.command_id, ticket.fingerprint)), None)


def verdict_after_end(progress: Progress, ticket: Ticket) -> Verdict:
    """The verdict on a command that comes after the request has ended and answers no more."""
    return verdict_in(progress, ticket) or _reused(progress, ticket) or _too_late(ticket, progress)


def _reused(progress: Progress, ticket: Ticket) -> Verdict | None:
    """A command that could not be read does not use up its ID."""
    used = any(one.command_id == ticket.command_id and one.fingerprint for one in progress.verdicts)
    return Verdict(command_id=ticket.command_id, reason=Reason.ID_REUSED) if used else None


def _too_late(ticket: Ticket, progress: Progress) -> Verdict:
    """The verdict on a command that comes too late. A retry has its own deadline, which is over too."""
    reason = Reason.ALREADY_ENDED
    if ticket.retries:
        failed = progress.callback_failed or progress.response_failed
        failed = failed or any(action.status == "failed" for action in progress.actions)
        reason = Reason.RETRY_OVER if failed else Reason.NOTHING_TO_RETRY
    return Verdict(command_id=ticket.command_id, reason=reason, ended_as=progress.status)
