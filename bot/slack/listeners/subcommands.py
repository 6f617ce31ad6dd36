"""What else the slash command does for a person: being away, withdrawing a request, looking at one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.slack.api.home_publisher import Homes
from bot.slack.api.prechecks import Courtesy
from bot.slack.input import away, grammar
from bot.slack.listeners.interaction import Act
from bot.slack.listeners.open import show_details
from bot.slack.listeners.verdicts import answer_command
from bot.slack.text import safe, typed
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.policy import PersonEntry
from orchestration.service.approvals import Door

WITHDRAWN: Final = "Withdrawn: `{request_id}`. Its cards say so."
WHICH: Final = (
    "Please name the request by the ID at the foot of its card, such as `{word} purchase-k7m2x9qd`."
)


@dataclass(frozen=True)
class Errands:
    """What they are run with."""

    door: Door
    courtesy: Courtesy
    homes: Homes

    async def run(self, act: Act, errand: grammar.Errand) -> None:
        """Does it. Raises `InvalidRequestError` with what to write instead."""
        await _ERRANDS[errand.word](self, act, errand.words)

    async def away(self, act: Act, entry: PersonEntry | None, told: str = "") -> None:
        """Puts their own word on being away on record; `told` answers a command."""
        await self.door.set_away(act.person, entry)
        await act.ack(told)
        await self.homes.away_set(act.person, entry)


async def _away(errands: Errands, act: Act, words: Sequence[str]) -> None:
    entry = away.read_away(words, person=act.person, today=errands.homes.today())
    await errands.away(act, entry, away.told(entry))


async def _back(errands: Errands, act: Act, _: Sequence[str]) -> None:
    listed = errands.door.book().people.get(act.person)
    await errands.away(act, away.back_again(listed, errands.homes.today()), away.BACK)


async def _cancel(errands: Errands, act: Act, words: Sequence[str]) -> None:
    door = errands.door
    request_id, reason = _request("cancel", words), typed(" ".join(words[1:]))
    ticket = await door.cancel(request_id, act.actor, reason=reason, command_id=act.id)
    await answer_command(act, door, ticket, WITHDRAWN.format(request_id=safe(request_id, 60)))


async def _status(errands: Errands, act: Act, words: Sequence[str]) -> None:
    request_id = _request("status", words)
    await act.ack()
    await show_details(act, errands.door, request_id, errands.courtesy)


def _request(word: str, words: Sequence[str]) -> str:
    if not words:
        raise InvalidRequestError(WHICH.format(word=word))
    return words[0].strip("`").lower()


_ERRANDS: Final[Mapping[str, Callable[[Errands, Act, Sequence[str]], Awaitable[None]]]] = {
    grammar.AWAY: _away,
    grammar.BACK: _back,
    grammar.CANCEL: _cancel,
    grammar.STATUS: _status,
}
