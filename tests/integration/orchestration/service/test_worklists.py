"""Which requests are on whose worklist: as a request moves on, and when it is stopped or purged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal.entity_state_shim import StateShim

from orchestration.domain.commands import Reason
from orchestration.domain.policy import Away, PersonEntry
from orchestration.domain.request import WORKLIST, Choice, Status
from orchestration.people.worklist import ASKED_KEPT, WAITS_KEPT, WorklistState, worklist
from orchestration.runtime.converter import PydanticConverter
from orchestration.service.operations import Operations
from orchestration.service.worklists import Worklist, Worklists
from tests.support.board import BoardOutcomes
from tests.support.core_world import PATIENCE, CoreWorld

GROUPS = {
    "U0ADA": ["S0MANAGERS"],
    "U0FAY": ["S0MANAGERS"],
    "U0DIRK": ["S0DIRECTORS"],
}


@pytest.fixture
async def client(world: CoreWorld) -> AsyncTaskHubGrpcClient:
    return world.service._client


@pytest.fixture
def reader(client: AsyncTaskHubGrpcClient) -> Worklists:
    return Worklists(client)


async def state(client: AsyncTaskHubGrpcClient, principal: str) -> WorklistState:
    found = await client.get_entity(EntityInstanceId(WORKLIST, principal))
    return (found.get_typed_state(WorklistState) if found else None) or WorklistState()


async def worklist_when(reader: Worklists, person: str, true: Callable[[Worklist], bool]) -> Worklist:
    """The worklist, once it is so: what an orchestration signals is handled a moment later."""

    async def look() -> Worklist:
        while not true(found := await reader.of(person, GROUPS.get(person, []))):
            await asyncio.sleep(0.01)
        return found

    return await asyncio.wait_for(look(), PATIENCE)


def waits(*request_ids: str) -> Callable[[Worklist], bool]:
    return lambda worklist: [item.progress.request_id for item in worklist.waits] == list(request_ids)


async def test_it_goes_from_worklist_to_worklist(world: CoreWorld, reader: Worklists) -> None:
    request_id = await world.ask("budget", amount=Decimal(500), fields={"team": "ops"})
    for manager in ("U0ADA", "U0FAY"):
        await worklist_when(reader, manager, waits(request_id))
    rita = await worklist_when(reader, "U0RITA", lambda worklist: bool(worklist.asked))
    assert (rita.asked[0].request.amount, rita.waits) == (Decimal(500), [])
    assert waits()(await reader.of("U0FIN", []))
    await world.decide(request_id, "U0ADA")
    # Who has decided as a manager is not waited for any more, nor is who might have.
    for manager in ("U0ADA", "U0FAY"):
        await worklist_when(reader, manager, waits())
    for person in ("U0FIN", "U0FRANK"):
        await worklist_when(reader, person, waits(request_id))
    await world.decide(request_id, "U0FIN", round=2)
    await worklist_when(reader, "U0FIN", waits())
    await world.decide(request_id, "U0FRANK", Choice.REJECT, round=2, comment="No.")
    for person in ("U0RITA", "U0ADA", "U0FIN", "U0FRANK"):
        found = await worklist_when(reader, person, lambda worklist: bool(worklist.decided))
        assert [item.progress.status for item in found.decided] == [Status.REJECTED], person
        assert (found.waits, found.asked) == ([], [])
    assert (await reader.of("U0FAY", ["S0MANAGERS"])) == Worklist()


async def test_no_worklist_has_what_its_person_could_not_decide(world: CoreWorld, reader: Worklists) -> None:
    """A manager who asks is in the group, and still may not decide it."""
    request_id = await world.ask("purchase", requester="U0ADA")
    await worklist_when(reader, "U0FAY", waits(request_id))
    assert waits()(await reader.of("U0ADA", ["S0MANAGERS"]))


async def test_an_escalation_is_on_more_worklists(world: CoreWorld, reader: Worklists) -> None:
    request_id = await world.ask("purchase")
    assert waits()(await reader.of("U0DIRK", ["S0DIRECTORS"]))
    await world.skip(days=2)
    await worklist_when(reader, "U0DIRK", waits(request_id))
    await worklist_when(reader, "U0FAY", waits(request_id))
    await world.decide(request_id, "U0DIRK", round=2)
    for person in ("U0DIRK", "U0FAY", "U0FIN"):
        await worklist_when(reader, person, waits())


async def test_a_delegated_vote_is_on_the_other_worklist(world: CoreWorld, reader: Worklists) -> None:
    request_id = await world.ask("deploy")
    await worklist_when(reader, "U0ADA", waits(request_id))
    assert await world.delegate(request_id, "U0ADA", "U0BOB") is Reason.RECORDED
    await worklist_when(reader, "U0BOB", waits(request_id))
    await worklist_when(reader, "U0ADA", waits())


async def test_the_most_urgent_comes_first_and_absence_is_known(world: CoreWorld, reader: Worklists) -> None:
    later = await world.ask("document")
    sooner = await world.ask("deploy")
    await worklist_when(reader, "U0ADA", waits(sooner, later))
    away = PersonEntry(delegate="U0BOB", away=Away(since=date(2099, 1, 1), until=date(2099, 1, 2)))
    await world.service.set_away("U0ADA", away)
    assert (await worklist_when(reader, "U0ADA", lambda worklist: worklist.entry is not None)).entry == away


async def test_what_was_stopped_or_purged_is_on_no_worklist(
    world: CoreWorld, client: AsyncTaskHubGrpcClient, reader: Worklists
) -> None:
    request_id = await world.ask("purchase")
    await worklist_when(reader, "U0FIN", waits(request_id))
    operations = Operations(client, BoardOutcomes(world.board))
    await operations.terminate(request_id, "wrong")
    found = await worklist_when(reader, "U0RITA", lambda worklist: bool(worklist.decided))
    assert found.decided[0].progress.status is Status.TERMINATED

    async def cleared() -> None:
        while (await state(client, "U0FIN")).waits or (await state(client, "S0MANAGERS")).waits:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(cleared(), PATIENCE)
    await operations.purge(request_id, "U0OPS")
    assert (await state(client, "U0RITA")).asked == [request_id]
    assert (await reader.of("U0RITA", [])) == Worklist()


async def test_a_worklist_keeps_each_request_once_and_the_newest_of_all(
    client: AsyncTaskHubGrpcClient,
) -> None:
    """Signals come at least once. Each list has an end, as the state is written with every signal."""
    busy = EntityInstanceId(WORKLIST, "U0BUSY")
    for number in (0, 1, 0, 2, 2):
        await client.signal_entity(busy, "waits", f"deploy-{number}")
    for number in (*range(ASKED_KEPT + 5), 7, 7):
        await client.signal_entity(busy, "asked", f"deploy-{number}")
    last = ["deploy-7", f"deploy-{ASKED_KEPT + 4}"]

    async def settled() -> WorklistState:
        while (found := await state(client, "U0BUSY")).asked[:2] != last:
            await asyncio.sleep(0.02)
        return found

    found = await asyncio.wait_for(settled(), PATIENCE)
    assert found.waits == ["deploy-2", "deploy-0", "deploy-1"]
    assert found.asked == ["deploy-7", *(f"deploy-{n}" for n in range(ASKED_KEPT + 4, 4, -1) if n != 7)]


def test_many_hundreds_wait_on_a_long_worklist_and_none_is_forgotten() -> None:
    """A decided request leaves the list of those that wait, however many came after it."""
    kept = StateShim(None, PydanticConverter())
    busy = EntityInstanceId(WORKLIST, "S0ALL")

    def tell(operation: str, number: int) -> None:
        worklist(EntityContext("-", operation, kept, busy, PydanticConverter()), f"deploy-{number}")

    for number in range(700):
        tell("waits", number)
    for number in range(10, 700):
        tell("done", number)
    left = WorklistState.model_validate(kept.get_state(dict, {}))
    assert left.waits == [f"deploy-{number}" for number in range(9, -1, -1)]
    assert WAITS_KEPT > 700
