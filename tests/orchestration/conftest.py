from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration import policies
from orchestration.activities import Activities
from orchestration.challenge_activities import ChallengeActivities
from orchestration.challenge_client import ChallengeDoor
from orchestration.client import Actor, Door
from orchestration.codes import Codes
from orchestration.commands import Progress, Verdict
from orchestration.connect import Connection, connect
from orchestration.models import ApprovalRequest, Choice, Outcome, Via
from orchestration.worker import register
from tests.orchestration.board import Board, BoardActions, Carrier

BOOK = policies.parse((Path(__file__).parent / "policies.toml").read_text(), "policies.toml")


class Office:
    """A hub, a worker, the door and the board, with a clock that skips."""

    def __init__(
        self, connection: Connection, door: Door, board: Board, challenges: ChallengeDoor, carrier: Carrier
    ) -> None:
        self.connection = connection
        self.door = door
        self.board = board
        self.challenges = challenges
        self.carrier = carrier

    async def ask(self, policy: str = "purchase", **changes: object) -> str:
        """Asks, and returns once the card is on the board."""
        given = {"policy": policy, "title": "New laptops", "requester": "U0RITA"} | changes
        if policy == "purchase":
            given.setdefault("amount", Decimal(4200))
        request_id = await self.door.start(ApprovalRequest.model_validate(given))
        await self.until(request_id, lambda progress: len(progress.cards) == 1)
        return request_id

    async def decide(
        self, request_id: str, actor: str, choice: Choice = Choice.APPROVE, round: int = 1, comment: str = ""
    ) -> Verdict:
        ticket = await self.door.decide(
            request_id, Actor(id=actor, via=Via.SLACK), choice, round=round, comment=comment
        )
        return await self.door.verdict(ticket)

    async def until(self, request_id: str, true: Callable[[Progress], bool]) -> Progress:
        async def look() -> Progress:
            while not true(progress := await self.door.status(request_id)):
                await asyncio.sleep(0.01)
            return progress

        return await asyncio.wait_for(look(), 10)

    async def eventually(self, true: Callable[[], bool]) -> None:
        async def look() -> None:
            while not true():
                await asyncio.sleep(0.01)

        await asyncio.wait_for(look(), 10)

    async def outcome(self, request_id: str) -> Outcome:
        found = await self.door.wait(request_id, timeout=10)
        assert found is not None
        return found

    async def due_within(self, **time: float) -> None:
        """Returns once a timer is due within that time: something has been put off, and skipping will reach it."""
        hub = self.connection.hub
        assert hub is not None
        await self.eventually(
            lambda: (due := hub.next_timer()) is not None and due <= hub.clock.now() + timedelta(**time)
        )

    async def skip(self, **time: float) -> None:
        """Skips durable time, without waiting for it."""
        assert self.connection.hub is not None
        await asyncio.to_thread(self.connection.hub.advance, timedelta(**time))


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    found = connect("embedded", tmp_path, skippable_clock=True)
    yield found
    found.close()


@pytest.fixture
async def office(connection: Connection, board: Board) -> AsyncIterator[Office]:
    worker = connection.worker()
    carrier = Carrier()
    codes = Codes([b"a secret of at least thirty-two bytes"])
    register(
        worker,
        Activities(board, board, BoardActions(board), started_at=connection.now()),
        ChallengeActivities(codes, carrier, carrier, carrier),
    )
    worker.start()
    client = connection.client()
    yield Office(connection, Door(client, lambda: BOOK), board, ChallengeDoor(client, codes), carrier)
    await client.close()
    await asyncio.to_thread(worker.stop)
