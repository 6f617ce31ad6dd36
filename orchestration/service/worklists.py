"""A person's worklist, read from their entity and their groups' entities, and from the listed requests themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState
from durabletask.entities import EntityInstanceId
from pydantic import BaseModel

from orchestration.approval.status import RequestView, eligible_voters_of, view_of
from orchestration.domain import rules
from orchestration.domain.commands import Decision, Reason
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.ids import entity_key
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import APPROVAL, GATHERING, PERSON, WORKLIST, Choice, LevelState, Via
from orchestration.domain.rounds import Members
from orchestration.gathering.status import GatheringRead, gathering_read
from orchestration.people.person import PersonState
from orchestration.people.urgency import most_urgent
from orchestration.people.worklist import WorklistState
from orchestration.service.calls import translated, within_budget

S = TypeVar("S", bound=BaseModel)

AnyView = RequestView | GatheringRead

LOOKED_AT: Final = 150  # requests, for one worklist; only somebody who is in many busy groups has more
AT_ONCE: Final = 8  # requests read at the same time: more would delay decisions while a Home is drawn


@dataclass(frozen=True)
class AwaitedAnswer:
    """A source of a gathering for which `person` is asked, and nobody has answered."""

    read: GatheringRead
    source: str
    person: str


@dataclass(frozen=True)
class Worklist:
    """The requests and gatherings that concern one person.

    `waits`: most urgent first; a gathering has an entry for each source that they are asked for. `asked`: their own
    open ones, newest first. `decided`: ended ones that they asked for, voted on or answered, latest first. `unseen`
    counts those that wait or waited and were not seen. `entry` is their own entry about being away, or None.
    """

    waits: list[RequestView | AwaitedAnswer] = field(default_factory=list)
    asked: list[AnyView] = field(default_factory=list)
    decided: list[AnyView] = field(default_factory=list)
    unseen: int = 0
    entry: PersonEntry | None = None


class Worklists:
    """Reads only. May raise `HubUnavailableError`."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client

    async def of(self, person: str, groups: Collection[str], also: Collection[str] = ()) -> Worklist:
        """The worklist of `person`, who belongs to `groups`.

        `also` are requests that may concern them and whose signal to the worklist may still be on its way.
        """
        own, *shared = await asyncio.gather(*(self._worklist(principal) for principal in (person, *groups)))
        entry = await self.entry(person)
        deadlines = {one: until for found in (own, *shared) for one, until in found.waits.items()}
        waiting = list(dict.fromkeys([*also, *most_urgent(deadlines.items())]))
        looked_at = waiting[:LOOKED_AT]
        items = await self._items({*looked_at, *own.asked, *own.decided})
        fresh = [item for item in map(items.get, also) if item]
        theirs = [item.progress.request_id for item in fresh if item.request.requester == person]
        voted = [item.progress.request_id for item in fresh if _took_part(person, item)]

        def found(request_ids: Iterable[str]) -> list[AnyView]:
            return [items[request_id] for request_id in dict.fromkeys(request_ids) if request_id in items]

        asked = found([*theirs, *own.asked])
        decided = [item for item in found([*theirs, *voted, *own.asked, *own.decided]) if item.ended_at]
        return Worklist(
            waits=[
                waiting_item
                for item in sorted(found(looked_at), key=_urgency)
                for waiting_item in _waits(person, groups, item)
            ],
            asked=[item for item in asked if not item.progress.status.ended],
            decided=sorted(decided, key=_ended, reverse=True),
            unseen=len(waiting) - len(looked_at) + own.unlisted + sum(one.unlisted for one in shared),
            entry=entry,
        )

    async def entry(self, person: str) -> PersonEntry | None:
        """The person's own entry about being away; None if there is none."""
        return (await self._entity(PERSON, person, PersonState)).entry

    async def _items(self, request_ids: Collection[str]) -> dict[str, AnyView]:
        """The listed items that still exist: purged ones are left out."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(request_id: str) -> AnyView | None:
            async with turns:
                return await self._item(request_id)

        found = await asyncio.gather(*map(look, request_ids))
        return {item.progress.request_id: item for item in found if item}

    async def _item(self, request_id: str) -> AnyView | None:
        with translated():
            state = await within_budget(self._client.get_orchestration_state(request_id))
        if state is None or state.name not in _READERS:
            return None
        try:
            return _READERS[state.name](state)
        except UnknownRequestError:
            return None

    async def _worklist(self, principal: str) -> WorklistState:
        return await self._entity(WORKLIST, principal, WorklistState)

    async def _entity(self, name: str, key: str, model: type[S]) -> S:
        with translated():
            found = await within_budget(self._client.get_entity(EntityInstanceId(name, entity_key(key))))
        return (found.get_typed_state(model) if found else None) or model()


# How each kind is read. Other kinds on a worklist are not for people.
_READERS: Final[Mapping[str, Callable[[OrchestrationState], AnyView]]] = {
    APPROVAL: view_of,
    GATHERING: gathering_read,
}


def _waits(person: str, groups: Collection[str], item: AnyView) -> Iterator[RequestView | AwaitedAnswer]:
    """The parts of it that wait for the person."""
    if isinstance(item, RequestView):
        if waits_for(person, groups, item):
            yield item
    elif not item.progress.status.ended:
        for source in item.progress.sources:
            if source.answer is None and person in {source.person, source.delegate}:
                yield AwaitedAnswer(item, source.name, person)


def _took_part(person: str, item: AnyView) -> bool:
    if isinstance(item, RequestView):
        return _voted(person, item.progress.levels)
    return any(
        source.answer is not None and source.answer.actor == person for source in item.progress.sources
    )


def waits_for(person: str, groups: Collection[str], item: RequestView) -> bool:
    """Whether the person's vote would count now and was not given yet."""
    progress = item.progress
    members = dict.fromkeys(groups, (person,))
    if progress.status.ended or precheck(person, members, item) is not Reason.RECORDED:
        return False
    return not _voted(person, progress.levels[-1:])


def precheck(person: str, members: Members, item: RequestView) -> Reason:
    """Whether the person's approval would count now, or why not. Only a forecast: the orchestration decides."""
    decision = Decision(
        command_id="-",
        actor=person,
        via=Via.CHAT,
        nonce=item.identity.nonce,
        digest=item.identity.digest,
        round=round_for(person, members, item),
        choice=Choice.APPROVE,
    )
    voters = eligible_voters_of(item.progress, item.policy, item.asked.amount)
    return rules.may_decide(decision, policy=item.policy, voters=voters, members=members)


def round_for(person: str, members: Members, item: RequestView) -> int:
    """The newest open round in which the person has a seat, else the newest round."""
    voters = eligible_voters_of(item.progress, item.policy, item.asked.amount)
    seated = [round_.number for round_ in voters.rounds if voters.seat(person, round_, members)]
    return max(seated, default=max(item.progress.round, 1))


def _voted(person: str, levels: Iterable[LevelState]) -> bool:
    return any(vote.actor == person for level in levels for vote in level.decisions)


def _urgency(item: AnyView) -> tuple[bool, float, datetime]:
    """The sort key: by deadline. Those without one come last, the oldest first."""
    deadline = item.progress.deadline
    return deadline is None, deadline.timestamp() if deadline else 0.0, item.progress.asked_at


def _ended(item: AnyView) -> datetime:
    return item.ended_at or item.progress.asked_at
