"""What must not lose a request: odd events, simultaneous commands, long histories, systems that are down for days."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.task import ActivityContext
from google.protobuf.wrappers_pb2 import StringValue

from bot.slack.ids import SlackIds
from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.state import ApprovalInput
from orchestration.domain.cards import Card
from orchestration.domain.commands import EVENT_DECISION, Reason
from orchestration.domain.effects import PostCardInput
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.request import ApprovalRequest, CardRef, Choice, RemarkKind, Status
from orchestration.runtime.connect import Connection
from orchestration.runtime.converter import PydanticConverter
from orchestration.service.approvals import ApprovalService
from tests.support.board import AllNew, Begin, Board, BoardActions, at_once
from tests.support.book import CORE as BOOK
from tests.support.core_world import CoreWorld, by, opened, request_ids
from tests.support.identity import SHOWN

LONG = "d" * 10_000


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[" * 50_000,
        "NaN",
        '{"command_id": "\\ud800"}',
        '{"command_id": "q", "actor": "U0ADA", "via": "chat", "round": 1e400, "choice": "approve"}',
    ],
)
async def test_an_event_that_no_client_of_ours_could_send_fails_nothing(world: CoreWorld, text: str) -> None:
    request_id = await world.ask("deploy")
    client = world.connection.client()
    raised = pb.RaiseEventRequest(instanceId=request_id, name=EVENT_DECISION, input=StringValue(value=text))
    await client._get_stub().RaiseEvent(raised)
    await client.close()
    assert (await world.decide(request_id, "U0ADA")).accepted


class Gate:
    """A directory that is down at first, so that nobody remembers its answers; then it answers when it is opened."""

    def __init__(self, board: Board) -> None:
        self.down = True
        self.open = threading.Event()
        self.asked = threading.Event()
        self._board = board

    def members(self, group: str) -> list[str]:
        if self.down:
            raise ConnectionError(group)
        self.asked.set()
        assert self.open.wait(10)
        return self._board.members(group)

    def is_active(self, person: str) -> bool:
        return self._board.is_active(person)


@pytest.fixture
def gate(board: Board) -> Gate:
    return Gate(board)


@pytest.fixture
async def slow_world(connection: Connection, board: Board, gate: Gate) -> AsyncIterator[CoreWorld]:
    async with opened(connection, board, gate) as found:
        yield found


async def held(world: CoreWorld, gate: Gate) -> tuple[str, asyncio.Task[object]]:
    """A request whose orchestration is looking up a group, for somebody's vote, and cannot go on."""
    request_id = await world.ask()
    gate.down = False
    first = asyncio.create_task(world.decide(request_id, "U0SAM"))
    assert await asyncio.to_thread(gate.asked.wait, 10)
    return request_id, first


async def test_what_comes_in_during_a_lookup_is_handled_in_its_order(
    slow_world: CoreWorld, gate: Gate
) -> None:
    """The events have different names, and the SDK keeps no order between names."""
    request_id, first = await held(slow_world, gate)
    cancel = await slow_world.service.cancel(request_id, by("U0RITA"))
    shown = await slow_world.service.identity(request_id)
    vote = await slow_world.service.decide(request_id, by("U0ADA"), Choice.APPROVE, shown=shown, round=1)
    gate.open.set()
    await first
    assert (await slow_world.service.verdict(cancel)).reason is Reason.RECORDED
    assert (await slow_world.service.verdict(vote)).ended_as is Status.CANCELLED


async def test_a_deadline_during_a_lookup_is_handled_before_the_vote_that_followed_it(
    slow_world: CoreWorld, gate: Gate
) -> None:
    request_id, first = await held(slow_world, gate)
    await slow_world.skip(days=2)
    await slow_world.fired()
    shown = await slow_world.service.identity(request_id)
    vote = await slow_world.service.decide(request_id, by("U0DIRK"), Choice.APPROVE, shown=shown, round=2)
    gate.open.set()
    await first
    # Round 2 is the escalation: it was open when the vote was handled, so the deadline came first.
    assert (await slow_world.service.verdict(vote)).reason is Reason.RECORDED


async def test_a_hundred_people_who_press_at_once_are_all_answered(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    verdicts = await asyncio.gather(*(world.decide(request_id, f"U0X{n}") for n in range(100)))
    assert {verdict.reason for verdict in verdicts} == {Reason.NOT_AN_APPROVER}


async def test_a_comment_that_is_too_long_is_refused_by_name(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    with pytest.raises(InvalidRequestError) as caught:
        await world.decide(request_id, "U0ADA", comment="x" * 2001)
    assert caught.value.field == "comment"


async def test_a_hub_that_goes_away_after_the_raise_is_not_said_to_have_lost_the_command(
    connection: Connection,
) -> None:
    """There is no worker, so the verdict is missing when the hub stops."""
    client = connection.client()
    service = ApprovalService(client, lambda: BOOK, SlackIds(), request_ids("s"))
    request_id = await service.start(ApprovalRequest(policy="deploy", title="x", requester="U0RITA"))
    shown = await service.identity(request_id)
    ticket = await service.decide(request_id, by("U0ADA"), Choice.APPROVE, shown=shown, round=1)
    connection.close()
    assert (await service.verdict(ticket, timeout=0.2)).reason is Reason.NO_ANSWER_YET
    await client.close()


# ---- long lives ------------------------------------------------------------------------------------------


async def executions(world: CoreWorld, request_id: str) -> tuple[OrchestrationStatus, bool]:
    """How the instance stands, and whether it has continued as new."""
    state = await world.runtime(request_id)
    given = state.get_input(ApprovalInput)
    return state.runtime_status, given is not None and given.state is not None


async def test_hundreds_of_remarks_continue_as_new_and_none_is_lost(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    for batch in range(3):
        tickets = await asyncio.gather(
            *(
                world.service.comment(request_id, by("U0ADA"), RemarkKind.COMMENT, f"{batch}.{n}")
                for n in range(40)
            )
        )
        verdicts = await asyncio.gather(*(world.service.verdict(ticket) for ticket in tickets))
        assert {verdict.reason for verdict in verdicts} == {Reason.RECORDED}
    await world.eventually(lambda: len(world.board.replies) == 120)
    said = {step.text for _, step in world.board.replies}
    assert said == {f"{batch}.{n}" for batch in range(3) for n in range(40)}
    assert await executions(world, request_id) == (OrchestrationStatus.RUNNING, True)
    await world.skip(minutes=29)
    assert (await world.service.status(request_id)).status is Status.PENDING
    await world.skip(minutes=1)
    assert (await world.outcome(request_id)).status is Status.TIMED_OUT


async def test_long_texts_continue_as_new_before_the_history_is_too_long_for_a_worker(
    world: CoreWorld,
) -> None:
    request_id = await world.ask(description=LONG)
    for _ in range(45):
        assert await world.say(request_id, "U0ADA", RemarkKind.QUESTION, "q" * 2000) is Reason.RECORDED
    assert await executions(world, request_id) == (OrchestrationStatus.RUNNING, True)


async def test_an_edit_that_fails_for_long_is_carried_over_and_done_in_the_end(world: CoreWorld) -> None:
    """The decision stands, the history stays short, and the card is corrected when the chat system is back."""
    request_id = await world.ask("document", description=LONG)
    world.board.problems["edit_card"] = [RuntimeError("502 Bad Gateway") for _ in range(110)]
    assert (await world.decide(request_id, "U0ADA")).accepted
    await world.hasten(lambda: not world.board.card("C0DOCS").open)
    await world.completed(request_id)
    assert (await executions(world, request_id))[1]
    assert world.board.told == [("U0RITA", Status.APPROVED)]


def test_names_of_a_newer_release_in_a_carried_request_are_passed_over() -> None:
    converter = PydanticConverter()
    given = ApprovalInput(
        request=ApprovalRequest(policy="deploy", title="x", requester="U0RITA"),
        policy=BOOK.policies["deploy"],
    )
    wire = json.loads(converter.serialize(given) or "")
    wire["request"]["colour"] = "red"
    assert converter.deserialize(json.dumps(wire), ApprovalInput) == given


# ---- posting ---------------------------------------------------------------------------------------------


async def test_a_found_copy_that_says_less_than_is_true_by_now_is_edited(world: CoreWorld) -> None:
    world.board.problems["after post_card"] = [ConnectionResetError("the answer was lost")]
    request_id = await world.service.start(ApprovalRequest(policy="vote", title="x", requester="U0RITA"))
    await world.eventually(lambda: world.board.posts == 1)
    await world.decide(request_id, "U0ADA")
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await world.eventually(lambda: len(world.board.card("C0VOTE").levels[0].decisions) == 1)


class AllOld:
    """Another process may have begun anything."""

    def begun_before(self, instance_id: str, task_id: int, what: str) -> bool:
        return True


class SlowBoard(Board):
    """Takes a moment to post."""

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Begin = at_once
    ) -> CardRef | None:
        time.sleep(0.05)
        return super().post_card(channel, card, notify, begin)


def _given() -> PostCardInput:
    card = Card(
        request_id="deploy-1",
        nonce=SHOWN.nonce,
        digest=SHOWN.digest,
        round=1,
        status=Status.PENDING,
        policy_title="Deploy",
        title="x",
        requester="U0RITA",
        asked_at=datetime(2026, 12, 1, tzinfo=UTC),
        open=True,
    )
    return PostCardInput(channel="C0X", card=card, attempt=1)


def test_a_first_try_that_another_worker_may_have_made_is_looked_for() -> None:
    """One worker posts and dies; the hub gives the same first try to another that has run for days."""
    board = Board()
    for _ in range(2):
        worker = ApprovalActivities(board, board, BoardActions(board), AllOld())
        worker.post_card(ActivityContext("deploy-1", 1), _given())
    assert board.posts == 1


def test_one_post_that_is_dispatched_twice_at_once_is_posted_once() -> None:
    """As when a lease runs out while the first is still under way."""
    board, ctx = SlowBoard(), ActivityContext("deploy-1", 1)
    activities = ApprovalActivities(board, board, BoardActions(board), AllNew())
    threads = [threading.Thread(target=activities.post_card, args=(ctx, _given())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert board.posts == 1
