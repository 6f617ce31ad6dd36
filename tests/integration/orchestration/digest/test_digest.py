"""The listener: lines, an hourly timer and a stop in a loop, none lost, none counted twice, and nothing forged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus, TaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.approval.state import ApprovalInput
from orchestration.digest.models import DigestProgress
from orchestration.digest.workflow import CONTINUE_AS_NEW_AFTER
from orchestration.domain.commands import Progress
from orchestration.domain.digests import DigestLine, PostDigestInput
from orchestration.domain.errors import DeliveryError, TryFailedError, UnknownRequestError
from orchestration.domain.names import EventName, OrchestrationName
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import ApprovalRequest, Identity, Status
from orchestration.reconcile.workflow import ReconcileInput
from orchestration.runtime.connect import Connection
from orchestration.service.digests import DigestService, HubDigests, digest_id
from tests.support import PATIENCE_S
from tests.support.board import Begin, Board, at_once
from tests.support.book import parsed
from tests.support.core_world import SEAL_KEYS, CoreWorld, insisted, opened
from tests.support.hub_forms import connected, disconnect, reach

CHANNEL = "C0SPEND"
LISTENER = digest_id(CHANNEL)
POLICY = """
[policies.spend]
title = "Spend"
channel = "C0SPEND"
currency = "USD"
auto_approve_below = 1000
notify = "digest"
owner = "U0OLGA"
[[policies.spend.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "2d"
"""
BOOK = parsed(POLICY)
WITHOUT = parsed(POLICY.replace('notify = "digest"', ""))


@pytest.fixture
def book() -> PolicyBook:
    return BOOK


def line(number: int) -> DigestLine:
    return DigestLine(
        request_id=f"spend-{number}",
        identity=Identity(nonce=f"{number:022}", digest="0" * 64),
        policy_title="Spend",
        title=f"Thing {number}",
        requester="U0RITA",
        owner="U0OLGA",
        amount=Decimal(number),
        currency="USD",
    )


def digests(connection: Connection, book: PolicyBook = BOOK) -> DigestService:
    return DigestService(connection.client(), lambda: book)


async def add(world: CoreWorld, *numbers: int) -> None:
    """Add lines through the activity's port, each from a thread as in the activity."""
    client = world.connection.client()
    port = HubDigests(client)
    for number in numbers:
        await insisted(partial(asyncio.to_thread, port.add, CHANNEL, line(number)))
    await client.close()


async def ask(world: CoreWorld, amount: int, title: str = "Cables") -> str:
    request = ApprovalRequest(policy="spend", title=title, amount=Decimal(amount), requester="U0RITA")
    return await world.service.start(request)


async def until(world: CoreWorld, count: int, *, sent: int = 0) -> DigestProgress:
    """The listener's progress, once it holds `count` lines and has sent `sent` digests."""
    client = world.connection.client()

    async def look() -> DigestProgress:
        while True:
            state = await client.get_orchestration_state(LISTENER)
            found = state.get_custom_status(DigestProgress) if state else None
            if found is not None and (found.held, found.sent, found.sending) == (count, sent, False):
                return found
            await asyncio.sleep(0.01)

    try:
        return await asyncio.wait_for(look(), PATIENCE_S)
    finally:
        await client.close()


async def ended(world: CoreWorld) -> None:
    """Returns once the listener has ended. Its hour, and then the time in which it closes, are skipped."""
    for _ in range(100):
        if (await world.runtime(LISTENER)).runtime_status is OrchestrationStatus.COMPLETED:
            return
        await world.skip(minutes=10)
        await world.fired()
        await asyncio.sleep(0.02)
    raise AssertionError("it still stands")


# ---- from the request to the message -------------------------------------------------------------------------


@pytest.mark.every_hub
async def test_what_a_rule_approves_is_posted_together_after_an_hour_and_has_no_card(
    world: CoreWorld,
) -> None:
    asked = [await ask(world, amount) for amount in (20, 300, 7)]
    await until(world, 3)
    for request_id in asked:
        outcome = await world.outcome(request_id)
        assert (outcome.status, bool(outcome.receipt)) == (Status.AUTO_APPROVED, True)
        await world.completed(request_id)
    assert world.board.cards == {}
    assert world.board.digests == []
    await world.skip(hours=1)
    await until(world, 0, sent=1)
    [posted] = world.board.digests
    assert (posted.channel, posted.place, posted.problem) == (CHANNEL, CHANNEL, "")
    assert (posted.summary.count, posted.summary.totals[0].total) == (3, Decimal(327))
    assert sorted(one.request_id for one in posted.summary.lines) == sorted(asked)
    # An hour that brings nothing says nothing, and is the last one.
    await ended(world)
    assert len(world.board.digests) == 1
    # The next one begins another.
    await ask(world, 9)
    await until(world, 1)
    await world.skip(hours=1)
    await world.eventually(lambda: len(world.board.digests) == 2)
    assert world.board.digests[0].digest_id != world.board.digests[1].digest_id


async def test_what_people_decide_has_its_card_at_once(world: CoreWorld) -> None:
    request_id = await ask(world, 4200)
    await world.until(request_id, lambda progress: len(progress.cards) == 1)
    assert await digests(world.connection).standing() == []


async def test_an_instance_that_was_stopped_after_it_was_approved_is_in_the_digest_too(
    world: CoreWorld,
) -> None:
    world.board.problems["sign_receipt"] = [ConnectionResetError("the disk is full")] * 3
    request_id = await ask(world, 20)
    seen: Progress = await world.until(request_id, lambda progress: progress.status.ended)
    await until(world, 1)
    client = world.connection.client()
    given = await client.get_orchestration_state(request_id)
    assert given is not None
    asked = given.get_input(ApprovalInput)
    assert asked is not None
    stopped = ReconcileInput(given=asked, progress=seen, status=Status.TERMINATED)
    await client.schedule_new_orchestration("reconcile", input=stopped, instance_id="reconcile-x")
    await client.close()
    reconciled = asyncio.ensure_future(world.completed("reconcile-x"))
    await world.hasten(reconciled.done)
    await reconciled
    assert (await until(world, 1)).held == 1
    assert world.board.cards == {}


# ---- none lost, none twice -----------------------------------------------------------------------------------


@pytest.mark.every_hub
async def test_a_line_that_comes_again_counts_once_and_two_starters_begin_one(world: CoreWorld) -> None:
    await asyncio.gather(*(add(world, number) for number in (1, 2, 3, 1, 2, 3)))
    await add(world, 1, 2, 3)
    await until(world, 3)
    [standing] = await digests(world.connection).standing()
    assert (standing.channel, standing.held) == (CHANNEL, 3)


async def test_a_burst_over_many_generations_is_counted_whole(world: CoreWorld) -> None:
    many = 3 * CONTINUE_AS_NEW_AFTER
    started = (await _begun(world)).created_at
    for some in range(0, many, 50):
        await asyncio.gather(*(add(world, number) for number in range(some + 1, some + 51)))
    await until(world, many)
    assert (await world.runtime(LISTENER)).created_at == started
    await world.skip(hours=1)
    await until(world, 0, sent=1)
    [posted] = world.board.digests
    assert posted.summary.totals[0].total == sum(range(1, many + 1))
    assert [one.amount for one in posted.summary.lines] == sorted(range(many - 9, many + 1))


async def _begun(world: CoreWorld) -> OrchestrationState:
    await add(world, 1)
    await until(world, 1)
    return await world.runtime(LISTENER)


async def test_lines_of_two_generations_keep_their_order(world: CoreWorld) -> None:
    """Without amounts the earliest are kept, so what is kept says in which order they were taken."""
    client = world.connection.client()
    await add(world, 1)
    await world.stop_worker()
    plain = [line(number).model_copy(update={"amount": None, "currency": None}) for number in range(2, 300)]
    for one in plain:  # all of them wait for the worker
        await client.raise_orchestration_event(LISTENER, EventName.DIGEST_LINE, data=one)
    await client.close()
    board = world.board
    async with opened(world.connection, board, board, book=BOOK) as again:
        await until(again, 299)
        await again.skip(hours=1)
        await until(again, 0, sent=1)
    [posted] = board.digests
    assert [one.request_id for one in posted.summary.lines] == [f"spend-{n}" for n in range(1, 11)]


async def test_a_line_for_a_listener_that_closes_is_sent_again_and_counted_once(world: CoreWorld) -> None:
    service = digests(world.connection)
    await add(world, 1)
    await until(world, 1)
    await service.stop(CHANNEL)
    await until(world, 0, sent=1)
    assert (await service.standing())[0].closing
    # Nobody takes the line before its sender looks.
    await world.stop_worker()
    with pytest.raises(TryFailedError, match="just closing"):
        await add(world, 2)
    board = world.board
    async with opened(world.connection, board, board, book=BOOK) as again:
        # It came in time all the same: the listener stays, and knows the line that is sent again.
        await until(again, 1, sent=1)
        await add(again, 2)
        assert not (await until(again, 1, sent=1)).closing
        await ended(again)
    assert [one.summary.count for one in board.digests] == [1, 1]
    with pytest.raises(UnknownRequestError, match=f"No digest is being gathered for {CHANNEL}"):
        await service.stop(CHANNEL)


async def test_a_line_that_comes_again_to_the_next_listener_is_not_counted_again(world: CoreWorld) -> None:
    """The sender did not hear that it was counted, and was away until the listener had ended. It comes to two more."""
    await add(world, 1)
    await until(world, 1)
    await ended(world)
    for number in (2, 3):
        await add(world, 1)
        await until(world, 0)
        await add(world, number, 1, number)
        await until(world, 1)
        await ended(world)
    counted = [[line.request_id for line in one.summary.lines] for one in world.board.digests]
    assert counted == [["spend-1"], ["spend-2"], ["spend-3"]]


async def test_a_listener_that_was_terminated_is_begun_anew(world: CoreWorld) -> None:
    await add(world, 1)
    client = world.connection.client()
    await client.terminate_orchestration(LISTENER)
    await client.close()
    await add(world, 2)
    assert (await until(world, 1)).held == 1


# ---- the message ---------------------------------------------------------------------------------------------


async def test_while_a_message_is_tried_what_comes_is_held_and_nothing_is_posted_twice(
    world: CoreWorld,
) -> None:
    world.board.problems["after post_digest"] = [ConnectionResetError("the answer was lost")]
    await add(world, 1)
    await until(world, 1)
    await world.skip(hours=1)
    await world.eventually(lambda: len(world.board.digests) == 1)
    await add(world, 2)
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await until(world, 1, sent=1)
    assert (len(world.board.digests), world.board.lookups) == (1, 1)
    await world.skip(hours=1)
    await until(world, 0, sent=2)
    assert [one.summary.count for one in world.board.digests] == [1, 1]


async def test_of_a_message_that_arrives_after_it_was_posted_again_one_stays(world: CoreWorld) -> None:
    world.board.problems["after post_digest"] = [ConnectionResetError("the answer was lost")]
    await add(world, 1)
    await until(world, 1)
    await world.skip(hours=1)
    await world.eventually(lambda: len(world.board.digests) == 1)
    late = world.board.digests.pop()
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await until(world, 0, sent=1)
    world.board.digests.append(late)
    # Meanwhile lines are taken, and a stop posts them.
    await add(world, 2)
    await digests(world.connection).stop(CHANNEL)
    await world.eventually(lambda: len(world.board.digests) == 3)
    await world.skip(seconds=20)
    await world.eventually(lambda: world.board.copy_lookups == 1)
    assert [one.summary.lines[0].request_id for one in world.board.digests] == ["spend-1", "spend-2"]
    await ended(world)


async def test_the_owner_gets_what_the_channel_does_not_take(world: CoreWorld) -> None:
    world.board.problems["post_digest"] = [DeliveryError("The channel is archived.")]
    await add(world, 1)
    await until(world, 1)
    await world.skip(hours=1)
    await until(world, 0, sent=1)
    [posted] = world.board.digests
    assert (posted.place, posted.channel, posted.problem) == ("U0OLGA", CHANNEL, "The channel is archived.")


# ---- stopping ------------------------------------------------------------------------------------------------


async def test_stopping_posts_what_is_held_and_ends(world: CoreWorld) -> None:
    await add(world, 1, 2)
    await until(world, 2)
    await digests(world.connection).stop(CHANNEL)
    await world.eventually(lambda: len(world.board.digests) == 1)
    await world.due_within(seconds=30)
    await world.skip(seconds=30)
    await world.completed(LISTENER)
    assert world.board.digests[0].summary.count == 2


async def test_a_stop_waits_for_the_message_that_is_tried(world: CoreWorld) -> None:
    world.board.problems["post_digest"] = [TryFailedError("502 Bad Gateway")] * 3
    await add(world, 1)
    await until(world, 1)
    await world.skip(hours=1)
    await world.eventually(lambda: len(world.board.problems["post_digest"]) < 3)
    await add(world, 2)
    await digests(world.connection).stop(CHANNEL)
    await world.hasten(lambda: len(world.board.digests) == 2)
    await ended(world)
    assert [one.summary.count for one in world.board.digests] == [1, 1]


async def test_a_channel_that_no_policy_gathers_for_is_stopped_by_the_sweep(world: CoreWorld) -> None:
    await add(world, 1)
    await until(world, 1)
    assert await digests(world.connection).sweep() == 0
    service = digests(world.connection, WITHOUT)
    assert await service.sweep() == 1
    await world.eventually(lambda: len(world.board.digests) == 1)
    await until(world, 0, sent=1)
    assert await service.sweep() == 0


# ---- forged, and killed --------------------------------------------------------------------------------------


async def test_a_line_without_our_seal_is_not_in_the_digest(world: CoreWorld) -> None:
    await add(world, 1)
    await until(world, 1)
    forged = line(2).model_dump(mode="json")
    with TaskHubGrpcClient(**reach(world.hub)) as stranger:
        for name in (EventName.DIGEST_LINE, EventName.DIGEST_LINE.upper()):
            stranger.raise_orchestration_event(LISTENER, name, data=forged)
        stranger.raise_orchestration_event(LISTENER, EventName.DIGEST_STOP, data={"stop": True})
        # A line with a seal of ours counts for its own channel alone.
        await asyncio.to_thread(HubDigests(world.connection.client()).add, "C0B", line(9))
        stream = stranger._stub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId=LISTENER))
        raised = [
            event.eventRaised for chunk in stream for event in chunk.events if event.HasField("eventRaised")
        ]
        copied = pb.RaiseEventRequest(
            instanceId="digest-C0B", name=EventName.DIGEST_LINE, input=raised[0].input
        )
        assert '"$seal"' in copied.input.value
        stranger._stub.RaiseEvent(copied)
    await add(world, 3)
    found = await until(world, 2)
    assert not found.closing
    await world.skip(hours=1)
    await world.eventually(lambda: len(world.board.digests) == 2)
    counted = {one.channel: [each.request_id for each in one.summary.lines] for one in world.board.digests}
    assert counted == {CHANNEL: ["spend-1", "spend-3"], "C0B": ["spend-9"]}


async def test_a_request_of_another_program_is_no_request_of_the_person_it_names(world: CoreWorld) -> None:
    """Another program may ask for an approval, in anybody's name, and a rule may approve it."""
    request = {"policy": "spend", "title": "Cables", "amount": "20", "requester": "U0RITA"}
    with TaskHubGrpcClient(**reach(world.hub)) as stranger:
        stranger.schedule_new_orchestration(
            OrchestrationName.APPROVAL, input={"request": request}, instance_id="spend-forged"
        )
    await until(world, 1)
    await world.skip(hours=1)
    await until(world, 0, sent=1)
    [posted] = world.board.digests
    assert [one.asked_without_seal for one in posted.summary.lines] == [True]
    assert (posted.summary.people, posted.summary.unchecked) == ({}, 1)


class BoardThatDies(Board):
    """Its process dies when the digest was posted, and before anybody hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self.dies = True
        self.died, self.buried = threading.Event(), threading.Event()

    def post_digest(self, digest: PostDigestInput, begin: Begin = at_once) -> None:
        super().post_digest(digest, begin)
        if self.dies:
            self.died.set()
            self.buried.wait(20)
            raise ConnectionResetError("the process is dead")


@asynccontextmanager
async def killed(data: Path, board: BoardThatDies) -> AsyncIterator[CoreWorld]:
    """A core whose hub ends before its worker, as when the process is killed."""
    connection = connected(data, SEAL_KEYS)
    async with opened(connection, board, board, book=BOOK) as world:
        try:
            yield world
        finally:
            await asyncio.to_thread(disconnect, connection)
            board.buried.set()
            await world.stop_worker()


async def test_a_process_that_is_killed_with_the_message_under_way_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    board = BoardThatDies()
    async with killed(tmp_path, board) as world:
        await add(world, 1)
        await until(world, 1)
        await world.skip(hours=1)
        await world.eventually(board.died.is_set)
        await add(world, 2)
    board.dies = False
    async with killed(tmp_path, board) as world:
        await until(world, 1, sent=1)
        await world.skip(hours=1)
        await until(world, 0, sent=2)
    assert [(one.summary.count, one.summary.lines[0].request_id) for one in board.digests] == [
        (1, "spend-1"),
        (1, "spend-2"),
    ]
    assert board.lookups == 1
