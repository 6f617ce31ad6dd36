"""Which requests are on whose worklist: as a request moves on, and when it is stopped or purged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal.entity_state_shim import StateShim
from pydantic import BaseModel

from orchestration.approval.status import RequestView
from orchestration.domain.commands import Reason
from orchestration.domain.errors import TooManyOpenError
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.request import PERSON, WORKLIST, ApprovalRequest, Choice, Status, Via
from orchestration.people.person import WAITS_KEPT as PERSON_WAITS_KEPT
from orchestration.people.person import PersonState, Reminder
from orchestration.people.person import person as person_entity
from orchestration.people.worklist import ASKED_KEPT, DECIDED_KEPT, WAITS_KEPT, WorklistState, worklist
from orchestration.runtime.converter import PydanticConverter
from orchestration.service.approvals import Actor, ApprovalService
from orchestration.service.open_limits import OpenLimits
from orchestration.service.operations import Operations
from orchestration.service.worklists import AwaitedAnswer, Worklist, Worklists
from tests.support import PATIENCE_S
from tests.support.board import BoardOutcomes
from tests.support.book import CORE as BOOK
from tests.support.core_world import SLACK, CoreWorld, request_ids
from tests.support.counting import CountingClient

S = TypeVar("S", bound=BaseModel)

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

    return await asyncio.wait_for(look(), PATIENCE_S)


def waits(*request_ids: str) -> Callable[[Worklist], bool]:
    return lambda worklist: (
        [
            item.read.progress.request_id if isinstance(item, AwaitedAnswer) else item.progress.request_id
            for item in worklist.waits
        ]
        == list(request_ids)
    )


async def test_it_goes_from_worklist_to_worklist(world: CoreWorld, reader: Worklists) -> None:
    request_id = await world.ask("budget", amount=Decimal(500), fields={"team": "ops"})
    for manager in ("U0ADA", "U0FAY"):
        await worklist_when(reader, manager, waits(request_id))
    rita = await worklist_when(reader, "U0RITA", lambda worklist: bool(worklist.asked))
    assert isinstance(rita.asked[0], RequestView)
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


@pytest.mark.every_hub
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


@pytest.mark.every_hub
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

    await asyncio.wait_for(cleared(), PATIENCE_S)
    await operations.purge(request_id, "U0OPS")
    assert (await state(client, "U0RITA")).asked == [request_id]
    assert (await reader.of("U0RITA", [])) == Worklist()


async def test_a_worklist_keeps_each_request_once_and_the_newest_of_all(
    client: AsyncTaskHubGrpcClient,
) -> None:
    """Signals come at least once. Each list has a limit, as the state is written with every signal."""
    busy = EntityInstanceId(WORKLIST, "U0BUSY")
    for number in (0, 1, 0, 2, 2):
        await client.signal_entity(busy, "waits", {"request_id": f"deploy-{number}"})
    for number in (*range(ASKED_KEPT + 5), 7, 7):
        await client.signal_entity(busy, "asked", {"request_id": f"deploy-{number}"})
    last = ["deploy-7", f"deploy-{ASKED_KEPT + 4}"]

    async def settled() -> WorklistState:
        while (found := await state(client, "U0BUSY")).asked[:2] != last:
            await asyncio.sleep(0.02)
        return found

    found = await asyncio.wait_for(settled(), PATIENCE_S)
    assert sorted(found.waits) == ["deploy-0", "deploy-1", "deploy-2"]
    assert found.asked == ["deploy-7", *(f"deploy-{n}" for n in range(ASKED_KEPT + 4, 4, -1) if n != 7)]
    assert len(found.open) == ASKED_KEPT + 5


class EntityInHand:
    """An entity without a hub."""

    def __init__(self, run: Callable[[EntityContext, Any], Any], name: str) -> None:
        self._run, self._id = run, EntityInstanceId(name, "U0BUSY")
        self.kept = StateShim(None, PydanticConverter())

    def tell(self, operation: str, given: object) -> Any:
        return self._run(EntityContext("-", operation, self.kept, self._id, PydanticConverter()), given)

    def state(self, model: type[S]) -> S:
        return model.model_validate(self.kept.get_state(dict, {}))


def in_hours(hours: int) -> str:
    return datetime.fromtimestamp(hours * 3600, UTC).isoformat()


def test_a_flood_pushes_nothing_urgent_off_a_worklist_and_what_found_no_place_is_counted() -> None:
    busy = EntityInHand(worklist, WORKLIST)
    busy.tell("waits", {"request_id": "never"})
    busy.tell("waits", {"request_id": "urgent", "until": in_hours(1)})
    for number in range(WAITS_KEPT + 10):
        busy.tell("waits", {"request_id": f"flood-{number}", "until": in_hours(2 + number)})
    found = busy.state(WorklistState)
    assert (len(found.waits), found.unlisted) == (WAITS_KEPT, 12)
    assert {"urgent", "flood-0"} <= found.waits.keys()
    assert "never" not in found.waits
    # Each operation reads and writes this: a thousand members of JSON would take longer than all the rest of it.
    assert all(
        isinstance(value, str | int) or len(value) <= DECIDED_KEPT for value in busy.kept.get_state().values()
    )
    busy.tell("done", "never")
    busy.tell("decided", "urgent")
    found = busy.state(WorklistState)
    assert (len(found.waits), found.unlisted, found.decided) == (WAITS_KEPT - 1, 11, ["urgent"])
    for number in range(WAITS_KEPT + 10):
        busy.tell("done", f"flood-{number}")
    assert (busy.state(WorklistState).waits, busy.state(WorklistState).unlisted) == ({}, 0)


def test_what_an_older_release_wrote_is_read_and_goes_on() -> None:
    """It had the lists as objects of JSON."""
    busy = EntityInHand(worklist, WORKLIST)
    written = {
        "waits": {"never": None, "soon": in_hours(1), "over": in_hours(2)},
        "unlisted": 1,
        "asked": ["mine"],
        "open": {"mine": "", "of the script": "ci"},
    }
    busy.kept.set_state(written)
    before = busy.state(WorklistState)
    busy.tell("done", "over")
    assert isinstance(busy.kept.get_state(dict, {})["waits"], str)
    now = busy.state(WorklistState)
    assert now.waits == {one: until for one, until in before.waits.items() if one != "over"}
    assert (now.unlisted, now.asked, now.open) == (1, ["mine"], before.open)


def test_a_flood_takes_nobody_s_absence_from_them() -> None:
    """A state of megabytes cannot be sent, and nothing that was said to its entity after that would count."""
    busy = EntityInHand(person_entity, PERSON)
    entry = {"delegate": "U0FIN", "away": {"from": "2026-03-01", "until": "2026-03-09"}}
    title = "x" * 200
    for number in range(600):
        given = {"request_id": f"flood-{number}", "title": title, "deadline": in_hours(number)}
        busy.tell("waits", given)
    busy.tell("set_entry", {"person": "U0BUSY", "entry": entry, "change_id": "1", "changed_at": in_hours(1)})
    found = busy.state(PersonState)
    assert found.entry is not None
    assert (len(found.waits), found.unlisted) == (PERSON_WAITS_KEPT, 600 - PERSON_WAITS_KEPT)
    assert len(json.dumps(busy.kept.get_state(dict, {}))) < 100_000
    reminder = Reminder.model_validate(busy.tell("remind", {"now": in_hours(0)}))
    assert [one.request_id for one in reminder.digest[:2]] == ["flood-0", "flood-1"]
    assert len(reminder.digest) + reminder.more == 600


# ---- how many an asker may have open ---------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "ci"])
async def test_an_asker_has_no_more_requests_open_than_they_may(world: CoreWorld, token: str | None) -> None:
    """The other way of asking, other people and a repeat of what was asked before are not held up."""
    client = world.connection.client()
    limits = OpenLimits(per_person=3, per_token=3)
    service = ApprovalService(client, lambda: BOOK, SLACK, request_ids("few"), limits)

    def asking(requester: str = "U0RITA", **more: object) -> Awaitable[str]:
        given = {"policy": "deploy", "title": "x", "requester": requester, "asked_with": token} | more
        return service.start(ApprovalRequest.model_validate(given))

    first = await asking(idempotency_key="1")
    found = await asyncio.gather(*(asking() for _ in range(9)), return_exceptions=True)
    refused = [one for one in found if isinstance(one, TooManyOpenError)]
    assert len(refused) == 7
    assert ("The token ci has as many" if token else "You have as many") in str(refused[0])
    assert await asking(idempotency_key="1") == first
    await asking("U0FIN")
    await asking(asked_with=None if token else "ci")
    with pytest.raises(TooManyOpenError):
        await asking(idempotency_key="2")

    async def listed(*there: str, count: int) -> None:
        """A new process knows of what the worklist has, which comes a moment after the request."""
        while not (
            set(there) <= (open_ := (await state(client, "U0RITA")).open).keys() and len(open_) == count
        ):
            await asyncio.sleep(0.02)

    await asyncio.wait_for(listed(first, count=4), PATIENCE_S)
    # What an operator stops says nothing to the worklist, and is noticed all the same.
    await client.terminate_orchestration(first)
    await client.wait_for_orchestration_completion(first)
    service = ApprovalService(client, lambda: BOOK, SLACK, request_ids("few"), limits)
    fourth = await asking()
    with pytest.raises(TooManyOpenError):
        await asking()
    await asyncio.wait_for(listed(fourth, count=4), PATIENCE_S)
    await service.cancel(fourth, Actor("U0RITA", Via.CHAT))

    async def gone() -> None:  # its orchestration goes on until the cards say so
        while fourth in (await state(client, "U0RITA")).open:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(gone(), PATIENCE_S)
    service = ApprovalService(client, lambda: BOOK, SLACK, request_ids("few"), limits)
    await asking()
    await client.close()


async def test_who_asks_often_and_has_nothing_open_is_looked_at_seldom(world: CoreWorld) -> None:
    """A request that was begun lately counts as open until it is known to have ended."""
    client = world.connection.client()
    counting: Any = CountingClient(client)
    service = ApprovalService(counting, lambda: BOOK, SLACK, request_ids("often"), OpenLimits(per_person=4))
    for _ in range(12):
        request = ApprovalRequest(policy="budget", title="x", requester="U0RITA", amount=Decimal(5))
        # It is open, and looked at again, until its cards show the outcome.
        await client.wait_for_orchestration_completion(await service.start(request))
    assert counting.calls.count("get_orchestration_state") < 40
    await client.close()
