"""What was under way when the process died is looked for, whatever the clocks said then and say now."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from orchestration.domain.cards import Card, Step
from orchestration.domain.errors import ThrottledError
from orchestration.domain.request import ApprovalRequest, CardRef, RemarkKind
from orchestration.domain.responses import ResponseTarget
from orchestration.hub import Hub, SystemClock
from orchestration.hub.upkeep import clock_acceptance
from orchestration.runtime.connect import HUB_FILE, Connection
from tests.support.board import Begin, Board, at_once
from tests.support.core_world import SEAL_KEYS, CoreWorld, opened
from tests.support.machine import FakeMachine


class DyingBoard(Board):
    """Its process dies when something was posted, and before anybody hears of it. A dead process posts nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at = ""
        self.died, self.buried = threading.Event(), threading.Event()

    def revive(self) -> None:
        """Another process takes its place."""
        self.dies_at = ""

    def _die(self, method: str) -> None:
        if self.dies_at == method:
            self.died.set()
            self.buried.wait(20)
            raise ConnectionResetError("the process is dead")

    def _live(self) -> None:
        if self.dies_at and self.died.is_set():
            raise ConnectionResetError("the process is dead")

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Begin = at_once
    ) -> CardRef | None:
        self._live()
        posted = super().post_card(channel, card, notify, begin)
        self._die("post_card")
        return posted

    def post_reply(
        self, ref: CardRef, request_id: str, steps: Sequence[Step], begin: Begin = at_once
    ) -> None:
        self._live()
        super().post_reply(ref, request_id, steps, begin)
        self._die("post_reply")

    def act(self, where: str, key: str, event: Any) -> str:
        self._live()
        said = super().act(where, key, event)
        self._die("act")
        return said


@asynccontextmanager
async def on(machine: FakeMachine, data: Path, board: DyingBoard) -> AsyncIterator[CoreWorld]:
    """A core whose hub is on that machine. The hub ends before the worker, as when the process is killed."""
    hub = Hub(data / HUB_FILE, clock=SystemClock(machine))
    hub.start()
    connection = Connection(hub.address, SEAL_KEYS, hub=hub)
    async with opened(connection, board, board) as world:
        try:
            yield world
        finally:
            await asyncio.to_thread(hub.stop)
            board.buried.set()
            # Else it takes work of the next hub, which has the same address.
            await world.stop_worker()


async def test_a_card_that_was_posted_before_the_clock_was_set_back_is_found(tmp_path: Path) -> None:
    """Killed between the post and its answer. Then the clock is set back an hour: it was scheduled after the start.

    The first look is put off, and what is asked after the start is not looked for: that costs calls that Slack counts.
    """
    machine, board = FakeMachine(), DyingBoard()
    async with on(machine, tmp_path, board) as world:
        board.dies_at = "post_card"
        asked = ApprovalRequest(policy="vote", title="x", requester="U0RITA")
        request_id = await world.service.start(asked)
        await world.eventually(board.died.is_set)
    board.revive()
    machine.reboots(hours=-1)
    clock_acceptance.ask(tmp_path / HUB_FILE, machine.wall())
    board.problems["find_card"] = [ThrottledError(0.1)]
    async with on(machine, tmp_path, board) as world:
        await world.eventually(lambda: not board.problems["find_card"])
        await world.due_within(seconds=2)
        machine.goes_on(seconds=2)
        progress = await world.until(request_id, lambda progress: bool(progress.cards))
        assert [card.ts for card in progress.cards] == ["1.000001"]
        await world.eventually(lambda: board.edits == 1)  # it may say what was true before
        await world.ask("deploy")
    assert (board.posts, board.lookups) == (2, 1)


async def test_a_line_that_was_posted_before_the_clock_was_set_back_is_not_said_twice(tmp_path: Path) -> None:
    machine, board = FakeMachine(), DyingBoard()
    async with on(machine, tmp_path, board) as world:
        request_id = await world.ask("deploy")
        board.dies_at = "post_reply"
        await world.say(request_id, "U0ADA", RemarkKind.COMMENT, "Once.")
        await world.eventually(board.died.is_set)
    board.revive()
    machine.reboots(hours=-1)
    clock_acceptance.ask(tmp_path / HUB_FILE, machine.wall())
    async with on(machine, tmp_path, board) as world:
        await world.eventually(lambda: board.lookups == 1)
        await world.say(request_id, "U0ADA", RemarkKind.COMMENT, "Twice.")
        await world.eventually(lambda: len(board.replies) == 2)
    assert [step.text for _, step in board.replies] == ["Once.", "Twice."]


async def test_a_response_that_may_have_arrived_is_sent_again_with_the_same_id(tmp_path: Path) -> None:
    """Killed between the POST and its answer. None before the outcome, and the second says what the first said."""
    machine, board = FakeMachine(), DyingBoard()
    target = ResponseTarget(
        url="https://flows.example/done", payload={"yes": "{approved}", "by": "{processed_by}"}
    )
    async with on(machine, tmp_path, board) as world:
        request_id = await world.ask("deploy", respond=target, responds_to="https://flows.example")
        board.dies_at = "act"
        assert board.acted == []
        await world.decide(request_id, "U0ADA")
        await world.eventually(board.died.is_set)
    board.revive()
    async with on(machine, tmp_path, board) as world:
        await world.eventually(lambda: len(board.acted) == 2)
    first, second = board.acted
    assert first == second
    assert first[0] == "https://flows.example/done"
    assert first[2] == {"yes": True, "by": "U0ADA"}
