"""Answers that are owed to people: put on record before their act is acknowledged, found later, and settled."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.challenge.models import ChallengeStatus
from orchestration.domain.answers import AwaitedCode, AwaitedVerdict, OwedAnswer
from orchestration.domain.commands import Reason
from orchestration.domain.errors import HubUnavailableError, TryFailedError, UnknownRequestError
from orchestration.domain.names import EventName, IdPrefix
from orchestration.domain.request import OWED_ANSWER, VERSION
from orchestration.service.approvals import ApprovalService, Ticket
from orchestration.service.calls import COMMIT_BUDGET, ours, translated, within_budget
from orchestration.service.challenges import ChallengeService, result_for
from orchestration.service.gathering_messages import gathering_sentence
from orchestration.service.gatherings import GatheringService
from orchestration.service.messages import SENTENCES, sentence, typed_code

# Seconds: somebody waits for an acknowledgement, and has waited already.
OWE_BUDGET: Final = 0.8
NOT_HANDLED: Final = "it is not handled yet"


class OwedAnswers:
    """What the chat system's side calls."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self._client = client

    async def owe(self, answer: OwedAnswer, act: str) -> str:
        """Puts it on record, on disk, and returns the debt's ID. For one `act` there is one debt.

        Raises `HubUnavailableError`: it is not owed.
        """
        debt = f"{IdPrefix.OWED_ANSWER}-{act}"
        try:
            async with asyncio.timeout(OWE_BUDGET):
                await self._client.schedule_new_orchestration(
                    OWED_ANSWER, input=answer, instance_id=debt, version=VERSION
                )
        except TimeoutError as error:
            raise HubUnavailableError from error
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise ours(error) from error
        return debt

    async def settle(self, debt: str) -> None:
        """The person has been told. Raises `HubUnavailableError`: they may be told once more."""
        with translated():
            await within_budget(
                self._client.raise_orchestration_event(debt, EventName.ANSWER_TOLD, data={"told": True})
            )


class HubAnswers:
    """See `AnswerFinder`. Works in the event loop that it was made in, for activities, which run on worker threads."""

    def __init__(
        self,
        service: ApprovalService,
        challenges: ChallengeService | None,
        gatherings: GatheringService | None = None,
    ) -> None:
        self._service = service
        self._gatherings = gatherings
        self._challenges = challenges
        self._loop = asyncio.get_running_loop()

    def find(self, owed: OwedAnswer) -> str:
        """Raises `TryFailedError` while the act is not handled, and `HubUnavailableError`."""
        work = self._find(owed)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except RuntimeError as error:  # the loop is closed: the process ends, and the next one tries again
            work.close()
            raise HubUnavailableError from error

    async def _find(self, owed: OwedAnswer) -> str:
        try:
            if owed.verdict is not None:
                return await self._verdict(owed.verdict)
            if owed.code is not None and self._challenges is not None:
                return await self._judgement(owed.code, self._challenges)
        except UnknownRequestError:  # it was purged, or has become too old
            return SENTENCES[Reason.UNKNOWN_REQUEST]
        return ""

    async def _verdict(self, awaited: AwaitedVerdict) -> str:
        ticket = Ticket(awaited.request_id, awaited.command_id, awaited.fingerprint, retries=awaited.retries)
        words = sentence
        # Nobody waits here, so a hub that is slow, or far away, has its time.
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
