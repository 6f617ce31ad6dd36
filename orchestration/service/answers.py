"""Answers that are owed to people: recorded before an act is acknowledged, then found and delivered later."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import grpc
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.challenge.models import ChallengeStatus
from orchestration.domain.answers import AnswerBatch, AnswersTold, AwaitedCode, AwaitedVerdict, OwedAnswer
from orchestration.domain.commands import Reason
from orchestration.domain.errors import HubUnavailableError, TryFailedError, UnknownRequestError
from orchestration.domain.names import EventName, IdPrefix, is_grant_id
from orchestration.domain.request import OWED_ANSWER, VERSION
from orchestration.runtime.precedence import Precedence
from orchestration.service.approvals import ApprovalService
from orchestration.service.batching import Batches
from orchestration.service.calls import COMMIT_BUDGET, ours, run_in, translated, within_budget
from orchestration.service.challenges import ChallengeService, result_for
from orchestration.service.gathering_messages import gathering_sentence
from orchestration.service.gatherings import GatheringService
from orchestration.service.grants import GrantService, grant_sentence
from orchestration.service.messages import SENTENCES, sentence, typed_code
from orchestration.service.tickets import Ticket

# Seconds for one write. The person waits for an acknowledgement, and maybe for the preceding write too.
WRITE_BUDGET: Final = 1.0
# Seconds for which one batch's reports are collected: each report costs a turn of its orchestration.
REPORT_AFTER: Final = 0.5
REMEMBERED: Final = 10_000  # acts whose debt is remembered, in case the chat system delivers one again
NOT_HANDLED: Final = "it is not handled yet"


@dataclass(frozen=True)
class Debt:
    """A recorded answer: its batch, and its index there."""

    batch: str
    place: int


class _Owed(NamedTuple):
    act: str
    answer: OwedAnswer


class OwedAnswers:
    """Records owed answers and settles them, for the chat system's side. Used in one event loop.

    Answers owed at the same time share one write, one instance on the hub and one turn of it. So do the reports that
    they were delivered.
    """

    def __init__(self, client: AsyncTaskHubGrpcClient, precedence: Precedence | None = None) -> None:
        self._client = client
        self._precedence = precedence or Precedence()
        self._owing = Batches(self._record, lambda owed: len(owed.answer.model_dump_json().encode()))
        self._debts: OrderedDict[str, asyncio.Future[Debt]] = OrderedDict()
        self._reports: OrderedDict[str, _Report] = OrderedDict()

    @property
    def crowded(self) -> bool:
        """Whether so many commands are being recorded at once that their verdicts take a while."""
        return self._precedence.crowded

    async def owe(self, answer: OwedAnswer, act: str) -> Debt:
        """Records the answer on disk and returns the debt. A repeated `act` gets the same debt, if it is known here.

        Raises `HubUnavailableError`: then nothing is owed.
        """
        debt = self._debts.get(act)
        if debt is None or (debt.done() and debt.exception() is not None):
            debt = self._debts[act] = self._owing.put(_Owed(act, answer))
            while len(self._debts) > REMEMBERED:
                self._debts.popitem(last=False)
        with self._precedence.ahead():
            return await asyncio.shield(debt)

    async def _record(self, batch: Sequence[_Owed]) -> list[Debt]:
        """Writes the batch under an ID made from its acts, so that a repeat of a write is recognised."""
        name = f"{IdPrefix.OWED_ANSWER}-{_name_of([owed.act for owed in batch])}"
        answers = AnswerBatch(answers=[owed.answer for owed in batch])
        try:
            async with asyncio.timeout(WRITE_BUDGET):
                await self._client.schedule_new_orchestration(
                    OWED_ANSWER, input=answers, instance_id=name, version=VERSION
                )
        except TimeoutError as error:
            raise HubUnavailableError from error
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise ours(error) from error
        self._reports[name] = _Report(set(range(len(batch))))
        while len(self._reports) > REMEMBERED:
            self._reports.popitem(last=False)
        return [Debt(name, place) for place in range(len(batch))]

    async def settle(self, debt: Debt) -> None:
        """Reports that the person has been told. Raises `HubUnavailableError`: they may be told again.

        Reports at once if the whole batch is told, else together with those told shortly after.
        """
        report = self._reports.setdefault(debt.batch, _Report(set()))
        await asyncio.shield(report.add(debt.place, partial(self._report, debt.batch, report)))

    async def _report(self, batch: str, report: _Report) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPORT_AFTER):
                await report.complete.wait()
        told = report.take()
        if report.complete.is_set():
            self._reports.pop(batch, None)
        with translated():
            await within_budget(
                self._client.raise_orchestration_event(
                    batch, EventName.ANSWER_TOLD, data=AnswersTold(told=told)
                )
            )

    async def aclose(self) -> None:
        """Reports what has been told so far. Call it before the client is closed."""
        for report in self._reports.values():
            report.complete.set()
        reporting = [report.reporting for report in self._reports.values() if report.reporting is not None]
        await asyncio.gather(*reporting, return_exceptions=True)


class _Report:
    """The answers of one batch that were told but not reported yet. `complete`: none is left to tell."""

    def __init__(self, untold: set[int]) -> None:
        self._untold = untold
        self._told: list[int] = []
        self.complete = asyncio.Event()
        self.reporting: asyncio.Task[None] | None = None

    def add(self, place: int, report: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Adds an answer that was told; returns the report that will say so."""
        self._told.append(place)
        self._untold.discard(place)
        if not self._untold:
            self.complete.set()
        if self.reporting is None:
            self.reporting = asyncio.create_task(report())
        return self.reporting

    def take(self) -> list[int]:
        """The contents of the report that is made now. Answers told from now on go into the next one."""
        told, self._told, self.reporting = self._told, [], None
        return told


def _name_of(acts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(acts).encode()).hexdigest()[:40]


class HubAnswers:
    """See `AnswerFinder`. Works in the event loop that it was made in, for activities, which run on worker threads."""

    def __init__(
        self,
        service: ApprovalService,
        challenges: ChallengeService | None,
        gatherings: GatheringService | None = None,
        grants: GrantService | None = None,
    ) -> None:
        self._service = service
        self._grants = grants
        self._gatherings = gatherings
        self._challenges = challenges
        self._loop = asyncio.get_running_loop()

    def find(self, owed: OwedAnswer) -> str:
        """Raises `TryFailedError` while the act is not handled, and `HubUnavailableError`."""
        work = self._find(owed)
        return run_in(self._loop, work)

    async def _find(self, owed: OwedAnswer) -> str:
        try:
            if owed.verdict is not None:
                return await self._verdict(owed.verdict)
            if owed.code is not None and self._challenges is not None:
                return await self._judgement(owed.code, self._challenges)
        except UnknownRequestError:  # the act's instance was purged, or has become too old
            return SENTENCES[Reason.UNKNOWN_REQUEST]
        return ""

    async def _verdict(self, awaited: AwaitedVerdict) -> str:
        ticket = Ticket(awaited.request_id, awaited.command_id, awaited.fingerprint, retries=awaited.retries)
        words = sentence
        # Nobody waits here, so a slow or distant hub may take longer.
        if self._grants is not None and is_grant_id(ticket.request_id):
            words = grant_sentence
            verdict = await self._grants.verdict(ticket, timeout=0, last_look=COMMIT_BUDGET)
        else:
            try:
                verdict = await self._service.verdict(ticket, timeout=0, last_look=COMMIT_BUDGET)
            except UnknownRequestError:
                if self._gatherings is None:
                    raise
                words = gathering_sentence
                verdict = await self._gatherings.verdict(ticket, timeout=0, last_look=COMMIT_BUDGET)
        if verdict.reason is Reason.NO_ANSWER_YET:
            raise TryFailedError(NOT_HANDLED, maybe_done=False)
        return awaited.accepted if verdict.reason is Reason.RECORDED else words(verdict)

    async def _judgement(self, awaited: AwaitedCode, challenges: ChallengeService) -> str:
        after = await challenges.status(awaited.challenge)
        answer = result_for(after, awaited.command_id)
        if answer is None and after.status is ChallengeStatus.WAITING:
            raise TryFailedError(NOT_HANDLED, maybe_done=False)
        return typed_code(after, answer)
