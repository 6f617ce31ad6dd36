"""What a person is told, or offered, before they act. Never the guard: the orchestration decides when it counts."""

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
    """Over what Slack says of user groups. Where it says nothing, nobody is refused and nothing is offered."""

    def __init__(self, groups: Groups, link: Link) -> None:
        self._groups = groups
        self._link = link

    async def refusal(self, person: str, item: RequestView) -> Reason | None:
        """Why a decision of theirs would not count now; None where it would, or nobody can tell."""
        return (await self.seat(person, item))[1]

    async def seat(self, person: str, item: RequestView) -> tuple[int, Reason | None]:
        """The open round in which they may decide, and why a decision of theirs would not count there."""
        rounds = eligible_voters_of(item.progress, item.policy, item.asked.amount).rounds
        named = {one for round_ in rounds for one in round_.named}
        groups = await self._groups_of(person, named, item.policy)
        if groups is None:
            return max(item.progress.round, 1), None
        members = dict.fromkeys(groups, (person,))
        reason = precheck(person, members, item)
        return round_for(person, members, item), None if reason is Reason.RECORDED else reason

    async def may_look(self, person: str, item: RequestView) -> bool:
        """Whether all of the request may be shown to them: a person of the request or of its policy.

        This one is a guard. Where Slack does not say who is in a group, nobody is in it.
        """
        people = involved(item.progress, item.request, item.policy)
        return person in people or bool(
            people & (await self._groups_of(person, people, item.policy) or set())
        )

    async def record(self, person: str, item: RequestView) -> str | None:
        """The address of the whole record, for whoever may look: it can be opened outside of Slack."""
        may = await self.may_look(person, item)
        return self._link(item.progress.request_id, person) if may else None

    async def _groups_of(self, person: str, principals: set[str], policy: Policy) -> frozenset[str] | None:
        """Asks Slack only where it matters."""
        if person in principals or not policy.groups_in(principals):
            return frozenset()
        return await self._groups.of(person)
