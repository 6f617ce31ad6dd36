"""Checks before a person acts, to tell them early that an act would not count. The orchestration decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bot.slack.api.groups import Groups
from orchestration.approval.status import RequestView, eligible_voters_of, involved
from orchestration.domain.commands import Reason
from orchestration.domain.policy import Policy
from orchestration.service.worklists import precheck, round_for

# Gives the address of a request's record for one person; None where this server has no public address.
Link: TypeAlias = Callable[[str, str], str | None]


class Prechecks:
    """Checks by Slack's user groups. If Slack does not answer, these checks refuse nobody and offer nothing."""

    def __init__(self, groups: Groups, link: Link) -> None:
        self._groups = groups
        self._link = link

    async def refusal(self, person: str, item: RequestView) -> Reason | None:
        """Why a decision by the person would not count now; None if it would, or if that is not known."""
        return (await self.seat(person, item))[1]

    async def seat(self, person: str, item: RequestView) -> tuple[int, Reason | None]:
        """The open round in which the person may decide, and why a decision there would not count, or None."""
        rounds = eligible_voters_of(item.progress, item.policy, item.asked.amount).rounds
        named = {one for round_ in rounds for one in round_.named}
        groups = await self._groups_of(person, named, item.policy)
        if groups is None:
            return max(item.progress.round, 1), None
        members = dict.fromkeys(groups, (person,))
        reason = precheck(person, members, item)
        return round_for(person, members, item), None if reason is Reason.RECORDED else reason

    async def may_look(self, person: str, item: RequestView) -> bool:
        """Whether the person may see all of the request: they take part in it, or its policy names them.

        Unlike the other checks, this one is enforced. If Slack does not say who is in a group, nobody counts as in it.
        """
        people = involved(item.progress, item.request, item.policy)
        return person in people or bool(
            people & (await self._groups_of(person, people, item.policy) or set())
        )

    async def record(self, person: str, item: RequestView) -> str | None:
        """The address of the whole record, which opens outside of Slack; None if the person may not see it."""
        may = await self.may_look(person, item)
        return self._link(item.progress.request_id, person) if may else None

    async def _groups_of(self, person: str, principals: set[str], policy: Policy) -> frozenset[str] | None:
        """The person's groups, or None. Asks Slack only if they can change the result."""
        if person in principals or not policy.groups_in(principals):
            return frozenset()
        return await self._groups.of(person)
