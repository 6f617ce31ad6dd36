"""The marks and labels of a standing grant's states, and its lines in the thread. Pure."""

from __future__ import annotations

from typing import Final

from bot.slack.messages.status_labels import NO, OFF, OPEN, YES
from bot.slack.text import bold, mention, safe, said
from orchestration.domain.grants import GrantEnd

REASON: Final = 300  # characters
MARKS: Final = {
    None: OPEN,
    GrantEnd.USED_UP: YES,
    GrantEnd.EXPIRED: OFF,
    GrantEnd.REVOKED: NO,
    GrantEnd.LAPSED: NO,
    GrantEnd.FAILED: NO,
}
CALLED: Final = {
    None: "Standing grant",
    GrantEnd.USED_UP: "Used up",
    GrantEnd.EXPIRED: "Over",
    GrantEnd.REVOKED: "Revoked",
    GrantEnd.LAPSED: "Ended",
    GrantEnd.FAILED: "Does not count",
}


def use_line(number: str, request_id: str, words: str) -> str:
    """The line of a use of the grant, in the thread."""
    return f"{YES} Use {safe(number, 20)}: {said(words, REASON, room=900)} `{safe(request_id, 100)}`"


def end_line(end: str, by: str | None, reason: str) -> str:
    """The line of the grant's end, in the thread."""
    known = next((one for one in GrantEnd if one.value == end), GrantEnd.LAPSED)
    who = f" by {mention(by)}" if by else ""
    lead = f"{MARKS[known]} {bold(CALLED[known])}{who}"
    return "\n".join(filter(None, [lead, safe(reason, REASON)]))
