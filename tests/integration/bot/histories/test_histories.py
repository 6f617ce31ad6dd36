"""A history of each orchestration, recorded once, replays to the same actions, output and inputs of activities.

On the day of a deploy the hub has instances of the release before, and the new worker runs their histories. Those of
approvals and of gatherings are beside their own tests. Run with COUNTERSIGN_RECORD=1 in the environment, this writes
what is not there yet. After a release a file is never replaced.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import json_format

from orchestration.domain.answers import OwedAnswer
from orchestration.domain.names import OrchestrationName, call_result_id
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import VERSION
from orchestration.held_calls.result import CallResult
from orchestration.replicas.post_intent import PostIntent
from orchestration.runtime.connect import Connection
from orchestration.service.answers import OwedAnswers
from orchestration.service.sweep import ReconcileSweep
from tests.integration.bot.grants.test_one_card import a_run, like, waiting
from tests.integration.orchestration.digest import test_digest as spending
from tests.support.board import Board
from tests.support.challenges import SOMEBODY, begun, code_in, other
from tests.support.core_world import SEAL_KEYS, CoreWorld, opened
from tests.support.granting import CHANNEL, GrantWorld, an_edit, at
from tests.support.hub_forms import connected
from tests.support.order_world import PAID, OrderWorld
from tests.support.receiver import receiver
from tests.support.replaying import history, keep, replay
from tests.support.world import World

HISTORIES = Path(__file__).parent
BESIDE = {  # where the histories of an orchestration are that has tests of its own
    OrchestrationName.APPROVAL: HISTORIES.parents[1] / "orchestration" / "approval" / "histories",
    OrchestrationName.GATHERING: HISTORIES.parent / "gathering" / "histories",
    OrchestrationName.RECONCILE_GATHERING: HISTORIES.parent / "gathering" / "histories",
}
FILES = sorted(HISTORIES.glob("*.json"))
STEPLESS = {
    OrchestrationName.CALL_RESULT,
    OrchestrationName.POST_INTENT,
}  # that they were started is what counts
RECORDING = bool(os.environ.get("COUNTERSIGN_RECORD"))
Record = Callable[[Path], Awaitable[None]]


# ---- what was recorded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_history_replays(file: Path) -> None:
    """One that no longer replays needs a new version of the orchestration, and not a new file."""
    replay(list(_events(file)))


@pytest.mark.parametrize("name", OrchestrationName)
def test_each_orchestration_has_a_history(name: OrchestrationName) -> None:
    """A new one is recorded with the release that brings it."""
    files = list(BESIDE.get(name, HISTORIES).glob("*.json"))
    assert name in {_name_of(file) for file in files}


def test_a_history_with_a_step_of_another_name_does_not_replay() -> None:
    """That is what a worker would find whose orchestration was changed without a new version."""
    changed = 0
    for file in FILES:
        events = _events(file)
        for step in (event for event in events if event.HasField("taskScheduled")):
            step.taskScheduled.name = "members" if step.taskScheduled.name != "members" else "post_card"
            with pytest.raises(AssertionError, match="NonDeterminismError"):
                replay(events)
            changed += 1
            break
    assert changed >= len(FILES) - len(STEPLESS)


def _events(file: Path) -> list[pb.HistoryEvent]:
    return list(json_format.Parse(file.read_text(), pb.HistoryChunk()).events)


def _name_of(file: Path) -> str:
    started = (event.executionStarted for event in _events(file) if event.HasField("executionStarted"))
    return next(started).name


# ---- how it is recorded --------------------------------------------------------------------------------------


async def _ended(connection: Connection, name: OrchestrationName) -> list[str]:
    client = connection.client()
    try:
        return [
            state.instance_id
            for state in await client.get_all_orchestration_states()
            if state.name == name and state.runtime_status is OrchestrationStatus.COMPLETED
        ]
    finally:
        await client.close()


async def _keep(connection: Connection, *names: OrchestrationName) -> None:
    """One ended instance of each."""
    for name in names:
        [first, *_] = await _ended(connection, name)
        keep(HISTORIES, name, await history(connection, first))


async def _until_ended(world: CoreWorld | World, name: OrchestrationName) -> None:
    """Skips time until one has."""
    while not await _ended(world.connection, name):
        await world.skip(minutes=10)


@asynccontextmanager
async def _core(data: Path) -> AsyncIterator[CoreWorld]:
    connection, board = connected(data, SEAL_KEYS), Board()
    try:
        async with opened(connection, board, board) as world:
            yield world
    finally:
        connection.close()


async def an_order(place: Path) -> None:
    async with receiver() as erp, OrderWorld(place, erp) as world:
        request_id = await world.ordered()
        for event, body in (
            ("PaymentReceived", PAID),
            ("Shipped", {"parcel": 7}),
            ("Delivered", {"by": "Sam"}),
        ):
            assert (await world.send(request_id, event, body)).status < 300
        await world.state(request_id, "Completed")
        await _until_ended(world, OrchestrationName.FULFILMENT)
        await _keep(world.connection, OrchestrationName.FULFILMENT)


async def a_grant(place: Path) -> None:
    async with GrantWorld(place) as world:
        dirk, call = world.person("U0DIRK"), an_edit()
        request_id = await world.asked_people(call)
        await world.grant(dirk, request_id, grant_uses="1")
        await world.by_grant(at(call, "/srv/b.py"))
        await world.eventually(lambda: "*Used up*" in world.says(request_id))
        [card] = world.grant_cards(request_id)
        await dirk.click(CHANNEL, card.ts, "grant_revoke")
        await world.eventually(lambda: "*Revoked*" in world.says(request_id))
        await _until_ended(world, OrchestrationName.STANDING_GRANT)
        await _keep(world.connection, OrchestrationName.STANDING_GRANT)


async def a_call_list(place: Path) -> None:
    async with GrantWorld(place) as world:
        call = a_run()
        asked = await waiting(world, call, like(call))
        for request_id in asked:
            token = world.token("dirk", "U0DIRK", "decide:agents")
            await world.decide(token, request_id)
            await world.until(request_id, lambda one: one.status.ended)
        await _until_ended(world, OrchestrationName.CALL_LIST)
        await _keep(world.connection, OrchestrationName.CALL_LIST)


async def a_digest(place: Path) -> None:
    connection, board = connected(place, SEAL_KEYS), Board()
    async with opened(connection, board, board, book=spending.BOOK) as world:
        await spending.ask(world, 20)
        await spending.ask(world, 7)
        await spending.until(world, 2)
        await spending.ended(world)
        await _keep(connection, OrchestrationName.CHANNEL_DIGEST)
    connection.close()


async def a_code(place: Path) -> None:
    async with _core(place) as world:
        challenge = await begun(world)
        code = code_in(world, challenge)
        await world.challenges.hear(SOMEBODY, other(code), "SM1")
        await world.challenges.hear(SOMEBODY, code, "SM2")
        await world.completed(challenge)
        await _keep(world.connection, OrchestrationName.SMS_CHALLENGE)


async def what_a_person_is_told(place: Path) -> None:
    async with _core(place) as world:
        client = world.connection.client()
        owed = OwedAnswers(client)
        debt = await owed.owe(
            OwedAnswer(person="U0SAM", place="C0PURCHASES", words="Nothing changed."), "an act"
        )
        await world.skip(seconds=10)
        await world.completed(debt.batch)
        await world.service.set_away("U0ADA", PersonEntry(delegate="U0FIN"))
        await _until_ended(world, OrchestrationName.DELEGATE_CHANGE)
        await client.close()
        await _keep(world.connection, OrchestrationName.OWED_ANSWER, OrchestrationName.DELEGATE_CHANGE)


async def records_alone(place: Path) -> None:
    """Those that do nothing: that they were started is what counts."""
    async with _core(place) as world:
        client = world.connection.client()
        intent = PostIntent(instance="deploy-00000000", task=1, what="deploy-00000000 card")
        result = CallResult(at=world.connection.now(), encrypted="x")
        for name, instance, given in (
            (OrchestrationName.CALL_RESULT, call_result_id("deploy-00000000", "n" * 22), result),
            (OrchestrationName.POST_INTENT, intent.id(), intent),
        ):
            await client.schedule_new_orchestration(name, input=given, instance_id=instance, version=VERSION)
            await world.completed(instance)
        await client.close()
        await _keep(world.connection, OrchestrationName.CALL_RESULT, OrchestrationName.POST_INTENT)


async def a_terminated_request(place: Path) -> None:
    async with _core(place) as world:
        client = world.connection.client()
        await client.terminate_orchestration(await world.ask("deploy"))
        assert await ReconcileSweep(client).sweep() == 1
        await _until_ended(world, OrchestrationName.RECONCILE)
        await client.close()
        await _keep(world.connection, OrchestrationName.RECONCILE)


RECORDS: list[Record] = [
    an_order,
    a_grant,
    a_call_list,
    a_digest,
    a_code,
    what_a_person_is_told,
    records_alone,
    a_terminated_request,
]


if RECORDING:

    @pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
    async def test_it_is_recorded(tmp_path: Path, record: Record) -> None:
        await record(tmp_path)
