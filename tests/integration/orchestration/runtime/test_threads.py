"""A call to another system that takes long keeps no orchestration from its turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from orchestration.domain.answers import OwedAnswer
from orchestration.domain.commands import Reason
from orchestration.runtime.connect import ACTIVITIES
from orchestration.service.answers import OwedAnswers
from tests.support.board import Board
from tests.support.core_world import CoreWorld, by


class SilentBoard(Board):
    """A board on which each private message waits until the test sets `answers`."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.waiting = 0

    def tell_privately(self, person: str, place: str | None, words: str) -> None:
        with self.lock:
            self.waiting += 1
        self.answers.wait()
        super().tell_privately(person, place, words)


@pytest.fixture
def board() -> Iterator[SilentBoard]:
    board = SilentBoard()
    yield board
    board.answers.set()


async def test_as_many_activities_as_a_worker_takes_wait_and_a_command_is_handled(
    world: CoreWorld, board: SilentBoard
) -> None:
    request_id = await world.ask()
    client = world.connection.client()
    owed = OwedAnswers(client)
    await asyncio.gather(
        *(
            owed.owe(OwedAnswer(person=f"U0P{number}", words="No."), f"act {number}")
            for number in range(2 * ACTIVITIES)
        )
    )
    await world.due_within(seconds=10)
    await world.skip(seconds=10)
    await world.eventually(lambda: board.waiting == ACTIVITIES)
    shown = await world.service.identity(request_id)
    ticket = await world.service.cancel(request_id, by("U0RITA"), reason="Not needed.", shown=shown)
    try:
        verdict = await world.service.verdict(ticket, timeout=5)
    finally:
        board.answers.set()
        await client.close()
    assert verdict.reason is Reason.RECORDED
