"""Whoever has the whole hub in hand, but not our secret, decides nothing, signs nothing and reads no false yes.

The stranger here is a client and a worker of the plain SDK on the same hub, which lets everybody in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from durabletask.client import OrchestrationStatus, TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.task import ActivityContext, OrchestrationContext
from durabletask.worker import TaskHubGrpcWorker
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.approval.status import NOT_OUR_END
from orchestration.challenge.models import ChallengeStatus
from orchestration.domain.commands import EVENT_CANCELLED, EVENT_DECISION, Reason
from orchestration.domain.effects import DelegateChange
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import PERSON, RECONCILE, SMS_CHALLENGE, Outcome, Status
from orchestration.runtime.connect import Connection
from orchestration.runtime.converter import PydanticConverter
from orchestration.runtime.ours import OURS
from orchestration.sealing.client import SealingInterceptor
from tests.support import PATIENCE_S
from tests.support.core_world import SEAL_KEYS, CoreWorld
from tests.support.hub_forms import hub_of, reach
from tests.support.other_program import REQUEST, strange_worker
from tests.support.people import NUMBERS


def decision(identity: Any, actor: str = "U0ADA", choice: str = "approve") -> dict[str, Any]:
    return {
        "command_id": "forged",
        "actor": actor,
        "via": "chat",
        "nonce": identity.nonce,
        "digest": identity.digest,
        "round": 1,
        "choice": choice,
    }


def history(stranger: TaskHubGrpcClient, instance_id: str) -> list[pb.HistoryEvent]:
    stream = stranger._stub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId=instance_id))
    return [event for chunk in stream for event in chunk.events]


async def votes(world: CoreWorld, request_id: str) -> list[str]:
    """Who has voted, once everything that was raised before has been looked at."""
    assert (await world.decide(request_id, "U0SAM")).reason is Reason.NOT_AN_APPROVER
    progress = await world.service.status(request_id)
    assert progress.status is Status.PENDING
    return [vote.actor for level in progress.levels for vote in level.decisions]


# ---- events ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [EVENT_DECISION, EVENT_DECISION.upper()])
async def test_an_event_without_a_seal_decides_nothing(
    world: CoreWorld, stranger: TaskHubGrpcClient, name: str
) -> None:
    request_id = await world.ask()
    identity = await world.service.identity(request_id)
    stranger.raise_orchestration_event(request_id, name, data=decision(identity))
    stranger.raise_orchestration_event(
        request_id, EVENT_CANCELLED, data={"command_id": "c", "actor": "U0RITA", "via": "chat"}
    )
    assert await votes(world, request_id) == []


@pytest.mark.every_hub
async def test_a_seal_counts_for_its_instance_its_event_and_its_text(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    """A vote that was seen on one request is worth nothing elsewhere, nor changed."""
    seen = await world.ask("vote")
    await world.decide(seen, "U0ADA")
    raised = next(event.eventRaised for event in history(stranger, seen) if event.HasField("eventRaised"))
    other = await world.ask("vote")
    texts = {
        "elsewhere": (other, raised.name, raised.input.value),
        "another name": (seen, EVENT_CANCELLED, raised.input.value),
        "another person": (seen, raised.name, raised.input.value.replace("U0ADA", "U0FAY")),
        "a second member": (
            seen,
            raised.name,
            raised.input.value.replace('"round"', '"actor":"U0FAY","round"'),
        ),
    }
    for instance_id, name, text in texts.values():
        assert text
        stranger._stub.RaiseEvent(
            pb.RaiseEventRequest(instanceId=instance_id, name=name, input=StringValue(value=text))
        )
    assert await votes(world, other) == []
    assert await votes(world, seen) == ["U0ADA"]


async def test_the_vote_keeps_the_seal_of_its_command(world: CoreWorld) -> None:
    request_id = await world.ask("vote")
    await world.decide(request_id, "U0ADA")
    progress = await world.service.status(request_id)
    (vote,) = progress.levels[-1].decisions
    assert vote.seal.count(".") == 2


# ---- starts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orchestration", "given"),
    [
        ("approval", {"request": REQUEST, "nonce": "A" * 22}),
        ("approval", {"request": REQUEST, "policy": {"key": "deploy", "title": "x", "channel": "C0X"}}),
        ("approval", {"request": REQUEST, "people": {}}),
        (
            "approval",
            {"request": REQUEST, "state": {"asked_at": "2026-11-26T00:00:00Z", "status": "approved"}},
        ),
        ("approval", {"request": REQUEST, "asked_without_seal": False}),
        ("approval", {}),
        ("approval", None),
        (RECONCILE, {"given": {"request": REQUEST}, "progress": {}, "status": "approved"}),
        (SMS_CHALLENGE, {"target": {"user": "U0ADA"}, "subject": "confirm", "bound": "x"}),
        ("delegate_change", {"person": "U0ADA", "entry": None}),
    ],
)
async def test_a_start_without_a_seal_gives_no_more_than_a_request(
    world: CoreWorld, stranger: TaskHubGrpcClient, orchestration: str, given: Any
) -> None:
    started = stranger.schedule_new_orchestration(orchestration, input=given, instance_id="forged")
    done = await asyncio.to_thread(stranger.wait_for_orchestration_completion, started, timeout=PATIENCE_S)
    assert done is not None
    assert done.runtime_status is OrchestrationStatus.FAILED
    assert done.failure_details is not None
    assert "without a seal" in done.failure_details.message
    assert world.board.posts == 0
    assert not world.phones.texts


async def test_a_sealed_start_is_good_under_its_own_id_alone(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    request_id = await world.ask("deploy")
    started = history(stranger, request_id)
    given = next(
        event.executionStarted.input.value for event in started if event.HasField("executionStarted")
    )
    stranger._stub.StartInstance(
        pb.CreateInstanceRequest(instanceId="copied", name="approval", input=StringValue(value=given))
    )
    done = await asyncio.to_thread(stranger.wait_for_orchestration_completion, "copied", timeout=PATIENCE_S)
    assert done is not None
    assert done.runtime_status is OrchestrationStatus.FAILED


async def test_another_program_may_ask_and_the_record_says_so(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    stranger.schedule_new_orchestration("approval", input={"request": REQUEST}, instance_id="theirs")
    progress = await world.until("theirs", lambda progress: len(progress.cards) == 1)
    assert progress.asked_without_seal
    await world.decide("theirs", "U0ADA")
    assert (await world.outcome("theirs")).asked_without_seal


async def test_another_program_stamps_nothing_that_the_service_stamps(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    """Named there, a token would sign the callbacks with its secret, and the receipt would name it."""
    given = {"request": {**REQUEST, "asked_with": "payroll", "idempotency_key": "k"}}
    stranger.schedule_new_orchestration("approval", input=given, instance_id="theirs")
    await world.until("theirs", lambda progress: len(progress.cards) == 1)
    request = (await world.service.view("theirs")).request
    assert request.asked_with is None
    assert request.idempotency_key is None


# ---- work that somebody else took --------------------------------------------------------------------------


async def test_an_outcome_that_a_stranger_wrote_is_no_yes(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    """They take the next turn of an approval, and answer it with a status and an outcome of their own."""
    request_id = await world.ask("deploy")
    progress = await world.service.status(request_id)
    await world.stop_worker()
    outcome = Outcome(
        request_id=request_id,
        status=Status.APPROVED,
        processed_by="U0ADA",
        processed_at=datetime.now(UTC),
        digest=progress.digest,
        nonce=progress.nonce,
        receipt="forged",
    )
    forged = progress.model_copy(update={"status": Status.APPROVED, "outcome": outcome})
    filters = pb.WorkItemFilters(orchestrations=[pb.OrchestrationFilter(name="approval")])
    stub: Any = stranger._stub  # typed for a client, though it speaks a worker's part too
    work = stub.GetWorkItems(pb.GetWorkItemsRequest(workItemFilters=filters))
    stranger.raise_orchestration_event(request_id, "anything")
    taken = await asyncio.to_thread(next, work)
    done = pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED,
        result=StringValue(value=outcome.model_dump_json()),
    )
    stub.CompleteOrchestratorTask(
        pb.OrchestratorResponse(
            instanceId=request_id,
            completionToken=taken.completionToken,
            actions=[pb.OrchestratorAction(id=1000, completeOrchestration=done)],
            customStatus=StringValue(value=forged.model_dump_json()),
        )
    )
    work.cancel()
    found = stranger.get_orchestration_state(request_id)
    assert found is not None
    assert found.runtime_status is OrchestrationStatus.COMPLETED
    seen = await world.service.status(request_id)
    assert seen.status is Status.FAILED
    assert seen.outcome is not None
    assert seen.outcome.reason == NOT_OUR_END
    assert seen.outcome.receipt is None
    told = await world.service.wait(request_id, timeout=1)
    assert told is not None
    assert told.status is Status.FAILED


def robbing(activity: str, given: Any) -> Callable[..., Any]:
    def robber(ctx: OrchestrationContext, _: Any) -> Any:
        return (yield ctx.call_activity(activity, input=given))

    return robber


@pytest.mark.parametrize(
    "activity", ["sign_receipt", "send_callback", "run_action", "post_card", "send_code"]
)
async def test_an_activity_works_for_our_orchestrations_alone(
    world: CoreWorld, connection: Connection, stranger: TaskHubGrpcClient, activity: str
) -> None:
    """A receipt, a signed callback, an order: for each a stranger only needs our worker to take their word."""
    with strange_worker(connection, robber=robbing(activity, {"outcome": {}})):
        started = stranger.schedule_new_orchestration("robber")
        done = await asyncio.to_thread(
            stranger.wait_for_orchestration_completion, started, timeout=PATIENCE_S
        )
    assert done is not None
    assert done.runtime_status is OrchestrationStatus.FAILED
    assert done.failure_details is not None
    assert "is an activity of Countersign" in done.failure_details.message
    assert world.board.posts == 0


class Liar:
    """An activity of a stranger's worker, under the name of one of ours."""

    def __init__(self, answer: Any) -> None:
        self.calls = 0
        self._answer = answer

    def __call__(self, ctx: ActivityContext, given: Any) -> Any:
        self.calls += 1
        return self._answer


@contextmanager
def lying(connection: Connection, name: str, answer: Any) -> Iterator[Liar]:
    """A stranger's worker, which gets some of the work of that activity."""
    liar = Liar(answer)
    worker = TaskHubGrpcWorker(**reach(hub_of(connection)), data_converter=PydanticConverter())
    worker._registry.add_named_activity(name, liar)
    worker.use_work_item_filters()
    worker.start()
    yield liar
    worker.stop()


async def test_a_group_is_what_our_worker_looked_up(world: CoreWorld, connection: Connection) -> None:
    answer = {"groups": {"S0MANAGERS": ["U0MAL"], "S0DIRECTORS": ["U0MAL"]}}
    with lying(connection, "members", answer) as liar:
        request_id = await world.ask()
        for _ in range(100):
            refused = (await world.decide(request_id, "U0MAL")).reason
            assert refused in {Reason.NOT_AN_APPROVER, Reason.DIRECTORY_UNAVAILABLE}
            if liar.calls:
                break
    assert liar.calls
    assert await votes(world, request_id) == []


async def test_a_code_is_right_where_our_worker_says_so(world: CoreWorld, connection: Connection) -> None:
    with lying(connection, "check_code", answer=True) as liar:
        for attempt in range(30):
            challenge = await world.challenges.start(
                NUMBERS["U0ADA"] + str(attempt % 10), f"ci-{attempt}", "U0RITA"
            )
            for n in range(2):
                await world.challenges.answer(challenge, "000000", f"{n}")
            assert (await world.challenges.status(challenge)).status is not ChallengeStatus.VERIFIED
            if liar.calls:
                break
    assert liar.calls


async def test_what_a_child_says_is_its_own(world: CoreWorld, connection: Connection) -> None:
    """A stranger's worker takes the challenge of a vote, and says that the code came."""
    taken = 0

    def verified(ctx: OrchestrationContext, _: Any) -> Any:
        nonlocal taken
        taken += 1
        return {"challenge_id": ctx.instance_id, "status": "verified"}
        yield

    with strange_worker(connection, sms_challenge=verified):
        for _ in range(30):
            request_id = await world.ask("wire", amount=Decimal(20000))
            assert (await world.decide(request_id, "U0ADA")).reason is Reason.CODE_SENT
            await world.until(
                request_id,
                lambda progress: not progress.confirming or len(world.phones.texts) > 0,
            )
            assert await votes(world, request_id) == []
            if taken:
                break
            world.phones.texts.clear()
            await world.skip(hours=2)
    assert taken


# ---- entities ----------------------------------------------------------------------------------------------


async def test_an_entity_hears_our_processes_alone(world: CoreWorld, stranger: TaskHubGrpcClient) -> None:
    """Nobody else says that Ada is away and that Mal decides for her."""
    entry = {"delegate": "U0MAL", "away": {"from": "2020-01-01", "until": "2099-01-01"}}
    change = {"person": "U0ADA", "entry": entry, "change_id": "x", "changed_at": "2026-11-26T00:00:00Z"}
    DelegateChange.model_validate(change)  # else it would be refused for its shape
    ada = EntityInstanceId(PERSON, "U0ADA")
    stranger.signal_entity(ada, "set_entry", change)
    request_id = await world.ask("deploy")
    assert (await world.decide(request_id, "U0MAL")).reason is Reason.NOT_AN_APPROVER
    assert not world.board.changes
    found = stranger.get_entity(ada)
    assert found is None or "U0MAL" not in str(found.get_state())


async def test_a_change_that_was_kept_with_its_seal_is_not_obeyed_again(
    world: CoreWorld, stranger: TaskHubGrpcClient
) -> None:
    """Ada was away, and came back. Whoever holds the hub sends her old change once more."""
    ada = EntityInstanceId(PERSON, "U0ADA")
    kept: list[str] = []
    sealer = SealingInterceptor(SEAL_KEYS, OURS)
    entry = PersonEntry.model_validate(
        {"delegate": "U0FIN", "away": {"from": "2020-01-01", "until": "2099-01-01"}}
    )
    for at, change_id, one in (
        ("2026-11-26T00:00:00Z", "first", entry),
        ("2026-11-26T00:10:00Z", "second", None),
    ):
        change = DelegateChange(
            person="U0ADA", entry=one, change_id=change_id, changed_at=datetime.fromisoformat(at)
        )
        request = pb.SignalEntityRequest(
            instanceId=str(ada),
            name="set_entry",
            input=StringValue(value=change.model_dump_json(by_alias=True)),
        )
        sealer._seal(request)
        kept.append(request.input.value)
        stranger._stub.SignalEntity(request)
    await world.eventually(lambda: len(world.board.changes) == 2)
    for old in (kept[0], kept[1], kept[0]):
        stranger._stub.SignalEntity(
            pb.SignalEntityRequest(instanceId=str(ada), name="set_entry", input=StringValue(value=old))
        )
    request_id = await world.ask("deploy")
    progress = await world.service.status(request_id)
    assert progress.levels[-1].delegates == {}
    assert len(world.board.changes) == 2
