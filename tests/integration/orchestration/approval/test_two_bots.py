"""Two bots on one hub: what one of them began, and did not live to report, is posted once.

Each test runs on a hub that says whether it gave an activity out before, as ours does, and on one that does not.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from durabletask.client import OrchestrationStatus

from orchestration.domain.cards import Card
from orchestration.domain.errors import ThrottledError, TryFailedError
from orchestration.domain.request import ApprovalRequest, CardRef
from orchestration.hub import Hub, SkippableClock
from orchestration.replicas.post_intent import PostIntent
from orchestration.runtime.connect import connect
from orchestration.service.intents import HubIntents
from tests.support import PATIENCE_S
from tests.support.board import Begin, Board, at_once
from tests.support.core_world import SEAL_KEYS, CoreWorld, opened
from tests.support.hub_proxy import HubProxy


class HaltingBoard(Board):
    """The first post of a card halts: `before` it is made, or after. Whatever halts goes on once `freed` is set."""

    def __init__(self, *, before: bool) -> None:
        super().__init__()
        self._before = before
        self._first = True
        self.halted, self.freed, self.gone_on = threading.Event(), threading.Event(), threading.Event()

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Begin = at_once
    ) -> CardRef | None:
        with self.lock:
            first, self._first = self._first, False
        if not first:
            return super().post_card(channel, card, notify, begin)
        if self._before:
            assert begin()
            self._halt()
            posted = super().post_card(channel, card, notify)
            self.gone_on.set()
            return posted
        posted = super().post_card(channel, card, notify, begin)
        self._halt()
        return posted

    def _halt(self) -> None:
        self.halted.set()
        self.freed.wait(PATIENCE_S)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0", authenticate=False, clock=SkippableClock()) as found:
        yield found


@pytest.fixture(params=[False, True], ids=["says", "silent"])
def silent(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@asynccontextmanager
async def bot(
    hub: Hub, data: Path, board: Board, *, silent: bool
) -> AsyncIterator[tuple[CoreWorld, HubProxy]]:
    """A bot. Once its proxy is cut, the hub takes it for dead."""
    with HubProxy(hub.address, silent=silent) as proxy:
        connection = connect(f"grpc://{proxy.address}", data, SEAL_KEYS)
        async with opened(connection, board, board) as world:
            yield world, proxy


@asynccontextmanager
async def one_dies(hub: Hub, data: Path, board: HaltingBoard, *, silent: bool) -> AsyncIterator[CoreWorld]:
    """One bot halts at a card and is cut off from the hub; yields the other bot, which gets its work."""
    async with bot(hub, data, board, silent=silent) as (first, proxy):
        request_id = await first.service.start(ApprovalRequest(policy="vote", title="x", requester="U0RITA"))
        await first.eventually(board.halted.is_set)
        await asyncio.to_thread(proxy.cut)
        async with bot(hub, data, board, silent=silent) as (second, _):
            await second.until(request_id, lambda progress: bool(progress.cards))
            yield second
        board.freed.set()


async def test_a_bot_killed_between_the_record_and_the_post(
    hub: Hub, tmp_path: Path, *, silent: bool
) -> None:
    board = HaltingBoard(before=True)
    async with one_dies(hub, tmp_path, board, silent=silent):
        assert (board.posts, board.lookups) == (1, 1)


async def test_a_bot_killed_between_the_post_and_its_report(
    hub: Hub, tmp_path: Path, *, silent: bool
) -> None:
    board = HaltingBoard(before=False)
    async with one_dies(hub, tmp_path, board, silent=silent):
        assert (board.posts, board.lookups) == (1, 1)


@pytest.mark.parametrize(
    "in_the_way", [ThrottledError(1.0), TryFailedError("Slack did not answer.", maybe_done=False)], ids=str
)
async def test_what_a_killed_bot_posted_is_looked_for_also_where_the_next_one_had_to_put_it_off(
    hub: Hub, tmp_path: Path, in_the_way: Exception, *, silent: bool
) -> None:
    board = HaltingBoard(before=False)
    board.problems["post_card"] += [None, in_the_way]
    async with one_dies(hub, tmp_path, board, silent=silent):
        assert (board.posts, board.lookups) == (1, 1)


async def test_a_bot_that_was_only_cut_off_and_posts_later(hub: Hub, tmp_path: Path, *, silent: bool) -> None:
    """Both have posted then, and of the two cards one is taken away."""
    board = HaltingBoard(before=True)
    async with one_dies(hub, tmp_path, board, silent=silent) as second:
        board.freed.set()
        await second.eventually(board.gone_on.is_set)
        assert (board.posts, len(board.cards)) == (2, 2)
        await asyncio.to_thread(hub.advance, timedelta(seconds=21))
        await second.eventually(lambda: len(board.cards) == 1)
        [ref] = board.cards
        assert ref == ("C0VOTE", "1.000001"), "the one that the request knows of"


async def test_without_trouble_two_bots_look_for_nothing(hub: Hub, tmp_path: Path, *, silent: bool) -> None:
    board = Board()
    async with (
        bot(hub, tmp_path, board, silent=silent) as (first, _),
        bot(hub, tmp_path, board, silent=silent) as (second, _),
    ):
        for world in (first, second) * 3:
            request_id = await world.ask("deploy")
            await world.decide(request_id, "U0ADA")
            await world.completed(request_id)
    assert (board.posts, board.lookups) == (6, 0)


async def test_of_many_who_begin_the_same_at_once_one_is_the_first(hub: Hub, tmp_path: Path) -> None:
    async with bot(hub, tmp_path, Board(), silent=True) as (world, _):
        client = world.connection.client()
        intents = HubIntents(client, lambda: None)
        with ThreadPoolExecutor(8) as threads:
            running = [threads.submit(intents.begun_before, "deploy-1", 1, "card") for _ in range(8)]
            said = await asyncio.gather(*map(asyncio.wrap_future, running))
        record = PostIntent(instance="deploy-1", task=1, what="card").id()
        ended = await client.wait_for_orchestration_completion(record, timeout=PATIENCE_S)
        later = await asyncio.to_thread(intents.begun_before, "deploy-1", 1, "card")
        await client.close()
    assert sorted(said) == [False] + [True] * 7
    assert ended is not None
    assert (ended.runtime_status, later) == (OrchestrationStatus.COMPLETED, True)
