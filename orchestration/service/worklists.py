"""What lies before a person: read from their desk and those of their groups, and from the requests themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from pydantic import BaseModel

from orchestration.approval.state import ApprovalInput
from orchestration.approval.status import bench_of, progress_of
from orchestration.domain import rules
from orchestration.domain.commands import Decision, Progress, Reason
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.policy import PersonEntry, Policy
from orchestration.domain.request import APPROVAL, DESK, PERSON, ApprovalRequest, Choice, LevelState, Via
from orchestration.people.person import PersonState
from orchestration.people.worklist import DeskState
from orchestration.service.calls import translated, within_budget

S = TypeVar("S", bound=BaseModel)

LOOKED_AT: Final = 150  # requests, for one desk; only somebody who is in many busy groups has more
AT_ONCE: Final = 8  # requests asked for at the same time, so that a Home that is drawn holds up no decision


@dataclass(frozen=True)
class Paper:
    """One request on a desk, as it stands."""

    progress: Progress
    request: ApprovalRequest
    policy: Policy

    @property
    def ended_at(self) -> datetime | None:
        """When it was decided; None while it runs."""
        return self.progress.outcome.processed_at if self.progress.outcome else None


@dataclass(frozen=True)
class Desk:
    """What lies before one person.

    `waits`: most urgent first. `asked`: theirs, still open, newest first. `decided`: what they asked for or voted on
    and has ended, latest first. `unseen` counts what waits, or did, and was not looked at. `entry` is their own word
    on being away; None where they gave none.
    """

    waits: list[Paper] = field(default_factory=list)
    asked: list[Paper] = field(default_factory=list)
    decided: list[Paper] = field(default_factory=list)
    unseen: int = 0
    entry: PersonEntry | None = None


class DeskReader:
    """Looks, and changes nothing. May raise `HubUnavailableError`."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client

    async def of(self, person: str, groups: Collection[str], also: Collection[str] = ()) -> Desk:
        """The desk of `person`, who belongs to `groups`.

        `also` are requests that may have to do with them, whose word to the desk may still be on its way.
        """
        own, *shared = await asyncio.gather(*(self._desk(principal) for principal in (person, *groups)))
        entry = await self.entry(person)
        # The oldest first: where there are more than are looked at, they are likely the most urgent.
        oldest = (one for desk in (own, *shared) for one in reversed(desk.waits))
        waiting = list(dict.fromkeys([*also, *oldest]))
        looked_at = waiting[:LOOKED_AT]
        papers = await self._papers({*looked_at, *own.asked, *own.decided})
        fresh = [paper for paper in map(papers.get, also) if paper]
        theirs = [paper.progress.request_id for paper in fresh if paper.request.requester == person]
        voted = [paper.progress.request_id for paper in fresh if _voted(person, paper.progress.levels)]

        def found(request_ids: Iterable[str]) -> list[Paper]:
            return [papers[request_id] for request_id in dict.fromkeys(request_ids) if request_id in papers]

        asked = found([*theirs, *own.asked])
        decided = [paper for paper in found([*theirs, *voted, *own.asked, *own.decided]) if paper.ended_at]
        return Desk(
            waits=sorted(
                (paper for paper in found(looked_at) if waits_for(person, groups, paper)), key=_urgency
            ),
            asked=[paper for paper in asked if not paper.progress.status.ended],
            decided=sorted(decided, key=_ended, reverse=True),
            unseen=len(waiting) - len(looked_at),
            entry=entry,
        )

    async def entry(self, person: str) -> PersonEntry | None:
        """Their own word on being away; None where they gave none."""
        return (await self._entity(PERSON, person, PersonState)).entry

    async def _papers(self, request_ids: Collection[str]) -> dict[str, Paper]:
        """Those that there still are: one that was purged is not missed."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(request_id: str) -> Paper | None:
            async with turns:
                return await self._paper(request_id)

        found = await asyncio.gather(*map(look, request_ids))
        return {paper.progress.request_id: paper for paper in found if paper}

    async def _paper(self, request_id: str) -> Paper | None:
        with translated():
            state = await within_budget(self._client.get_orchestration_state(request_id))
        given = state.get_input(ApprovalInput) if state and state.name == APPROVAL else None
        if state is None or given is None or given.policy is None:
            return None
        try:
            return Paper(progress_of(state), given.request, given.policy)
        except UnknownRequestError:
            return None

    async def _desk(self, principal: str) -> DeskState:
        return await self._entity(DESK, principal, DeskState)

    async def _entity(self, name: str, key: str, model: type[S]) -> S:
        with translated():
            found = await within_budget(self._client.get_entity(EntityInstanceId(name, key)))
        return (found.get_typed_state(model) if found else None) or model()


def waits_for(person: str, groups: Collection[str], paper: Paper) -> bool:
    """Whether their vote would count now, and is not given yet."""
    progress = paper.progress
    members = dict.fromkeys(groups, (person,))
    if progress.status.ended or may_decide(person, members, paper) is not Reason.RECORDED:
        return False
    return not _voted(person, progress.levels[-1:])


def may_decide(person: str, members: rules.Members, paper: Paper) -> Reason:
    """Whether an approval of theirs would count now, or why not: a courtesy, for the orchestration decides."""
    decision = Decision(
        command_id="-",
        actor=person,
        via=Via.SLACK,
        round=max(paper.progress.round, 1),
        choice=Choice.APPROVE,
    )
    bench = bench_of(paper.progress, paper.policy)
    return rules.may_decide(
        decision, request=paper.request, policy=paper.policy, bench=bench, members=members
    )


def _voted(person: str, levels: Iterable[LevelState]) -> bool:
    return any(vote.actor == person for level in levels for vote in level.decisions)


def _urgency(paper: Paper) -> tuple[bool, float, datetime]:
    """By deadline; what has none comes last, the oldest first."""
    deadline = paper.progress.deadline
    return deadline is None, deadline.timestamp() if deadline else 0.0, paper.progress.asked_at


def _ended(paper: Paper) -> datetime:
    return paper.ended_at or paper.progress.asked_at
