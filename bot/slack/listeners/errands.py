"""What else the slash command does for a person: being away, withdrawing a request, looking at one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from bot.slack import away, grammar
from bot.slack.listeners.act import Act
from bot.slack.listeners.opening import show_details
from bot.slack.listeners.verdicts import answer_command
from bot.slack.text import safe, typed
from orchestration.client import Door
from orchestration.errors import InvalidRequestError
from orchestration.policies import PersonEntry

WITHDRAWN: Final = "Withdrawn: `{request_id}`. Its cards say so."
WHICH: Final = (
    "Please name the request by the ID at the foot of its card, such as `{word} purchase-k7m2x9qd`."
)


async def run_errand(act: Act, door: Door, errand: grammar.Errand) -> None:
    """Does it. Raises `InvalidRequestError` with what to write instead."""
    await _ERRANDS[errand.word](act, door, errand.words)


async def _away(act: Act, door: Door, words: Sequence[str]) -> None:
    entry = away.read_away(words, person=act.person, today=datetime.now(UTC).date())
    await door.set_away(act.person, entry)
    await act.ack(away.told(entry))


async def _back(act: Act, door: Door, _: Sequence[str]) -> None:
    """Their own word ends; only where the operator's file still has them away must it speak against that."""
    listed = door.book().people.get(act.person)
    still_away = listed is not None and listed.stand_in(datetime.now(UTC).date()) is not None
    await door.set_away(act.person, PersonEntry() if still_away else None)
    await act.ack(away.BACK)


async def _cancel(act: Act, door: Door, words: Sequence[str]) -> None:
    request_id, reason = _request("cancel", words), typed(" ".join(words[1:]))
    ticket = await door.cancel(request_id, act.actor, reason=reason, command_id=act.id)
    await answer_command(act, door, ticket, WITHDRAWN.format(request_id=safe(request_id, 60)))


async def _status(act: Act, door: Door, words: Sequence[str]) -> None:
    request_id = _request("status", words)
    await act.ack()
    await show_details(act, door, request_id)


def _request(word: str, words: Sequence[str]) -> str:
    if not words:
        raise InvalidRequestError(WHICH.format(word=word))
    return words[0].strip("`").lower()


_ERRANDS: Final[Mapping[str, Callable[[Act, Door, Sequence[str]], Awaitable[None]]]] = {
    grammar.AWAY: _away,
    grammar.BACK: _back,
    grammar.CANCEL: _cancel,
    grammar.STATUS: _status,
}
