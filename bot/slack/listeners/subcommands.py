"""The subcommands of the slash command: be away, withdraw a request, look at one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.prechecks import Prechecks
from bot.slack.input import away, grammar
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.open import show_details, show_gathering
from bot.slack.listeners.verdicts import answer_command
from bot.slack.text import safe, typed
from orchestration.domain.errors import InvalidRequestError, UnknownRequestError
from orchestration.domain.gathering import AnswerWay
from orchestration.domain.people import PersonEntry
from orchestration.service.approvals import ApprovalService
from orchestration.service.gathering_messages import gathering_sentence
from orchestration.service.gatherings import GatheringService

WITHDRAWN: Final = "Withdrawn: `{request_id}`. Its cards say so."
WHICH: Final = (
    "Please name the request by the ID at the foot of its card, such as `{word} purchase-k7m2x9qd`."
)


@dataclass(frozen=True)
class Subcommands:
    """Runs the subcommands."""

    service: ApprovalService
    gatherings: GatheringService
    prechecks: Prechecks
    home_publisher: HomePublisher

    async def run(self, interaction: Interaction, subcommand: grammar.Subcommand) -> None:
        """Runs a subcommand. Raises `InvalidRequestError` with what to write instead."""
        await _SUBCOMMANDS[subcommand.word](self, interaction, subcommand.words)

    async def away(self, interaction: Interaction, entry: PersonEntry | None, told: str = "") -> None:
        """Records the person's absence, answers a command with `told`, and redraws their Home."""
        await self.service.set_away(interaction.person, entry)
        await (interaction.reply(told) if told else interaction.done())
        await self.home_publisher.away_set(interaction.person, entry)


async def _away(subcommands: Subcommands, interaction: Interaction, words: Sequence[str]) -> None:
    entry = away.read_away(words, person=interaction.person, today=subcommands.home_publisher.today())
    outlook = await subcommands.home_publisher.outlook(interaction.person, entry)
    await subcommands.away(interaction, entry, away.told(entry, outlook))


async def _back(subcommands: Subcommands, interaction: Interaction, _: Sequence[str]) -> None:
    """Ends an absence. This is recorded even if no absence is found: one that was just set may not be readable yet."""
    home_publisher = subcommands.home_publisher
    listed, today = subcommands.service.book().people.get(interaction.person), home_publisher.today()
    standing = away.standing(await home_publisher.entry_of(interaction.person), listed, today)
    told = away.BACK if standing else away.NOT_AWAY
    await subcommands.away(interaction, away.back_again(listed, today), told)


async def _cancel(subcommands: Subcommands, interaction: Interaction, words: Sequence[str]) -> None:
    service, gatherings = subcommands.service, subcommands.gatherings
    request_id, reason = _request("cancel", words), typed(" ".join(words[1:]))
    told = WITHDRAWN.format(request_id=safe(request_id, 60))
    try:
        ticket = await service.cancel(request_id, interaction.actor, reason=reason, command_id=interaction.id)
    except UnknownRequestError:
        ticket = await gatherings.withdraw(
            request_id, interaction.actor, way=AnswerWay.CHAT, reason=reason, command_id=interaction.id
        )
        await answer_command(interaction, gatherings, ticket, told, gathering_sentence)
        return
    await answer_command(interaction, service, ticket, told)


async def _status(subcommands: Subcommands, interaction: Interaction, words: Sequence[str]) -> None:
    request_id = _request("status", words)
    try:
        await show_details(interaction, subcommands.service, request_id, subcommands.prechecks)
    except UnknownRequestError:
        await show_gathering(interaction, subcommands.gatherings, request_id)


def _request(word: str, words: Sequence[str]) -> str:
    if not words:
        raise InvalidRequestError(WHICH.format(word=word))
    return words[0].strip("`").lower()


_SUBCOMMANDS: Final[Mapping[str, Callable[[Subcommands, Interaction, Sequence[str]], Awaitable[None]]]] = {
    grammar.AWAY: _away,
    grammar.BACK: _back,
    grammar.CANCEL: _cancel,
    grammar.STATUS: _status,
}
