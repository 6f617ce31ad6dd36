"""The core alone: a hub, a worker and the services, with a notice board where Slack would be. No bot."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker

from bot.slack.ids import SlackIds
from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.approval.outcome_activities import OutcomeActivities
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.boot_time import BootClock, since_boot
from orchestration.challenge.codes import Codes
from orchestration.digest.activities import DigestActivities
from orchestration.domain.commands import Progress, Reason, Verdict
from orchestration.domain.errors import HubSilentError
from orchestration.domain.ids import IdReader
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import PERSON, ApprovalRequest, Choice, Identity, Outcome, RemarkKind, Via
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.gathering.activities import GatheringActivities
from orchestration.hub import Hub
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.ports import Directory
from orchestration.runtime.connect import Connection
from orchestration.runtime.worker import register
from orchestration.sealing.keys import SealKeys
from orchestration.service.answers import HubAnswers
from orchestration.service.approvals import Actor, ApprovalService
from orchestration.service.askers import HubAskers
from orchestration.service.challenges import ChallengeService
from orchestration.service.digests import HubDigests
from orchestration.service.fulfilment_starts import HubFulfilments
from orchestration.service.intents import HubIntents
from orchestration.service.request_ids import RequestIds
from orchestration.service.tickets import Ticket
from tests.support import PATIENCE_S, hub_forms, looking
from tests.support.board import AllNew, Board, BoardActions, BoardOutcomes, BoardPhones, NoFulfilments
from tests.support.book import CORE as BOOK

T = TypeVar("T")


def by(person: str) -> Actor:
    return Actor(id=person, via=Via.CHAT)


async def insisted(call: Callable[[], Awaitable[T]]) -> T:
    """What the call returns. Repeats it where a busy hub does not answer in time, so a repeat must change nothing."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(HubSilentError):
                return await call()


class CoreWorld:
    """A hub, a worker, the services and the board, with a clock that skips."""

    def __init__(
        self,
        connection: Connection,
        service: ApprovalService,
        board: Board,
        challenges: ChallengeService,
        phones: BoardPhones,
        worker: TaskHubGrpcWorker,
    ) -> None:
        self.connection = connection
        self.service = service
        self.board = board
        self.challenges = challenges
        self.phones = phones
        self._worker = worker

    @property
    def hub(self) -> Hub:
        return hub_forms.hub_of(self.connection)

    async def stop_worker(self) -> None:
        """Stops the worker: from now on nothing of ours does any work."""
        await asyncio.to_thread(self._worker.stop)

    async def ask(self, policy: str = "purchase", **changes: object) -> str:
        """Asks, and returns once the card is on the board."""
        given = {"policy": policy, "title": "New laptops", "requester": "U0RITA"} | changes
        if policy == "purchase":
            given.setdefault("amount", Decimal(4200))
        request_id = await self.service.start(ApprovalRequest.model_validate(given))
        await self.until(request_id, lambda progress: len(progress.cards) >= 1)
        return request_id

    async def decide(
        self,
        request_id: str,
        actor: str,
        choice: Choice = Choice.APPROVE,
        round: int = 1,
        comment: str = "",
        *,
        edits: dict[str, Any] | None = None,
        shown: Identity | None = None,
        command_id: str | None = None,
    ) -> Verdict:
        """Decides on the request as it stands, or on what was `shown`; repeats it where a busy hub does not answer."""
        seen = shown or await self.service.identity(request_id)
        one = command_id or secrets.token_hex(8)

        def once() -> Awaitable[Ticket]:
            return self.service.decide(
                request_id,
                by(actor),
                choice,
                shown=seen,
                round=round,
                comment=comment,
                edits=edits,
                command_id=one,
            )

        return await self.service.verdict(await insisted(once))

    async def delegate(
        self, request_id: str, actor: str, to: str, round: int = 1, *, shown: Identity | None = None
    ) -> Reason:
        seen = shown or await self.service.identity(request_id)
        ticket = await self.service.delegate(request_id, by(actor), to, shown=seen, round=round)
        return (await self.service.verdict(ticket)).reason

    async def say(self, request_id: str, actor: str, kind: RemarkKind, text: str) -> Reason:
        ticket = await self.service.comment(request_id, by(actor), kind, text)
        return (await self.service.verdict(ticket)).reason

    async def retry(self, request_id: str, actor: str) -> Reason:
        return (await self.service.verdict(await self.service.retry(request_id, by(actor)))).reason

    async def cancel(self, request_id: str, actor: str) -> Reason:
        return (await self.service.verdict(await self.service.cancel(request_id, by(actor)))).reason

    async def runtime(self, request_id: str) -> OrchestrationState:
        client = self.connection.client()
        found = await client.get_orchestration_state(request_id)
        await client.close()
        assert found is not None
        return found

    async def completed(self, request_id: str) -> None:
        def is_over(state: OrchestrationState) -> bool:
            return state.runtime_status is OrchestrationStatus.COMPLETED

        await looking.seen(lambda: self.runtime(request_id), is_over)

    async def waits_of(self, person: str) -> list[str]:
        """The requests that wait for this person, according to their entity."""
        client = self.connection.client()
        found = await client.get_entity(EntityInstanceId(PERSON, person))
        await client.close()
        state = json.loads((found and found.get_state()) or "null") or {}
        return list(state.get("waits", {}))

    async def until(self, request_id: str, true: Callable[[Progress], bool]) -> Progress:
        return await looking.seen(lambda: self.service.status(request_id), true)

    async def eventually(self, true: Callable[..., bool]) -> None:
        await looking.eventually(true)

    async def outcome(self, request_id: str) -> Outcome:
        found = await self.service.wait(request_id, timeout=PATIENCE_S)
        assert found is not None
        return found

    async def due_within(self, **time: float) -> None:
        """Returns once a timer is due within that time, so that a skip will reach it."""
        hub = self.hub
        await self.eventually(
            lambda: (due := hub.next_timer()) is not None and due <= hub.clock.now() + timedelta(**time)
        )

    async def hasten(self, true: Callable[[], bool]) -> None:
        """Skips from retry to retry, which are at most five minutes apart, until `true()` is true.

        It never skips past a due retry: else a slow machine would use up the time limit of the retries.
        """
        hub = self.hub
        near = timedelta(minutes=6)

        def due() -> bool:
            return (at := hub.next_timer()) is not None and at <= hub.clock.now() + near

        while not true():
            await self.eventually(lambda: true() or due())
            if true() or not due() or (at := hub.next_timer()) is None:
                continue
            if (left := at - hub.clock.now()) > timedelta():
                await asyncio.to_thread(hub.advance, left)
            await self.eventually(lambda at=at: true() or hub.next_timer() != at)

    async def fired(self) -> None:
        """Returns once all due timers have fired. A skip first gives work under way some seconds to finish."""
        hub = self.hub
        await self.eventually(lambda: (due := hub.next_timer()) is None or due > hub.clock.now())

    async def skip(self, **time: float) -> None:
        """Moves durable time on, without waiting."""
        await asyncio.to_thread(self.hub.advance, timedelta(**time))


SLACK: IdReader = SlackIds()
SEAL_KEYS = SealKeys([b"the key of the tests, 32 bytes and more"])


def request_ids(*secrets: str) -> RequestIds:
    """Request IDs made under these secrets, the newest first."""
    return RequestIds(
        lambda about: [hmac.digest(secret.encode(), about.encode(), "sha256") for secret in secrets]
    )


def unbound_gathering_activities() -> GatheringActivities:
    """Activities that can be registered, but not run."""
    nothing: Any = None
    return GatheringActivities(nothing, nothing, nothing, nothing, nothing, nothing, AllNew())


def outcome_activities(board: Board, book: PolicyBook = BOOK, ids: IdReader = SLACK) -> OutcomeActivities:
    outcomes = BoardOutcomes(board)
    return OutcomeActivities(outcomes, outcomes, lambda: book, ids)


@asynccontextmanager
async def opened(
    connection: Connection,
    board: Board,
    directory: Directory,
    *,
    book: PolicyBook = BOOK,
    ids: IdReader = SLACK,
    since_boot: BootClock = since_boot,
    phones: BoardPhones | None = None,
) -> AsyncIterator[CoreWorld]:
    worker, client = connection.worker(), connection.client()
    phones = phones or BoardPhones(
        {person: known.phone for person, known in book.people.items() if known.phone}
    )
    codes = Codes([b"a secret of at least thirty-two bytes"])
    service = ApprovalService(client, lambda: book, ids, request_ids("core"), turns=connection.turns)
    challenges = ChallengeService(client, codes, turns=connection.turns)
    intents = HubIntents(client, connection.dispatches.again)
    register(
        worker,
        ApprovalActivities(board, directory, BoardActions(board), intents),
        outcome_activities(board, book, ids),
        PeopleActivities(board, phones, phones),
        AskerActivities(HubAskers(client, lambda _: False)),
        AnswerActivities(HubAnswers(service, challenges), board),
        FulfilmentActivities(HubFulfilments(client), NoFulfilments()),
        DigestActivities(HubDigests(client), board, intents),
        ChallengeActivities(codes, phones, phones, phones, since_boot),
    )
    worker.start()
    try:
        yield CoreWorld(
            connection,
            service,
            board,
            challenges,
            phones,
            worker,
        )
    finally:
        await client.close()
        await asyncio.to_thread(worker.stop)
